package analyzer_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/analyzer"
)

// With a certificate the admin port speaks TLS, and with client_ca_file only to who
// shows one; without, it stays on this machine.
func TestAdminPortSpeaksTLS(t *testing.T) {
	sample := httptest.NewTLSServer(nil) // For its certificate, which is valid for 127.0.0.1.
	pair := sample.TLS.Certificates[0]
	sample.Close()
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(dir, name)
		err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	c, _ := installation(t, "127.0.0.1:1")
	c.Admin.TLS.CertFile, c.Admin.TLS.KeyFile = write("cert.pem", "CERTIFICATE", pair.Certificate[0]), write("key.pem", "PRIVATE KEY", key)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	ask := func(scheme string, a *analyzer.Analyzer) (status int, err error) {
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
		defer tr.CloseIdleConnections()
		res, err := (&http.Client{Transport: tr}).Get(scheme + "://" + a.AdminAddr().String() + "/livez")
		if err != nil {
			return 0, err
		}
		return res.StatusCode, res.Body.Close()
	}
	a := start(t, c)
	for scheme, want := range map[string]int{"https": http.StatusOK, "http": http.StatusBadRequest} {
		status, err := ask(scheme, a)
		if status != want {
			t.Errorf("by %s: status %d (%v), want %d", scheme, status, err, want)
		}
	}
	c.State.Dir = t.TempDir()
	c.Admin.TLS.ClientCAFile = c.Admin.TLS.CertFile
	_, err = ask("https", start(t, c))
	if err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("who shows no certificate is answered: %v", err)
	}

	c = analyzer.DefaultConfig()
	c.Admin.Address = "0.0.0.0:8081"
	err = c.Validate()
	if err == nil || !strings.Contains(err.Error(), "admin.address: 0.0.0.0:8081 can be reached from other machines") {
		t.Errorf("an admin port in the open: %v", err)
	}
}
