package proxy_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/gateway/admit"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/listen"
	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// headerCase names a case of the matrix to the line and to the upstream.
const headerCase = "X-Case"

// moment is when the verdict comes.
type moment string

const (
	before  moment = "before registration"
	listed  moment = "during registration, before the standing is asked for"
	decided moment = "during registration, after the standing was asked for"
	after   moment = "after registration"
)

// names are what a verdict can be about: each visit of the matrix has them all,
// and shares none with another.
var names = map[string]func(id int) *verdict.Target{
	"session": func(id int) *verdict.Target { return target(verdict.TargetSession, "s", id) },
	"alias":   func(id int) *verdict.Target { return target(verdict.TargetSession, "alias", id) },
	"subject": func(id int) *verdict.Target { return target(verdict.TargetSubject, "u", id) },
	"token":   func(id int) *verdict.Target { return target(verdict.TargetToken, "t", id) },
	"device":  func(id int) *verdict.Target { return target(verdict.TargetDevice, "d", id) },
	"client":  func(id int) *verdict.Target { return target(verdict.TargetClient, "c", id) },
	"account": func(id int) *verdict.Target { return target(verdict.TargetAccount, "a", id) },
	"ja4":     func(id int) *verdict.Target { return target(verdict.TargetJA4, "j", id) },
	"ja4 in its network": func(id int) *verdict.Target {
		return &verdict.Target{Kind: verdict.TargetJA4, Id: verdict.JA4In("j"+strconv.Itoa(id), 64500)}
	},
	"route": func(id int) *verdict.Target { return target(verdict.TargetRoute, "r", id) },
	"address": func(id int) *verdict.Target {
		return &verdict.Target{Kind: verdict.TargetAddress, Id: addressOf(id).String()}
	},
	"prefix": func(id int) *verdict.Target {
		p, _ := addressOf(id).Prefix(24)
		return &verdict.Target{Kind: verdict.TargetPrefix, Id: p.String()}
	},
	"longer prefix": func(id int) *verdict.Target {
		p, _ := addressOf(id).Prefix(27)
		return &verdict.Target{Kind: verdict.TargetPrefix, Id: p.String()}
	},
}

func target(kind, prefix string, id int) *verdict.Target {
	return &verdict.Target{Kind: kind, Id: prefix + strconv.Itoa(id)}
}

func addressOf(id int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(id >> 8), byte(id), 7}) }

func whoIs(id int) session.Who {
	n := strconv.Itoa(id)
	return session.Who{
		Subject: "u" + n, Session: "s" + n, Aliases: []string{"alias" + n}, TokenID: "t" + n, Device: "d" + n, ClientID: "c" + n,
		Account: "a" + n, JA4: "j" + n, SubjectKind: event.SubjectHuman, Address: addressOf(id), ASN: 64500,
	}
}

// line is the gateway's own line behind its own listener, with a place to speak
// up between any two of its steps.
type line struct {
	table          *session.Table
	proxy          *proxy.Proxy
	addr           string
	plain, streams *url.URL // Upstreams: HTTP/1.1 and gRPC.

	next  atomic.Int64
	cases sync.Map // Of *visitCase by id.
}

// visitCase is one cell of the matrix.
type visitCase struct {
	id       int
	during   map[moment]func()
	open     chan struct{} // Closed once the stream is established.
	opened   func()
	outcomes chan proxy.Outcome
	left     chan struct{} // Closed when the upstream's handler has returned.
	hold     func(ctx context.Context, bytes int64) *proxy.Refusal
	observer proxy.Observer
}

func (l *line) newCase() *visitCase {
	c := &visitCase{
		id: int(l.next.Add(1)), during: make(map[moment]func()), open: make(chan struct{}),
		outcomes: make(chan proxy.Outcome, 4), left: make(chan struct{}),
	}
	c.opened = sync.OnceFunc(func() { close(c.open) })
	l.cases.Store(strconv.Itoa(c.id), c)
	return c
}

func (l *line) caseOf(h http.Header) *visitCase {
	c, ok := l.cases.Load(h.Get(headerCase))
	if !ok {
		panic("a request of no case")
	}
	return c.(*visitCase)
}

