package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// chat is an upstream WebSocket: it sends a greeting of size bytes, then echoes.
func chat(t *testing.T, size int, ended chan<- error) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		c.SetReadLimit(-1)
		ctx := context.WithoutCancel(r.Context())
		err = c.Write(ctx, websocket.MessageBinary, make([]byte, size))
		for err == nil {
			var b []byte
			var kind websocket.MessageType
			kind, b, err = c.Read(ctx)
			if err == nil {
				err = c.Write(ctx, kind, b)
			}
		}
		_ = c.CloseNow()
		ended <- err
	}
}

func (g *rig) websocket(t *testing.T, name string) (*websocket.Conn, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	t.Cleanup(cancel)
	c, res, err := websocket.Dial(ctx, g.server.URL, &websocket.DialOptions{ //nolint:bodyclose // Closed by the package.
		HTTPClient: g.client(t, false), HTTPHeader: http.Header{"X-Test-Session": {name}},
	})
	if err != nil {
		t.Fatalf("%v (%v)", err, res)
	}
	c.SetReadLimit(-1)
	t.Cleanup(func() { _ = c.CloseNow() })
	return c, ctx
}

// A WebSocket is closed with code 1008 and the reason, and its upstream with it.
func TestCutWebSocket(t *testing.T) {
	for _, size := range []int{0, 100, 70_000, 3 << 20} {
		t.Run(fmt.Sprint("after a message of ", size), func(t *testing.T) {
			ended := make(chan error, 1)
			url, _ := upstream(t, chat(t, size, ended))
			g := newRig(t, url)
			c, ctx := g.websocket(t, "thief")
			other, ctx2 := g.websocket(t, "owner")
			for _, ws := range []*websocket.Conn{c, other} {
				_, b, err := ws.Read(ctx)
				if err != nil || len(b) != size {
					t.Fatalf("%d bytes, %v", len(b), err)
				}
			}
			err := c.Write(ctx, websocket.MessageText, []byte("ping"))
			if err != nil {
				t.Fatal(err)
			}
			_, b, err := c.Read(ctx)
			if err != nil || string(b) != "ping" {
				t.Fatalf("echo %q, %v", b, err)
			}
			g.revoke("thief")
			_, _, err = c.Read(ctx)
			closed, ok := errors.AsType[websocket.CloseError](err)
			if !ok || closed.Code != websocket.StatusPolicyViolation || !strings.Contains(closed.Reason, "VG-CUT") {
				t.Errorf("the client saw %v, want close code 1008 with the support code", err)
			}
			out := g.outcome(t)
			wasCut(t, out, event.StreamWebSocket)
			if !out.Lasted || out.Status != 101 || out.BytesIn == 0 || out.BytesOut <= uint64(size) {
				t.Errorf("outcome = %+v", out)
			}
			ends(t, ended)

			err = other.Write(ctx2, websocket.MessageText, []byte("still here"))
			if err != nil {
				t.Fatal(err)
			}
			_, b, err = other.Read(ctx2)
			if err != nil || string(b) != "still here" {
				t.Errorf("the neighbour saw %q, %v", b, err)
			}
		})
	}
}

// However fast the upstream sends, the close frame stands between two frames.
func TestCutWebSocketInAFlood(t *testing.T) {
	for _, size := range []int{1, 1000, 40_000, 200_000} {
		t.Run(fmt.Sprint("of frames of ", size), func(t *testing.T) {
			url, _ := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				c, err := websocket.Accept(w, r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				ctx := context.WithoutCancel(r.Context())
				for err == nil {
					err = c.Write(ctx, websocket.MessageBinary, make([]byte, size))
				}
				_ = c.CloseNow()
			})
			g := newRig(t, url)
			c, ctx := g.websocket(t, "thief")
			go g.revoke("thief")
			var err error
			for err == nil {
				_, _, err = c.Read(ctx)
			}
			if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
				t.Errorf("the client saw %v, want close code 1008", err)
			}
			wasCut(t, g.outcome(t), event.StreamWebSocket)
		})
	}
}

// A client that does not read cannot delay its cut.
func TestCutWebSocketOfAClientThatDoesNotRead(t *testing.T) {
	ended := make(chan error, 1)
	url, _ := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		for err == nil {
			err = c.Write(context.WithoutCancel(r.Context()), websocket.MessageBinary, make([]byte, 10_000))
		}
		_ = c.CloseNow()
		ended <- err
	})
	g := newRig(t, url)
	g.websocket(t, "thief")
	await(t, g.observer.began, "the stream to open")
	g.revoke("thief")
	wasCut(t, g.outcome(t), event.StreamWebSocket)
	ends(t, ended)
}

// Both sides can end a WebSocket in their own words.
func TestWebSocketEndsByItself(t *testing.T) {
	ended := make(chan error, 1)
	url, _ := upstream(t, chat(t, 5, ended))
	g := newRig(t, url)
	c, ctx := g.websocket(t, "s")
	_, _, err := c.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Close(websocket.StatusNormalClosure, "bye")
	if err != nil {
		t.Errorf("close: %v", err)
	}
	if got := websocket.CloseStatus(await(t, ended, "the upstream to see the close")); got != websocket.StatusNormalClosure {
		t.Errorf("the upstream saw code %d", got)
	}
	out := g.outcome(t)
	if out.Cut != nil || out.Reason != "" || out.Stream != event.StreamWebSocket {
		t.Errorf("outcome = %+v", out)
	}
}

