package gateway_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// A WebSocket that was opened before its session was held to reading would write
// for as long as it stays open.
func TestAWebSocketOpenedBeforeReadOnly(t *testing.T) {
	g := newRig(t, app)
	g.start(t, true)
	dial := func() (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(t.Context(), "ws://"+g.gateway.Addr().String()+"/events", &websocket.DialOptions{
			HTTPHeader: http.Header{"Authorization": {"Bearer " + g.token("ann")}},
		})
	}
	c, _, err := dial() //nolint:bodyclose // The connection has it.
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	g.revoke(t, verdict.ActionReadOnly, verdict.TargetSession, g.session("ann"))
	_, _, err = c.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("the WebSocket ended with %v, want status 1008", err)
	}
	_, res, err := dial() //nolint:bodyclose // It was read.
	if err == nil || res == nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("opened again: %v, want 403", err)
	}
}

// So would a request whose service answers before it has read the body to its end: what
// it is called by its answer does not make it a reader.
func TestABodyThatGoesOnBehindItsAnswer(t *testing.T) {
	for name, kind := range map[string]string{"a download": "application/octet-stream", "an event stream": "text/event-stream"} {
		t.Run(name, func(t *testing.T) {
			heard := make(chan string, 8)
			g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
				control := http.NewResponseController(w)
				_ = control.EnableFullDuplex()
				w.Header().Set("Content-Type", kind)
				_, _ = io.WriteString(w, "data: go on\n\n")
				_ = control.Flush()
				for b := make([]byte, 8); ; {
					n, err := r.Body.Read(b)
					if n > 0 {
						heard <- string(b[:n])
					}
					if err != nil {
						close(heard)
						return
					}
				}
			})
			g.config.Listen.H2C, g.config.Proxy.LongAfter = true, 20*time.Millisecond
			g.start(t, true)
			h2 := &http.Client{Transport: &http2.Transport{AllowHTTP: true, DialTLSContext: func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) { //nolint:staticcheck // As the other tests'.
				return new(net.Dialer).DialContext(ctx, network, addr)
			}}}
			t.Cleanup(h2.CloseIdleConnections)
			out, in := io.Pipe()
			t.Cleanup(func() { _ = in.Close() })
			res, err := h2.Do(g.request(t, "POST", "/write", g.token("ann"), out))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			_, _ = io.WriteString(in, "one")
			if got := <-heard; got != "one" {
				t.Fatalf("the service heard %q", got)
			}
			for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
				_, open := g.admin(t, "GET", "/v1/sessions", nil, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+adminToken) })
				if !strings.Contains(open, `"stream":"request"`) {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("it is no stream: %s", open)
				}
			}
			g.revoke(t, verdict.ActionReadOnly, verdict.TargetSession, g.session("ann"))
			cut := make(chan struct{})
			go func() {
				defer close(cut)
				_, _ = io.ReadAll(res.Body)
			}()
			select {
			case <-cut:
			case <-time.After(patience):
				t.Fatal("it goes on")
			}
			_, _ = io.WriteString(in, "two")
			if more, open := <-heard; open {
				t.Errorf("the service heard %q from somebody who may only read", more)
			}
		})
	}
}
