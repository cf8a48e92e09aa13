package proxy_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/listen"
	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/gateway/proxy/proxytest"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

func whoIs(id int) session.Who {
	return session.Who{Session: "s" + strconv.Itoa(id), Subject: "u" + strconv.Itoa(id)}
}

// line is a proxy behind a table and the gateway's own listener.
type line struct {
	table          *session.Table
	proxy          *proxy.Proxy
	addr           string
	plain, streams *url.URL // Upstreams: HTTP/1.1 and gRPC.

	cases proxytest.Cases
	calls sync.Map // Of *lineCase by the number of its case.
}

// lineCase is one stream through a line.
type lineCase struct {
	*proxytest.Case

	outcomes chan proxy.Outcome
	hold     func(ctx context.Context, bytes int64) *proxy.Refusal
	observer proxy.Observer
}

func (l *line) newCase() *lineCase {
	c := &lineCase{Case: l.cases.New(), outcomes: make(chan proxy.Outcome, 4)}
	l.calls.Store(c.ID, c)
	return c
}

// ServeHTTP lists the visit and forwards the request.
func (l *line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, _ := l.calls.Load(l.cases.Of(r.Header).ID)
	c := found.(*lineCase)
	rt := &route.Route{ID: "r", Upstream: l.plain}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		rt.Upstream = l.streams
	}
	ctx, visit := l.table.Enter(r.Context(), session.Entry{Who: whoIs(c.ID), Route: rt.ID, RequestID: "q", Time: time.Now()})
	defer visit.Leave()
	out := *l.proxy.Serve(w, r.WithContext(ctx), &proxy.Call{
		Match: route.Match{Route: rt, Path: r.URL.Path}, Visit: visit, RequestID: "q",
		Goodbye: func(c *session.Cut) problem.Problem {
			if c.Expired {
				return problem.Expired(identity.MethodJWT)
			}
			return problem.Revoked(c.Verdict).Spread(0.5)
		},
		Hold: c.hold, Observer: c.observer,
	})
	c.outcomes <- out
	if out.Abort {
		panic(http.ErrAbortHandler)
	}
}

// revoke ends the session of a case.
func (l *line) revoke(c *lineCase) {
	l.table.Apply(&verdict.Verdict{
		Id: "v", Epoch: 1, Seq: 1, Authority: verdict.AuthorityFacet, Tenant: "default",
		Target: &verdict.Target{Kind: verdict.TargetSession, Id: whoIs(c.ID).Session}, Action: verdict.ActionRevoke,
		Time: timestamppb.Now(), Until: timestamppb.New(time.Now().Add(time.Hour)),
	}, time.Now())
}

func newLine(t *testing.T, change ...func(*proxy.Config)) *line {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	l := new(line)
	var err error
	l.table, err = session.New(session.Options{Config: session.DefaultConfig(), Tenant: "default", Logger: logger, Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	c := proxy.DefaultConfig()
	for _, f := range change {
		f(&c)
	}
	l.proxy, err = proxy.New(proxy.Options{Config: c, Logger: logger, Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(l.cases.Upstream(t))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	l.plain, _ = url.Parse(server.URL)
	l.streams = l.cases.GRPC(t)
	config := listen.DefaultConfig()
	config.Address, config.H2C, config.DrainTimeout = "127.0.0.1:0", true, time.Second
	listener, err := listen.New(t.Context(), listen.Options{Config: config, Handler: l, Logger: logger, Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	l.addr = listener.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- listener.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		l.proxy.Drain()
		err := <-done
		l.proxy.Close()
		if err != nil {
			t.Error(err)
		}
	})
	return l
}

// CONNECT is refused, and an extended CONNECT for anything but WebSocket as well.
func TestConnectOfEveryKindIsRefused(t *testing.T) {
	l := newLine(t)
	c := proxytest.NewClients(t, l.addr)
	for name, tt := range map[string]struct {
		client   *http.Client
		protocol string
		want     int
	}{
		"over HTTP/1.1":           {client: c.HTTP1, want: http.StatusMethodNotAllowed},
		"over HTTP/2":             {client: c.HTTP2, want: http.StatusMethodNotAllowed},
		"over HTTP/2 for UDP":     {client: c.HTTP2, protocol: "connect-udp", want: http.StatusNotImplemented},
		"over HTTP/2 for HTTP/2":  {client: c.HTTP2, protocol: "h2c", want: http.StatusNotImplemented},
		"over HTTP/2 for nothing": {client: c.HTTP2, protocol: "websocket, h2c", want: http.StatusNotImplemented},
	} {
		t.Run(name, func(t *testing.T) {
			v := l.newCase()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodConnect, "http://"+l.addr+"/socket", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set(proxytest.HeaderCase, strconv.Itoa(v.ID))
			if tt.protocol != "" {
				r.Header[":protocol"] = []string{tt.protocol}
			}
			res, err := tt.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != tt.want {
				t.Errorf("status %d, want %d", res.StatusCode, tt.want)
			}
		})
	}
}
