package proxy_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// TestMain sees that no test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen; never for what must not.
const patience = 20 * time.Second

// rig is a proxy behind a real server, before a real upstream. The header
// X-Test-Session names a visit's session.
type rig struct {
	table    *session.Table
	proxy    *proxy.Proxy
	route    *route.Route
	server   *httptest.Server
	outcomes chan proxy.Outcome
	panics   chan any    // What calls have ended with that goes on without a handler.
	bug      atomic.Bool // Makes the last words panic.
	entered  chan string // Sessions as they enter.
	observer *observer
	hold     func(ctx context.Context, bytes int64) *proxy.Refusal // Nil holds nothing back.
	header   http.Header                                           // That the gateway sets beside the subject.
	seq      uint64
}

type proxyConfig = proxy.Config

// observer records progress.
type observer struct {
	mu    sync.Mutex
	open  []proxy.Progress
	ticks []proxy.Progress
	began chan string
	bug   atomic.Bool // Makes a tick panic.
	until time.Time   // What Ends says.
}

func (o *observer) Ends() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.until
}

func (o *observer) Open(p proxy.Progress) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open = append(o.open, p)
	o.began <- p.Stream
}

func (o *observer) Tick(p proxy.Progress) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ticks = append(o.ticks, p)
	if o.bug.Load() {
		panic("a bug")
	}
}

func newRig(t *testing.T, upstream string, change ...func(*proxy.Config)) *rig {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	table, err := session.New(session.Options{Config: session.DefaultConfig(), Tenant: "default", Logger: logger, Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	config := proxy.DefaultConfig()
	for _, c := range change {
		c(&config)
	}
	p, err := proxy.New(proxy.Options{Config: config, Logger: logger, Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{
		table: table, proxy: p, outcomes: make(chan proxy.Outcome, 100), panics: make(chan any, 100), entered: make(chan string, 100),
		observer: &observer{began: make(chan string, 100)},
	}
	g.route = &route.Route{ID: "r", Upstream: target}
	g.server = httptest.NewUnstartedServer(g.handler(g.route))
	g.server.Config.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelError)
	g.server.EnableHTTP2 = true
	g.server.StartTLS()
	t.Cleanup(func() {
		g.server.CloseClientConnections()
		g.server.Close()
		p.Close()
		if len(g.panics) > 0 {
			t.Errorf("a call ended with %v", <-g.panics)
		}
		for deadline := time.Now().Add(patience); table.Visits() != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d visits are still listed", table.Visits())
			}
		}
	})
	return g
}

func (g *rig) handler(rt *route.Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := session.Who{Session: r.Header.Get("X-Test-Session")}
		parent := r.Context()
		upgrades := r.ProtoMajor == 1 && r.Header.Get("Upgrade") != ""
		if upgrades {
			parent = context.WithoutCancel(parent)
		}
		ctx, visit := g.table.Enter(parent, session.Entry{Who: who, Route: "r", RequestID: "q1", Time: time.Now()})
		g.entered <- who.Session
		header := http.Header{"X-Vigil-Subject": {"pseudonym"}}
		maps.Copy(header, g.header)
		call := &proxy.Call{
			Match: route.Match{Route: rt, Path: r.URL.Path}, Visit: visit, RequestID: "q1",
			Client: netip.MustParseAddr("203.0.113.9"), Own: func(h http.Header) { maps.Copy(h, header) },
			Goodbye: func(c *session.Cut) problem.Problem {
				if g.bug.Load() {
					panic("a bug")
				}
				return problem.Revoked(c.Verdict).With("q1", "VG-CUT")
			},
			Observer: g.observer, Hold: g.hold,
		}
		detached := false
		defer func() {
			if !detached {
				visit.Leave()
			}
		}()
		ended := func(out *proxy.Outcome, e any) {
			visit.Leave()
			g.outcomes <- *out
			if e != nil {
				g.panics <- e
			}
		}
		if upgrades {
			call.Detach = func() func(*proxy.Outcome, any) {
				detached = true
				return ended
			}
		}
		out := g.proxy.Serve(w, r.WithContext(ctx), call)
		if out == nil {
			return
		}
		ended(out, nil)
		if out.Abort {
			panic(http.ErrAbortHandler)
		}
	})
}

// revoke ends a session.
func (g *rig) revoke(name string) {
	g.seq++
	g.table.Apply(&verdict.Verdict{
		Id: fmt.Sprint("v", g.seq), Epoch: 1, Seq: g.seq, Authority: verdict.AuthoritySubject, Tenant: "default",
		Target: &verdict.Target{Kind: verdict.TargetSession, Id: name}, Action: verdict.ActionRevoke,
		Time: timestamppb.Now(), Until: timestamppb.New(time.Now().Add(time.Hour)),
	}, time.Now())
}

// client speaks HTTP/1.1 or HTTP/2 with the rig, one connection at a time.
func (g *rig) client(t *testing.T, h2 bool) *http.Client {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: g.tls(), Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP1(!h2)
	tr.Protocols.SetHTTP2(h2)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (g *rig) tls() *tls.Config {
	c := g.server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	c.ServerName = "example.com"
	return c
}

// dial opens a connection that speaks HTTP/1.1 by hand.
func (g *rig) dial(t *testing.T) net.Conn {
	t.Helper()
	c := g.tls()
	c.NextProtos = []string{"http/1.1"}
	conn, err := tls.Dial("tcp", g.server.Listener.Addr().String(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

func (g *rig) request(t *testing.T, method, path, name string, body io.Reader) *http.Request {
	t.Helper()
	// Longer than any await: no client's impatience may pass for a cut.
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, g.server.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Test-Session", name)
	return r
}

// outcome waits for the next call to end.
func (g *rig) outcome(t *testing.T) proxy.Outcome {
	t.Helper()
	return await(t, g.outcomes, "the call to end")
}

// ends waits for an upstream's handler.
func ends(t *testing.T, c <-chan error) {
	t.Helper()
	_ = await(t, c, "the upstream's handler to end") // Its error says nothing about the proxy.
}

func await[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// wasCut checks what the gateway says about a cut.
func wasCut(t *testing.T, out proxy.Outcome, stream string) {
	t.Helper()
	if out.Cut == nil || out.Reason != problem.CodeRevoked || out.Stream != stream || out.CutAt.Before(out.Cut.Arrived) {
		t.Errorf("outcome = %+v, want a cut of a %s", out, stream)
	}
}

// upstream starts an HTTP/1.1 upstream whose handler's end is reported.
func upstream(t *testing.T, h http.HandlerFunc) (string, <-chan error) {
	t.Helper()
	ended := make(chan error, 100)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			ended <- r.Context().Err()
			if e := recover(); e != nil && !errors.Is(e.(error), http.ErrAbortHandler) {
				t.Error(e)
			}
		}()
		h(w, r)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL, ended
}

// raw starts an upstream that answers every connection by hand.
func raw(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				_ = c.SetDeadline(time.Now().Add(patience))
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return "http://" + l.Addr().String()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		t.Fatalf("read body: %v", err)
	}
	return strings.TrimSpace(string(b))
}
