package gateway_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/vigil-gateway/vigil/gateway/route"
)

// Each event names the hello of its client: of two programs with one user agent the
// events differ. What a proxy that ends TLS says of its client is believed of a
// trusted one alone, and reaches no upstream.
func TestEventsNameTheHello(t *testing.T) {
	const said = "t12i1011h1_61a7ad8aa9b6_3fcd1a44f3e3"
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, sent := r.Header["X-Client-Ja4"]; sent {
			t.Errorf("%s: the upstream is told of a hello by the client", r.URL.Path)
		}
	}))
	t.Cleanup(upstream.Close)
	g, _, _ := boundRigWith(t, func(g *rig, _ string) {
		g.config.Routes = append(g.config.Routes, route.Spec{ID: "open", Path: "/open/{id}", Upstream: upstream.URL, Public: true})
		g.config.Listen.TLS.ClientAuth, g.config.Listen.TLS.ClientCAFile = "", ""
		g.config.Identity.Certificates, g.config.Routes = nil, g.config.Routes[3:]
		g.config.Origin.TrustedProxies, g.config.Origin.JA4Header = []string{"127.0.0.2"}, "X-Client-Ja4"
	})
	visit := func(path, from, header string, config *tls.Config) {
		t.Helper()
		config.InsecureSkipVerify = true
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		tr := &http.Transport{TLSClientConfig: config, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		}}
		defer tr.CloseIdleConnections()
		r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+g.gateway.Addr().String()+path, http.NoBody))
		r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36")
		if header != "" {
			r.Header.Set("X-Client-Ja4", header)
		}
		res, err := tr.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, res.Body)
		if err != nil || res.Body.Close() != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("GET %s: %d, %v", path, res.StatusCode, err)
		}
	}
	visit("/open/browser", "127.0.0.1", "", &tls.Config{})
	visit("/open/script", "127.0.0.1", "", &tls.Config{MaxVersion: tls.VersionTLS12})
	visit("/open/liar", "127.0.0.1", said, &tls.Config{})
	visit("/open/proxied", "127.0.0.2", said, &tls.Config{})
	visit("/open/silent", "127.0.0.2", "", &tls.Config{})
	must(0, g.stop())
	got := make(map[string]string)
	for _, list := range g.events(t) {
		for _, e := range list {
			got[e.GetPath()] = e.GetJa4()
		}
	}
	browser, script := got["/open/browser"], got["/open/script"]
	if len(browser) != len(said) || browser[:3] != "t13" || len(script) != len(said) || script[:3] != "t12" || browser[11:] == script[11:] {
		t.Errorf("the browser's hello is %q, the script's %q", browser, script)
	}
	if got["/open/liar"] != browser {
		t.Errorf("who claims another hello: %q, want his own, %q", got["/open/liar"], browser)
	}
	if got["/open/proxied"] != said || got["/open/silent"] != "" {
		t.Errorf("by way of a trusted proxy: %q, want %q; where it says nothing: %q, want none", got["/open/proxied"], said, got["/open/silent"])
	}
}