// ServeHTTP is what gateway.handle does between route and proxy.
func (l *line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := l.caseOf(r.Header)
	step := func(m moment) {
		if say := c.during[m]; say != nil {
			say()
		}
	}
	rt := &route.Route{ID: "r" + strconv.Itoa(c.id), Upstream: l.plain}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		rt.Upstream = l.streams
	}
	ctx, visit := l.table.Enter(r.Context(), session.Entry{Who: whoIs(c.id), Route: rt.ID, RequestID: "q", Time: time.Now()})
	defer visit.Leave()
	step(listed)
	d := admit.Decide(admit.Case{
		Route: rt, Method: r.Method, Identity: &identity.Identity{}, Standing: visit.Standing(), Feed: admit.FeedKnown, Now: time.Now(),
	})
	if d.Decision != event.DecisionPermit {
		problem.Write(w, r, d.Problem.Spread(0.5))
		return
	}
	step(decided)
	out := *l.proxy.Serve(w, r.WithContext(ctx), &proxy.Call{
		Match: route.Match{Route: rt, Path: r.URL.Path}, Visit: visit, RequestID: "q",
		Goodbye: func(c *session.Cut) problem.Problem { return problem.Revoked(c.Verdict).Spread(0.5) },
		Hold:    c.hold, Observer: c.observer,
	})
	c.outcomes <- out
	if out.Abort {
		panic(http.ErrAbortHandler)
	}
}

// revoke puts a verdict in force.
func (l *line) revoke(t *verdict.Target) {
	l.table.Apply(&verdict.Verdict{
		Id: "v", Epoch: 1, Seq: 1, Authority: verdict.AuthorityFacet, Tenant: "default", Target: t, Action: verdict.ActionRevoke,
		Time: timestamppb.Now(), Until: timestamppb.New(time.Now().Add(time.Hour)),
	}, time.Now())
}

