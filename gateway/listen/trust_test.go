package listen_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/gateway/certtest"
	"github.com/vigil-gateway/vigil/gateway/listen"
)

// client is a certificate of an authority with a SPIFFE id, good for clients alone.
func client(t *testing.T, a certtest.Authority, change ...func(*x509.Certificate)) *tls.Certificate {
	t.Helper()
	id := &url.URL{Scheme: "spiffe", Host: "example.org", Path: "/billing"}
	p := a.Issue(t, append([]func(*x509.Certificate){func(c *x509.Certificate) {
		c.URIs, c.ExtKeyUsage = []*url.URL{id}, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}}, change...)...)
	return &p.Certificate
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
	ours, theirs := certtest.New(t, "ours"), certtest.New(t, "theirs")
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	write := func(b []byte) {
		err := os.WriteFile(bundle, b, 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	write(ours.PEM())
	expired := client(t, ours, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	forServers := client(t, ours, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	somebody := &tls.Certificate{Certificate: theirs.Pair().Certificate.Certificate, PrivateKey: theirs.Pair().PrivateKey}
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
			"ours":                      {client(t, ours), "HTTP/1.1 " + alice},
			"of an unknown authority":   {client(t, theirs), "refused"},
			"expired":                   {expired, "refused"},
			"for servers":               {forServers, "refused"},
			"somebody else's, no chain": {somebody, "refused"},
		} {
			if got := show(t, s, tt.cert, nil, false); got != tt.want {
				t.Errorf("%s, %s: %s, want %s", mode, name, got, tt.want)
			}
		}
	}

	s, tick := mutual(t, listen.ClientAuthRequired, bundle)
	sessions := tls.NewLRUClientSessionCache(4)
	old := client(t, ours)
	for range 2 {
		if got := show(t, s, old, sessions, true); got != "HTTP/2.0 "+alice {
			t.Errorf("over HTTP/2: %s", got)
		}
	}
	write(theirs.PEM())
	tick()
	if got := show(t, s, old, sessions, true); got != "refused" {
		t.Errorf("an authority that the bundle has lost: %s", got)
	}
	if got := show(t, s, client(t, theirs), nil, false); got != "HTTP/1.1 "+alice {
		t.Errorf("an authority that the bundle has got: %s", got)
	}
	write([]byte("broken"))
	tick()
	if got := show(t, s, client(t, theirs), nil, false); got != "HTTP/1.1 "+alice {
		t.Errorf("after a broken bundle: %s", got)
	}
}

func TestClientAuthNamesEveryFault(t *testing.T) {
	cert, key := pair(t, t.TempDir(), "one.example")
	bad := filepath.Join(t.TempDir(), "bundle.pem")
	err := os.WriteFile(bad, append(certtest.New(t, "x").PEM(), []byte("-----BEGIN")...), 0o600)
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
		"a bundle that is no": {listen.TLS{CertFile: cert, KeyFile: key, ClientAuth: "required", ClientCAFile: bad}, ": has what is no PEM behind 1 certificates"},
	} {
		c := listen.DefaultConfig()
		c.Address, c.TLS = "127.0.0.1:0", tt.tls
		_, err := listen.New(t.Context(), listen.Options{Config: c, Handler: http.NotFoundHandler(), Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: time.Now})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: New() = %v, want %q", name, err, tt.want)
		}
	}
}