// A gateway that goes away says so, to new connections as well.
func TestDrainEndsWebSockets(t *testing.T) {
	ended := make(chan error, 2)
	url, _ := upstream(t, chat(t, 5, ended))
	g := newRig(t, url)
	c, ctx := g.websocket(t, "s")
	g.proxy.Drain()
	late, _ := g.websocket(t, "s")
	for _, ws := range []*websocket.Conn{c, late} {
		var err error
		for err == nil {
			_, _, err = ws.Read(ctx)
		}
		if got := websocket.CloseStatus(err); got != websocket.StatusGoingAway {
			t.Errorf("the client saw %v, want close code 1001", err)
		}
		out := g.outcome(t)
		if out.Cut != nil {
			t.Errorf("outcome = %+v", out)
		}
	}
}

// An upstream switches protocols only where that was asked for.
func TestUnaskedUpgrade(t *testing.T) {
	for name, answer := range map[string]string{
		"unasked":          "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"another protocol": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			url := raw(t, func(c net.Conn) {
				_, _ = http.ReadRequest(bufio.NewReader(c))
				_, _ = io.WriteString(c, answer)
				_, _ = io.Copy(io.Discard, c)
			})
			g := newRig(t, url)
			r := g.request(t, "GET", "/", "s", nil)
			if name != "unasked" {
				r.Header.Set("Connection", "Upgrade")
				r.Header.Set("Upgrade", "websocket")
			}
			res, err := g.client(t, false).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if text := body(t, res); res.StatusCode != 502 || !strings.Contains(text, "upstream_protocol") {
				t.Errorf("the client saw %d %s", res.StatusCode, text)
			}
		})
	}
}

// Long streams are reported as open, as they move, and never after their end.
func TestProgressIsReported(t *testing.T) {
	ended := make(chan error, 1)
	url, _ := upstream(t, chat(t, 5, ended))
	g := newRig(t, url, func(c *proxy.Config) { c.LongBytes, c.TickBytes = 1000, 1000 })
	c, ctx := g.websocket(t, "s")
	_, _, err := c.Read(ctx)
	for range 3 {
		if err == nil {
			err = c.Write(ctx, websocket.MessageBinary, make([]byte, 900))
		}
		if err == nil {
			_, _, err = c.Read(ctx)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = c.CloseNow()
	out := g.outcome(t)
	g.observer.mu.Lock()
	defer g.observer.mu.Unlock()
	if len(g.observer.open) != 1 || g.observer.open[0].Stream != event.StreamWebSocket || g.observer.open[0].Status != 101 {
		t.Errorf("opened as %+v", g.observer.open)
	}
	if len(g.observer.ticks) < 3 {
		t.Errorf("%d ticks for 5,400 bytes, one each 1,000", len(g.observer.ticks))
	}
	last := proxy.Progress{}
	for _, p := range append(g.observer.ticks, proxy.Progress{BytesIn: out.BytesIn, BytesOut: out.BytesOut}) {
		if p.BytesIn < last.BytesIn || p.BytesOut < last.BytesOut {
			t.Errorf("bytes went back: %+v after %+v", p, last)
		}
		last = p
	}
	if last.BytesIn < 2700 || last.BytesOut < 2705 {
		t.Errorf("in the end %+v", last)
	}
}

// Short requests are not streams.
func TestShortRequestIsNoStream(t *testing.T) {
	url, _ := upstream(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	g := newRig(t, url, func(c *proxy.Config) { c.LongAfter = time.Hour })
	res, err := g.client(t, false).Do(g.request(t, "GET", "/", "s", nil))
	if err != nil {
		t.Fatal(err)
	}
	if text := body(t, res); text != "hello" {
		t.Errorf("body %q", text)
	}
	out := g.outcome(t)
	if out.Lasted || out.Stream != event.StreamRequest || out.BytesOut != 5 || out.Status != 200 || out.Reason != "" {
		t.Errorf("outcome = %+v", out)
	}
}

// What follows a handshake that the upstream declines is a request like any other:
// nobody talks to the upstream past the gateway by asking for an upgrade.
func TestDeclinedUpgradeIsNoTunnel(t *testing.T) {
	seen := make(chan *http.Request, 2)
	url := raw(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			seen <- r
			_, _ = io.WriteString(c, "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n")
		}
	})
	g := newRig(t, url)
	conn := g.dial(t)
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nX-Test-Session: thief\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\n"+
		"GET /inner HTTP/1.1\r\nHost: a\r\nX-Test-Session: inner\r\nX-Vigil-Subject: admin\r\n\r\n")
	in := bufio.NewReader(conn)
	for range 2 {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusUpgradeRequired {
			t.Errorf("status %d", res.StatusCode)
		}
	}
	for _, path := range []string{"/", "/inner"} {
		r := await(t, seen, "the upstream to see "+path)
		if r.URL.Path != path || r.Header.Get("X-Vigil-Subject") != "pseudonym" || len(r.Header["X-Vigil-Subject"]) != 1 {
			t.Errorf("the upstream saw %s of %v", r.URL.Path, r.Header["X-Vigil-Subject"])
		}
	}
	got := []string{await(t, g.entered, "the first visit"), await(t, g.entered, "the second visit")}
	if diff := cmp.Diff([]string{"thief", "inner"}, got); diff != "" {
		t.Errorf("visits (-want +got):\n%s", diff)
	}
}
