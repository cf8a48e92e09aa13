package listen_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	proxyproto "github.com/pires/go-proxyproto"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/gateway/certtest"
	"github.com/vigil-gateway/vigil/gateway/listen"
)

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// remote answers with the peer's address as the handler sees it.
func remote(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RemoteAddr) }

// ask sends raw bytes and returns the body of the answer; err where there is none.
func ask(t *testing.T, s *server, raw string) (string, error) {
	t.Helper()
	c := s.dial(t)
	_, err := io.WriteString(c, raw)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", fmt.Errorf("read answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestProxyProtocolFromTrustedPeersOnly(t *testing.T) {
	v2 := func(h proxyproto.Header) string {
		b, err := h.Format()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	addr := func(ip string) *net.TCPAddr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 4711} }
	const v1 = "PROXY TCP4 198.51.100.7 192.0.2.1 4711 443\r\n"
	version2 := v2(proxyproto.Header{Version: 2, Command: proxyproto.PROXY, TransportProtocol: proxyproto.TCPv6, SourceAddr: addr("2001:db8::7"), DestinationAddr: addr("2001:db8::1")})
	local := v2(proxyproto.Header{Version: 2, Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC})
	datagram := v2(proxyproto.Header{
		Version: 2, Command: proxyproto.PROXY, TransportProtocol: proxyproto.UDPv4,
		SourceAddr: &net.UDPAddr{IP: net.IPv4(198, 51, 100, 7), Port: 1}, DestinationAddr: &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1},
	})
	trusted := serve(t, http.HandlerFunc(remote), func(o *listen.Options) { o.Config.ProxyProtocol.Trusted = []string{"127.0.0.0/8"} })
	lenient := serve(t, http.HandlerFunc(remote), func(o *listen.Options) {
		o.Config.ProxyProtocol.Trusted, o.Config.ProxyProtocol.Require = []string{"127.0.0.1"}, false
	})
	untrusted := serve(t, http.HandlerFunc(remote), func(o *listen.Options) { o.Config.ProxyProtocol.Trusted = []string{"192.0.2.0/24"} })
	off := serve(t, http.HandlerFunc(remote))
	tests := map[string]struct {
		server *server
		raw    string
		want   string // Part of the answer; empty: the connection ends without one.
	}{
		"version 1":                      {trusted, v1 + get, "198.51.100.7:4711"},
		"version 2":                      {trusted, version2 + get, "[2001:db8::7]:4711"},
		"local, as health checks send":   {trusted, local + get, "127.0.0.1:"},
		"required and not there":         {trusted, get, ""},
		"for another transport":          {trusted, datagram + get, ""},
		"malformed":                      {trusted, "PROXY TCP4 198.51.100.7\r\n" + get, ""},
		"not required and not there":     {lenient, get, "127.0.0.1:"},
		"not required and there":         {lenient, v1 + get, "198.51.100.7:4711"},
		"from an untrusted peer":         {untrusted, v1 + get, ""},
		"untrusted peer without it":      {untrusted, get, "127.0.0.1:"},
		"off: it is a malformed request": {off, v1 + get, "400 Bad Request"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ask(t, tt.server, tt.raw)
			if tt.want == "" && err == nil || tt.want != "" && !strings.Contains(got, tt.want) {
				t.Errorf("answer is %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

// A peer that says nothing must not hold up the others: net/http calls
// ConnContext in its accept loop.
func TestSilentPeerDoesNotBlockTheOthers(t *testing.T) {
	s := serve(t, http.HandlerFunc(remote), func(o *listen.Options) {
		o.Config.ProxyProtocol.Trusted = []string{"127.0.0.1"}
		o.Config.ProxyProtocol.HeaderTimeout = time.Minute
		o.ConnContext = func(ctx context.Context, _ net.Conn) context.Context { return ctx }
	})
	silent := s.dial(t)
	defer func() { _ = silent.Close() }()
	got, err := ask(t, s, "PROXY TCP4 198.51.100.7 192.0.2.1 1 2\r\n"+get)
	if err != nil || !strings.Contains(got, "198.51.100.7") {
		t.Errorf("answer is %q, %v", got, err)
	}
	s.stop()
	_ = silent.Close()
}

func TestSlowHeaderEndsTheConnection(t *testing.T) {
	s := serve(t, http.HandlerFunc(remote), func(o *listen.Options) { o.Config.HeaderTimeout = 50 * time.Millisecond })
	c := s.dial(t)
	_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost:")
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(c)
	if err != nil {
		t.Errorf("connection did not end: %v", err)
	}
}

// The body of an HTTP/1 request must keep moving; its answer may take as long
// as it likes, also behind a body.
func TestSlowBodyEndsTheRequest(t *testing.T) {
	const idle = 100 * time.Millisecond
	got := make(chan error, 4)
	s := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		got <- err
		if err == nil {
			select {
			case <-r.Context().Done():
				got <- errors.New("the deadline of the body ended the answer")
			case <-time.After(3 * idle):
				got <- nil
			}
		}
	}), func(o *listen.Options) { o.Config.BodyIdleTimeout = idle })
	slow := s.dial(t)
	_, err := io.WriteString(slow, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
	if err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	err = <-got
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("reading a body that stands still gives %v, want a timeout", err)
	}
	status, _ := s.send(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
	err = errors.Join(<-got, <-got)
	if err != nil || status != 200 {
		t.Errorf("a whole body gives %d, %v", status, err)
	}
}

func TestConnectionsAreCapped(t *testing.T) {
	s := serve(t, http.HandlerFunc(remote), func(o *listen.Options) { o.Config.ConnectionsMax = 2 })
	answers := func(c net.Conn) bool {
		_, err := io.WriteString(c, get)
		if err != nil {
			return false
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil
	}
	first, second := s.dial(t), s.dial(t)
	if !answers(first) || !answers(second) {
		t.Fatal("connections within the cap are not served")
	}
	if answers(s.dial(t)) {
		t.Fatal("a connection beyond the cap is served")
	}
	_ = first.Close()
	for deadline := time.Now().Add(10 * time.Second); !answers(s.dial(t)); {
		if time.Now().After(deadline) {
			t.Fatal("the place of a closed connection is not free again")
		}
	}
}

func TestHTTP2WithoutTLS(t *testing.T) {
	proto := func(s *server) (string, error) {
		p := new(http.Protocols)
		p.SetUnencryptedHTTP2(true)
		transport := &http.Transport{Protocols: p}
		defer transport.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.Addr().String(), http.NoBody)
		if err != nil {
			return "", err
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return "", err
		}
		return resp.Proto, resp.Body.Close()
	}
	on := serve(t, http.HandlerFunc(remote), func(o *listen.Options) { o.Config.H2C = true })
	got, err := proto(on)
	if got != "HTTP/2.0" || err != nil {
		t.Errorf("with h2c: %q, %v", got, err)
	}
	if status, _ := on.send(t, get); status != 200 {
		t.Errorf("HTTP/1.1 beside h2c: %d", status)
	}
	got, err = proto(serve(t, http.HandlerFunc(remote)))
	if err == nil {
		t.Errorf("without h2c a client got %q", got)
	}
}

// pair writes a certificate for name and its key.
func pair(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	return certtest.SelfSigned(t, certtest.Names(name)).Files(t, dir)
}

// tlsGet asks over TLS and returns the answer and the name in the certificate.
func tlsGet(t *testing.T, s *server, sni, host string, version uint16, protocols ...string) (answer, name string, err error) {
	t.Helper()
	p := new(http.Protocols)
	p.SetHTTP1(len(protocols) == 0)
	p.SetHTTP2(len(protocols) > 0)
	transport := &http.Transport{Protocols: p, TLSClientConfig: &tls.Config{
		ServerName: sni, MaxVersion: version,
		InsecureSkipVerify: true,
		VerifyConnection:   func(cs tls.ConnectionState) error { name = cs.PeerCertificates[0].Subject.CommonName; return nil },
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+s.Addr().String(), http.NoBody)
	if err != nil {
		return "", "", err
	}
	req.Host = host
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "", "", err
	}
	return fmt.Sprint(resp.Proto, " ", resp.StatusCode), name, resp.Body.Close()
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := pair(t, dir, "one.example")
	var clock atomic.Int64
	start := time.Now()
	s := serve(t, http.HandlerFunc(remote), func(o *listen.Options) {
		o.Config.TLS = listen.TLS{CertFile: cert, KeyFile: key}
		o.Now = func() time.Time { return start.Add(time.Duration(clock.Load())) }
	})
	for _, protocols := range [][]string{nil, {"h2"}} {
		proto := map[int]string{0: "HTTP/1.1", 1: "HTTP/2.0"}[len(protocols)]
		answer, name, err := tlsGet(t, s, "one.example", "one.example:8443", 0, protocols...)
		if err != nil || answer != proto+" 200" || name != "one.example" {
			t.Errorf("answer %q, certificate of %q, %v", answer, name, err)
		}
		answer, _, err = tlsGet(t, s, "one.example", "two.example", 0, protocols...)
		if err != nil || answer != proto+" 421" {
			t.Errorf("another host than TLS asked for: %q, %v, want 421", answer, err)
		}
	}
	_, _, err := tlsGet(t, s, "one.example", "one.example", tls.VersionTLS11)
	if err == nil {
		t.Error("TLS 1.1 is accepted")
	}

	_, _ = pair(t, dir, "two.example")
	clock.Add(int64(time.Minute))
	_, name, err := tlsGet(t, s, "", "two.example", 0)
	if err != nil || name != "two.example" {
		t.Errorf("after a renewal the certificate is that of %q, %v", name, err)
	}
	err = os.WriteFile(cert, []byte("broken"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	clock.Add(int64(time.Minute))
	_, name, err = tlsGet(t, s, "", "two.example", 0)
	if err != nil || name != "two.example" {
		t.Errorf("after a broken renewal the certificate is that of %q, %v", name, err)
	}
}

func TestTLS13Only(t *testing.T) {
	cert, key := pair(t, t.TempDir(), "one.example")
	s := serve(t, http.HandlerFunc(remote), func(o *listen.Options) {
		o.Config.TLS = listen.TLS{CertFile: cert, KeyFile: key, MinVersion: "1.3"}
	})
	_, _, err := tlsGet(t, s, "one.example", "one.example", tls.VersionTLS12)
	if err == nil {
		t.Error("TLS 1.2 is accepted")
	}
}

// A request in flight is finished, new connections are refused, and what is
// hijacked is ended by the hook before Serve returns.
func TestDrain(t *testing.T) {
	inside, release, hijacked := make(chan struct{}), make(chan struct{}), make(chan net.Conn, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		close(inside)
		<-release
		_, _ = io.WriteString(w, "finished")
	})
	mux.HandleFunc("/hijack", func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		hijacked <- c
	})
	s := serve(t, mux, func(o *listen.Options) {
		o.Drain = func(ctx context.Context) {
			select {
			case c := <-hijacked:
				_ = c.Close()
			case <-ctx.Done():
			}
			close(release)
		}
	})
	stream := s.dial(t)
	_, err := io.WriteString(stream, strings.Replace(get, "/", "/hijack", 1))
	if err != nil {
		t.Fatal(err)
	}
	for len(hijacked) == 0 {
		time.Sleep(time.Millisecond) // The test's own deadline bounds it.
	}
	slow := s.dial(t)
	_, err = io.WriteString(slow, strings.Replace(get, "/", "/slow", 1))
	if err != nil {
		t.Fatal(err)
	}
	<-inside
	s.stop()
	resp, err := http.ReadResponse(bufio.NewReader(slow), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if string(body) != "finished" || err != nil {
		t.Errorf("the request in flight got %q, %v", body, err)
	}
	_, err = io.ReadAll(stream)
	if err != nil {
		t.Errorf("the hijacked connection did not end: %v", err)
	}
	err = <-s.served
	if err != nil {
		t.Errorf("Serve() = %v", err)
	}
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr().String())
	if err == nil {
		_ = c.Close()
		t.Error("a stopped listener accepts connections")
	}
}

// Who does not finish in the drain time is closed, and Serve returns all the same.
func TestDrainEnds(t *testing.T) {
	inside := make(chan struct{})
	s := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(inside)
		<-r.Context().Done()
	}), func(o *listen.Options) { o.Config.DrainTimeout = 50 * time.Millisecond })
	c := s.dial(t)
	_, err := io.WriteString(c, get)
	if err != nil {
		t.Fatal(err)
	}
	<-inside
	s.stop()
	err = <-s.served
	if err != nil {
		t.Errorf("Serve() = %v", err)
	}
	_, err = io.ReadAll(c)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection did not end: %v", err)
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	c := listen.Config{
		Address: "nowhere", TLS: listen.TLS{CertFile: "x", MinVersion: "1.1"},
		ProxyProtocol: listen.ProxyProtocol{Trusted: []string{"x"}},
	}
	o := listen.Options{Config: c, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: time.Now}
	_, err := listen.New(t.Context(), o)
	if err == nil {
		t.Fatal("New accepted a faulty configuration")
	}
	for _, want := range []string{
		"address: ", "tls: cert_file", "tls.min_version", "proxy_protocol.trusted[0]", "proxy_protocol.header_timeout", "\nheader_timeout",
		"body_idle_timeout", "idle_timeout", "drain_timeout", "header_bytes_max", "connections_max",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New() = %v\nwithout %q", err, want)
		}
	}
	o.Config = listen.DefaultConfig()
	o.Config.Address = "127.0.0.1:0"
	o.Config.TLS = listen.TLS{CertFile: "none.crt", KeyFile: "none.key"}
	_, err = listen.New(t.Context(), o)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("New() with a missing certificate = %v", err)
	}
}
