package proxy_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/gateway/certtest"
	"github.com/vigil-gateway/vigil/gateway/proxy"
)

// made is a certificate of an authority with its key, in PEM, for a DNS name, where
// there is one, and URIs.
type made struct{ cert, key []byte }

func issue(t *testing.T, a certtest.Authority, dns string, uris ...string) made {
	t.Helper()
	cert, key := a.Issue(t, func(c *x509.Certificate) {
		if dns != "" {
			c.DNSNames = []string{dns}
		}
		for _, u := range uris {
			parsed, err := url.Parse(u)
			if err != nil {
				t.Fatal(err)
			}
			c.URIs = append(c.URIs, parsed)
		}
	}).PEM()
	return made{cert, key}
}

func write(t *testing.T, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	err := os.WriteFile(path, b, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// secured starts an upstream over TLS that shows a certificate and tells whose
// certificate it was shown.
func secured(t *testing.T, cert, key []byte, clients *x509.CertPool) string {
	t.Helper()
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			who = r.TLS.PeerCertificates[0].URIs[0].String()
		}
		_, _ = io.WriteString(w, r.Proto+" "+who)
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients}
	if clients != nil {
		s.TLS.ClientAuth = tls.RequireAndVerifyClientCert
	}
	s.EnableHTTP2 = true
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

// An upstream must be who the configuration says, and is shown who calls.
func TestUpstreamIdentity(t *testing.T) {
	ours, theirs := certtest.New(t, "ours"), certtest.New(t, "theirs")
	clients, dir := ours.Pool(), t.TempDir()
	own := issue(t, ours, "", "spiffe://corp.example/gateway")
	caFile, certFile, keyFile := write(t, dir, "ca.pem", ours.PEM()), write(t, dir, "cert.pem", own.cert), write(t, dir, "key.pem", own.key)
	const want = "spiffe://corp.example/orders"
	for name, tt := range map[string]struct {
		shown    made
		identity string
		status   int
	}{
		"its SPIFFE id":                      {issue(t, ours, "", want), want, 200},
		"its DNS name":                       {issue(t, ours, "orders.internal"), "orders.internal", 200},
		"another SPIFFE id":                  {issue(t, ours, "", "spiffe://corp.example/billing"), want, 502},
		"a longer SPIFFE id":                 {issue(t, ours, "", want+"/v2"), want, 502},
		"two SPIFFE ids":                     {issue(t, ours, "", want, "spiffe://corp.example/billing"), want, 502},
		"a DNS name that spells a SPIFFE id": {issue(t, ours, "corp.example"), want, 502},
		"another DNS name":                   {issue(t, ours, "billing.internal"), "orders.internal", 502},
		"its SPIFFE id of another authority": {issue(t, theirs, "", want), want, 502},
	} {
		t.Run(name, func(t *testing.T) {
			target := secured(t, tt.shown.cert, tt.shown.key, clients)
			g := newRig(t, target, func(c *proxy.Config) {
				c.UpstreamTLS = []proxy.UpstreamTLS{{
					Host: strings.TrimPrefix(target, "https://"), CAFile: caFile, CertFile: certFile, KeyFile: keyFile, Identity: tt.identity,
				}}
			})
			res, err := g.client(t, false).Do(g.request(t, "GET", "/", "s", nil))
			if err != nil {
				t.Fatal(err)
			}
			text := body(t, res)
			if res.StatusCode != tt.status {
				t.Errorf("status %d, want %d: %s", res.StatusCode, tt.status, text)
			}
			if tt.status == 200 && text != "HTTP/2.0 spiffe://corp.example/gateway" {
				t.Errorf("the upstream saw %q", text)
			}
		})
	}
}

// A response that is longer than allowed is refused, or broken off where it did
// not say so before.
func TestResponseTooLong(t *testing.T) {
	for name, tt := range map[string]struct {
		path   string
		status int
	}{
		"within the limit":             {"/?n=1000", 200},
		"longer, and says so":          {"/?n=1001", 502},
		"longer, in chunks":            {"/?n=1001&chunked=1", 0},
		"HEAD of something that is so": {"/?n=1001", 200},
	} {
		t.Run(name, func(t *testing.T) {
			target, _ := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				n := 1000
				if r.URL.Query().Get("n") == "1001" {
					n++
				}
				if r.URL.Query().Has("chunked") {
					_ = http.NewResponseController(w).Flush()
				}
				_, _ = w.Write(make([]byte, n))
			})
			g := newRig(t, target, func(c *proxy.Config) { c.ResponseBytesMax = 1000 })
			method := "GET"
			if strings.HasPrefix(name, "HEAD") {
				method = "HEAD"
			}
			res, err := g.client(t, false).Do(g.request(t, method, tt.path, "s", nil))
			if err == nil {
				_, err = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
			out := g.outcome(t)
			if tt.status == 0 {
				if err == nil || out.Reason != "upstream_body_too_large" || !out.Abort || out.BytesOut > 1000 {
					t.Errorf("err %v, outcome %+v, want a response that is broken off", err, out)
				}
				return
			}
			if err != nil || res.StatusCode != tt.status {
				t.Errorf("err %v, status %v, want %d", err, out.Status, tt.status)
			}
		})
	}
}
