package listen_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/gateway/listen"
)

// authority signs certificates of clients.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert: cert, key: key}
}

func (a authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// client is a certificate with a SPIFFE id.
func (a authority) client(t *testing.T, change ...func(*x509.Certificate)) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := &url.URL{Scheme: "spiffe", Host: "example.org", Path: "/billing"}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), URIs: []*url.URL{id}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		KeyUsage: x509.KeyUsageDigitalSignature, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	for _, f := range change {
		f(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// verifiedURI answers with the URI of the client's verified certificate.
func verifiedURI(w http.ResponseWriter, r *http.Request) {
	text := "nobody"
	if len(r.TLS.VerifiedChains) > 0 {
		text = r.TLS.PeerCertificates[0].URIs[0].String()
	}
	_, _ = fmt.Fprint(w, r.Proto, " ", text)
}

// mutual starts a listener that asks for certificates; tick makes it look at
// its files again.
func mutual(t *testing.T, clientAuth, bundle string) (s *server, tick func()) {
	t.Helper()
	cert, key := pair(t, t.TempDir(), "one.example")
	start, clock := time.Now(), new(atomic.Int64)
	s = serve(t, http.HandlerFunc(verifiedURI), func(o *listen.Options) {
		o.Config.TLS = listen.TLS{CertFile: cert, KeyFile: key, ClientAuth: clientAuth, ClientCAFile: bundle}
		o.Now = func() time.Time { return start.Add(time.Duration(clock.Load())) }
	})
	return s, func() { clock.Add(int64(time.Minute)) }
}

// show asks with a certificate, nil for none, and a cache of sessions, which the
// server must not use.
func show(t *testing.T, s *server, cert *tls.Certificate, sessions tls.ClientSessionCache, h2 bool) string {
	t.Helper()
	p := new(http.Protocols)
	p.SetHTTP1(!h2)
	p.SetHTTP2(h2)
	c := &tls.Config{ServerName: "one.example", InsecureSkipVerify: true, ClientSessionCache: sessions}
	if cert != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	transport := &http.Transport{Protocols: p, TLSClientConfig: c}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+s.Addr().String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "one.example"
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "refused"
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.TLS.DidResume {
		return "resumed"
	}
	return string(b)
}

func TestClientCertificates(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	write := func(b []byte) {
		err := os.WriteFile(bundle, b, 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	write(ours.pem())
	expired := ours.client(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	forServers := ours.client(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	const alice = "spiffe://example.org/billing"
	for mode, want := range map[string]string{listen.ClientAuthOptional: "nobody", listen.ClientAuthRequired: "refused"} {
		s, _ := mutual(t, mode, bundle)
		if got := show(t, s, nil, nil, false); !strings.HasSuffix(got, want) {
			t.Errorf("%s, no certificate: %s, want %s", mode, got, want)
		}
		for name, tt := range map[string]struct {
			cert *tls.Certificate
			want string
		}{
			"ours":                      {ours.client(t), "HTTP/1.1 " + alice},
			"of an unknown authority":   {theirs.client(t), "refused"},
			"expired":                   {expired, "refused"},
			"for servers":               {forServers, "refused"},
			"somebody else's, no chain": {&tls.Certificate{Certificate: [][]byte{theirs.cert.Raw}, PrivateKey: theirs.key}, "refused"},
		} {
			if got := show(t, s, tt.cert, nil, false); got != tt.want {
				t.Errorf("%s, %s: %s, want %s", mode, name, got, tt.want)
			}
		}
	}

	s, tick := mutual(t, listen.ClientAuthRequired, bundle)
	sessions := tls.NewLRUClientSessionCache(4)
	old := ours.client(t)
	for range 2 {
		if got := show(t, s, old, sessions, true); got != "HTTP/2.0 "+alice {
			t.Errorf("over HTTP/2: %s", got)
		}
	}
	write(theirs.pem())
	tick()
	if got := show(t, s, old, sessions, true); got != "refused" {
		t.Errorf("an authority that the bundle has lost: %s", got)
	}
	if got := show(t, s, theirs.client(t), nil, false); got != "HTTP/1.1 "+alice {
		t.Errorf("an authority that the bundle has got: %s", got)
	}
	write([]byte("broken"))
	tick()
	if got := show(t, s, theirs.client(t), nil, false); got != "HTTP/1.1 "+alice {
		t.Errorf("after a broken bundle: %s", got)
	}
}

func TestClientAuthNamesEveryFault(t *testing.T) {
	cert, key := pair(t, t.TempDir(), "one.example")
	bad := filepath.Join(t.TempDir(), "bundle.pem")
	err := os.WriteFile(bad, append(newAuthority(t, "x").pem(), []byte("-----BEGIN")...), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		tls  listen.TLS
		want string
	}{
		"an unknown mode":     {listen.TLS{CertFile: cert, KeyFile: key, ClientAuth: "maybe", ClientCAFile: bad}, `tls.client_auth: unknown value "maybe"`},
		"no bundle":           {listen.TLS{CertFile: cert, KeyFile: key, ClientAuth: "required"}, "tls.client_ca_file: it and client_auth go together"},
		"no mode":             {listen.TLS{CertFile: cert, KeyFile: key, ClientCAFile: bad}, "tls.client_ca_file: it and client_auth go together"},
		"no TLS":              {listen.TLS{ClientAuth: "required", ClientCAFile: bad}, "tls.client_auth: needs cert_file"},
		"a bundle that is no": {listen.TLS{CertFile: cert, KeyFile: key, ClientAuth: "required", ClientCAFile: bad}, ": behind 1 certificates is something else"},
	} {
		c := listen.DefaultConfig()
		c.Address, c.TLS = "127.0.0.1:0", tt.tls
		_, err := listen.New(t.Context(), listen.Options{Config: c, Handler: http.NotFoundHandler(), Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: time.Now})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: New() = %v, want %q", name, err, tt.want)
		}
	}
}
