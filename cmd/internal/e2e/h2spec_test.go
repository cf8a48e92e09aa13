//go:build e2e

package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/vigil-gateway/vigil/cmd/internal/keys"
)

// h2specCases is how many cases h2spec 2.2.1 has: a run with fewer has gone wrong.
const h2specCases = 145

// suites is what h2spec writes in JUnit form.
type suites struct {
	Suites []struct {
		Package string `xml:"package,attr"`
		Cases   []struct {
			Name    string    `xml:"package,attr"`
			What    string    `xml:"classname,attr"`
			Skipped *struct{} `xml:"skipped"`
			Failure *struct {
				Text string `xml:",chardata"`
			} `xml:"failure"`
			Error *struct {
				Text string `xml:",chardata"`
			} `xml:"error"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// failures are the cases that net/http's HTTP/2 server fails before any code of
// ours is asked, and why. They are strictness of another kind, not laxness. (Without TLS the port speaks HTTP/1.1
// too, so that a broken preface is a broken request there.)
var failures = map[string]string{
	"http2/6.5.3: Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE": "net/http ends a connection whose SETTINGS frame names a setting twice, where RFC 9113 would take the last value: nobody but an attacker sends one",
	"http2/8.1.2.2: Sends a HEADERS frame that contains the connection-specific header field": "net/http answers with status 400 and goes on, where h2spec wants a reset: " +
		"RFC 9113, section 8.1.1, allows an answer, and the request never reaches a handler",
	"http2/8.1.2.2: Sends a HEADERS frame that contains the TE header field with any value other than \"trailers\"": "the same",
}

// The gateway passes h2spec over TLS but for the cases of failures; one of them that
// passes is to be taken from that list.
func TestH2Spec(t *testing.T) {
	dir := t.TempDir()
	_, err := keys.Init(dir)
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "hello from behind the gateway")
	}))
	defer upstream.Close()
	writeCertificate(t, dir)
	config := fmt.Sprintf(`id: gateway-1
tenant_key_file: secrets/tenant.key
kafka: {brokers: ["127.0.0.1:1"]}
keys: {key_set_file: keys/keys.jws, root_public_file: keys/root.pub.pem}
listen: {address: "127.0.0.1:0", tls: {cert_file: cert.pem, key_file: key.pem}}
admin: {address: "127.0.0.1:0"}
revoke: {dir: state}
routes:
  - {id: open, path: "/{rest...}", upstream: %q, public: true}
`, upstream.URL)
	file := filepath.Join(dir, "gateway.yaml")
	err = os.WriteFile(file, []byte(config), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, dir, "vigil-gateway", "--config", file)
	at, err := url.Parse(p.ready["gateway"])
	if err != nil {
		t.Fatal(err)
	}
	takesWebSockets(t, at.Host)
	report := filepath.Join(dir, "report.xml")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	h2spec := exec.CommandContext(ctx, filepath.Join(checkout(t), ".cache", "bin", "h2spec-2.2.1"),
		"-t", "-k", "-h", at.Hostname(), "-p", at.Port(), "-o", "5", "-j", report)
	out, err := h2spec.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatalf("h2spec (make h2spec builds it): %v\n%s", err, out)
	}
	checkReport(t, report)
	p.stop(t)
}

// takesWebSockets checks that the shipped binary announces extended CONNECT (RFC 8441,
// section 3), which hangs on the order in which its packages are initialised.
func takesWebSockets(t *testing.T, addr string) {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, http2.ClientPreface)
	frame, err := http2.NewFramer(conn, conn).ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	settings, ok := frame.(*http2.SettingsFrame)
	if !ok {
		t.Fatalf("the first frame is %v", frame)
	}
	v, _ := settings.Value(http2.SettingEnableConnectProtocol)
	if v != 1 {
		t.Errorf("SETTINGS_ENABLE_CONNECT_PROTOCOL is %d, want 1: %v", v, settings)
	}
}

// writeCertificate writes a certificate that nobody trusts, and its key.
func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		err = os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func checkReport(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all suites
	err = xml.Unmarshal(b, &all)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range all.Suites {
		for _, c := range s.Cases {
			n++
			name := c.Name + ": " + c.What
			_, known := failures[name]
			failed := ""
			switch {
			case c.Failure != nil:
				failed = "failed: " + c.Failure.Text
			case c.Error != nil:
				failed = "failed: " + c.Error.Text
			case c.Skipped != nil:
				failed = "was skipped"
			}
			switch {
			case known && failed == "":
				t.Errorf("%s: passes now", name)
			case !known && failed != "":
				t.Errorf("%s: %s", name, failed)
			}
		}
	}
	if n != h2specCases {
		t.Errorf("%d cases, want %d", n, h2specCases)
	}
}