func newLine(t *testing.T) *line {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	l := new(line)
	var err error
	l.table, err = session.New(session.Options{Config: session.DefaultConfig(), Tenant: "default", Logger: logger, Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	l.proxy, err = proxy.New(proxy.Options{Config: proxy.DefaultConfig(), Logger: logger, Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(l.upstream(t))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	l.plain, _ = url.Parse(server.URL)
	l.streams = l.grpcUpstream(t)
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

// upstream does what the path says and then waits to be ended.
func (l *line) upstream(t *testing.T) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		c := l.caseOf(r.Header)
		defer close(c.left)
		begin := func(text string) {
			_, _ = io.WriteString(w, text)
			_ = http.NewResponseController(w).Flush()
		}
		switch r.URL.Path {
		case "/poll":
			c.opened()
		case "/upload":
			_, _ = io.ReadFull(r.Body, make([]byte, 4))
			c.opened()
			_, _ = io.Copy(io.Discard, r.Body)
		case "/download":
			w.Header().Set("Content-Length", "1000000000")
			begin(strings.Repeat("a part", 20_000)) // More than waits in any buffer.
		case "/body":
			begin("a part")
		case "/events":
			w.Header().Set("Content-Type", "text/event-stream")
			begin("data: hello\n\n")
		case "/socket":
			c.echo(t, w, r)
			return
		}
		<-r.Context().Done()
	}
}

type slowService struct {
	testgrpc.UnimplementedTestServiceServer
	line *line
}

// wait says that the call has arrived, and waits to be ended.
func (s *slowService) wait(ctx context.Context, ready bool) error {
	md, _ := metadata.FromIncomingContext(ctx)
	c := s.line.caseOf(http.Header{headerCase: md.Get(headerCase)})
	defer close(c.left)
	if ready {
		c.opened()
	}
	<-ctx.Done()
	return ctx.Err()
}

// UnaryCall implements the service.
func (s *slowService) UnaryCall(ctx context.Context, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	return nil, s.wait(ctx, true)
}

// StreamingInputCall implements the service.
func (s *slowService) StreamingInputCall(stream testgrpc.TestService_StreamingInputCallServer) error {
	_, err := stream.Recv()
	if err != nil {
		return err
	}
	return s.wait(stream.Context(), true)
}

// StreamingOutputCall implements the service.
func (s *slowService) StreamingOutputCall(_ *testgrpc.StreamingOutputCallRequest, stream testgrpc.TestService_StreamingOutputCallServer) error {
	_ = stream.Send(&testgrpc.StreamingOutputCallResponse{})
	return s.wait(stream.Context(), false)
}

// FullDuplexCall implements the service.
func (s *slowService) FullDuplexCall(stream testgrpc.TestService_FullDuplexCallServer) error {
	_, err := stream.Recv()
	if err != nil {
		return err
	}
	_ = stream.Send(&testgrpc.StreamingOutputCallResponse{})
	return s.wait(stream.Context(), false)
}

func (l *line) grpcUpstream(t *testing.T) *url.URL {
	t.Helper()
	s := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(s, &slowService{line: l})
	done := make(chan struct{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		_ = s.Serve(listener) // Until it is stopped.
	}()
	t.Cleanup(func() {
		s.Stop()
		<-done
	})
	return &url.URL{Scheme: "h2c", Host: listener.Addr().String()}
}

// told is what a client was told, in the words of its protocol.
type told struct {
	Words string
	Hint  bool // It knows when it may come back.
}

// Every kind of stream is ended by a verdict about every kind of target, whenever
// it comes: in the words of the stream's protocol, with a hint when to come back
// where the protocol has a place for one, and without harm to its neighbours.
func TestEveryStreamIsCutByEveryTargetAtEveryMoment(t *testing.T) {
	l := newLine(t)
	c := newClients(t, l)
	check := c.neighbour(t)
	targets := names
	if testing.Short() {
		targets = map[string]func(int) *verdict.Target{"session": names["session"], "prefix": names["prefix"]}
	}
	for stream, kind := range c.kinds() {
		for name, target := range targets {
			for _, when := range []moment{before, listed, decided, after} {
				t.Run(stream+"/"+name+"/"+string(when), func(t *testing.T) {
					v := l.newCase()
					want := kind.refused
					cut := func() { l.revoke(target(v.id)) }
					switch when {
					case before:
						cut()
					case after:
						want = kind.cut
						go func() {
							<-v.open
							cut()
						}()
					case listed, decided:
						v.during[when] = cut
					}
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					got, err := kind.run(ctx, v)
					v.opened() // Nobody is left who waits for it.
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("the client was told (-want +got):\n%s(%v)", diff, err)
					}
					if when == after || when == decided {
						out := await(t, v.outcomes, "the call to end")
						if out.Cut == nil || out.Reason != problem.CodeRevoked {
							t.Errorf("outcome = %+v, want a cut", out)
						}
					}
					if when == after {
						await(t, v.left, "the upstream to be left")
					}
				})
			}
		}
	}
	check()
	for deadline := time.Now().Add(patience); l.table.Visits() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d visits are still listed", l.table.Visits())
		}
	}
}

// CONNECT is refused, and an extended CONNECT for anything but WebSocket as well.
func TestConnectOfEveryKindIsRefused(t *testing.T) {
	l := newLine(t)
	c := newClients(t, l)
	for name, tt := range map[string]struct {
		client   *http.Client
		protocol string
		want     int
	}{
		"over HTTP/1.1":           {client: c.http1, want: http.StatusMethodNotAllowed},
		"over HTTP/2":             {client: c.http2, want: http.StatusMethodNotAllowed},
		"over HTTP/2 for UDP":     {client: c.http2, protocol: "connect-udp", want: http.StatusNotImplemented},
		"over HTTP/2 for HTTP/2":  {client: c.http2, protocol: "h2c", want: http.StatusNotImplemented},
		"over HTTP/2 for nothing": {client: c.http2, protocol: "websocket, h2c", want: http.StatusNotImplemented},
	} {
		t.Run(name, func(t *testing.T) {
			v := l.newCase()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodConnect, "http://"+l.addr+"/socket", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set(headerCase, strconv.Itoa(v.id))
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
