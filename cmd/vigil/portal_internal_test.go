package main

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/gateway/certtest"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// An admin port that asks for certificates of operators is reached with one of them,
// and believed only by the authority that was named.
func TestAdminPortsAskForCertificates(t *testing.T) {
	operators, strangers := certtest.New(t, "operators"), certtest.New(t, "strangers")
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		err := os.WriteFile(path, b, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	issue := func(a certtest.Authority, folder, name string) (cert, key string) {
		err := os.Mkdir(filepath.Join(dir, folder), 0o700)
		if err != nil {
			t.Fatal(err)
		}
		return a.Issue(t, func(c *x509.Certificate) {
			c.Subject, c.DNSNames, c.IPAddresses = pkix.Name{CommonName: name}, []string{name}, []net.IP{net.IPv4(127, 0, 0, 1)}
		}).Files(t, filepath.Join(dir, folder))
	}
	ca, foreign := write("operators.pem", operators.PEM()), write("strangers.pem", strangers.PEM())
	server := tlsfile.Server{ClientCAFile: ca}
	server.CertFile, server.KeyFile = issue(operators, "server", "admin.test")
	cert, key := issue(operators, "ann", "ann")
	badCert, badKey := issue(strangers, "eve", "eve")
	token := write("token", []byte("secret\n"))

	secure, err := server.Config(tlsfile.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	port := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName+" "+r.Header.Get("Authorization"))
	}))
	port.Listener = tls.NewListener(port.Listener, secure)
	port.Config.ErrorLog = nil
	port.Start()
	defer port.Close()
	base := strings.Replace(port.URL, "http://", "https://", 1)

	env := app.Env{Now: time.Now}
	ask := func(run runfile.Run) (string, error) {
		run.AdminTokenFile = token
		shown, err := portalOf(run)
		if err != nil {
			return "", err
		}
		d, _, body := askAdmin(t.Context(), env, "analyzer", http.MethodGet, base, "/", shown)
		return strings.TrimSpace(string(body) + d.Error), nil
	}
	for name, tt := range map[string]struct {
		run  runfile.Run
		want string
	}{
		"an operator":                         {runfile.Run{AdminCAFile: ca, AdminCertFile: cert, AdminKeyFile: key}, "ann Bearer secret"},
		"nobody":                              {runfile.Run{AdminCAFile: ca}, "certificate required"},
		"a certificate of another authority":  {runfile.Run{AdminCAFile: ca, AdminCertFile: badCert, AdminKeyFile: badKey}, "tls: "},
		"a port that another one vouches for": {runfile.Run{AdminCAFile: foreign, AdminCertFile: cert, AdminKeyFile: key}, "unknown authority"},
		"a port that the system vouches for":  {runfile.Run{AdminCertFile: cert, AdminKeyFile: key}, "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ask(tt.run)
			if err != nil || !strings.Contains(got, tt.want) {
				t.Errorf("%q, %v, want %q", got, err, tt.want)
			}
		})
	}

	err = os.Chmod(badKey, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		run  runfile.Run
		want string
	}{
		"half a pair":           {runfile.Run{AdminCertFile: cert}, "--admin-cert-file needs --admin-key-file"},
		"no such authority":     {runfile.Run{AdminCAFile: filepath.Join(dir, "none")}, "--admin-ca-file: "},
		"a key for everybody":   {runfile.Run{AdminCertFile: badCert, AdminKeyFile: badKey}, "chmod 600"},
		"somebody else's key":   {runfile.Run{AdminCertFile: cert, AdminKeyFile: server.KeyFile}, "--admin-cert-file: "},
		"no token where it was": {runfile.Run{AdminTokenFile: filepath.Join(dir, "none")}, "admin token"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := portalOf(tt.run)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
