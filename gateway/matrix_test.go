package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
	"github.com/vigil-gateway/vigil/gateway/origin"
	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/proxy/proxytest"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// moment is when the verdict comes.
type moment string

const (
	before  moment = "before registration"
	listed  moment = "during registration, before the standing is asked for"
	decided moment = "during registration, after the standing was asked for"
	after   moment = "after registration"
)

// matrix is a gateway that carries every kind of stream, whose verdicts come at a
// moment of the test's choice. All names of a caller are of his case alone.
type matrix struct {
	*rig

	cases  proxytest.Cases
	shared *http.Client // For the admin port.
	seq    atomic.Uint64

	// What the gateway asks of its surroundings betrays where it is: it begins a span for
	// each request on the goroutine that serves it, and reads the clock between its steps.
	serving sync.Map // Number of a case by goroutine.
	armed   sync.Map // Of *armed by number of a case.
}

// armed is what is to happen while a case's request is on its way through the line.
type armed struct {
	when moment
	do   func()
}

// caseTracer learns which goroutine serves which case.
type caseTracer struct {
	tracenoop.Tracer

	matrix *matrix
}

// Start finds the case in the trace that its client begins.
func (t caseTracer) Start(ctx context.Context, name string, o ...trace.SpanStartOption) (context.Context, trace.Span) {
	c := trace.NewSpanStartConfig(o...)
	for _, link := range c.Links() {
		if name == "gateway.request" {
			id := link.SpanContext.TraceID()
			t.matrix.serving.Store(goroutine(), int(id[14])<<8|int(id[15]))
		}
	}
	return t.Tracer.Start(ctx, name, o...)
}

// goroutine is the number of the running one.
func goroutine() int {
	var b [64]byte
	text := string(b[:runtime.Stack(b[:], false)])
	n, _ := strconv.Atoi(strings.Fields(text)[1])
	return n
}

// steps are the functions that read the clock at a moment, and nowhere before it.
var steps = map[string]moment{
	"gateway.(*Gateway).handle": listed,
	"proxy.(*Proxy).Serve":      decided,
}

// now is the gateway's clock.
func (m *matrix) now() time.Time {
	var pc [1]uintptr
	runtime.Callers(2, pc[:])
	f, _ := runtime.CallersFrames(pc[:]).Next()
	when := steps[f.Function[strings.LastIndexByte(f.Function, '/')+1:]]
	if when != "" {
		id, _ := m.serving.Load(goroutine())
		a, is := m.armed.Load(id)
		if is && a.(*armed).when == when && m.armed.CompareAndDelete(id, a) {
			a.(*armed).do()
		}
	}
	return time.Now()
}

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	m := new(matrix)
	m.rig = newRig(t, m.cases.Upstream(t))
	m.tracer, m.clock = caseTracer{matrix: m}, m.now
	tr := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(tr.CloseIdleConnections)
	m.shared = &http.Client{Transport: tr}
	c := &m.config
	c.Listen.H2C, c.Proxy.LongHold = true, 5*time.Millisecond
	c.Proxy.GoodbyeTimeout = 10 * time.Second // How fast a machine is, is not looked at here.
	c.Origin.TrustedProxies, c.Origin.JA4Header = []string{"127.0.0.1"}, "x-ja4"
	c.Origin.Networks = []origin.Static{{Prefix: "10.0.0.0/8", ASN: 64500}}
	upstream := c.Routes[0].Upstream
	c.Routes = nil
	for _, path := range []string{"/poll", "/body", "/download", "/upload", "/events", "/socket"} {
		c.Routes = append(c.Routes, route.Spec{ID: path, Path: path, Upstream: upstream})
	}
	c.Routes = append(c.Routes,
		route.Spec{ID: "/grpc.testing.TestService/", Path: "/grpc.testing.TestService/{method}", Upstream: m.cases.GRPC(t).String()},
		route.Spec{ID: "neighbour", Path: "/events", Host: "neighbour.test", Upstream: upstream})
	m.start(t, true)
	return m
}

// caller is who makes the request of a case.
type caller struct {
	token string
	key   signer
	ja4   string
	at    netip.Addr
	trace string
}

func (m *matrix) caller(c *proxytest.Case) caller {
	n := strconv.Itoa(c.ID)
	w := caller{
		key: newSigner(), at: netip.AddrFrom4([4]byte{10, byte(c.ID >> 8), byte(c.ID), 7}),
		ja4: fmt.Sprintf("t13d1516h2_%012x_e5627efa2ab1", c.ID), trace: fmt.Sprintf("00-ff%030x-00f067aa0ba902b7-01", c.ID),
	}
	w.token = m.provider.Mint(idp.Claims{Subject: "u" + n, SessionID: "s" + n, TokenID: "t" + n, ClientID: "c" + n, Thumbprint: w.key.jkt()})
	c.Credentials = func(method, url string) http.Header {
		r := must(http.NewRequest(method, url, http.NoBody))
		return http.Header{
			"Authorization": {"DPoP " + w.token}, "Dpop": {w.key.proof(r, w.token, "")},
			"X-Forwarded-For": {w.at.String()}, "X-Ja4": {w.ja4}, "Traceparent": {w.trace},
		}
	}
	return w
}

// targets are what a verdict can be about: a caller has all of these names.
func (m *matrix) targets(c *proxytest.Case, w caller, path string) map[string]*verdict.Target {
	n, issuer := strconv.Itoa(c.ID), m.provider.Issuer()
	prefix := func(bits int) string { return must(w.at.Prefix(bits)).String() }
	return map[string]*verdict.Target{
		"session":            {Kind: verdict.TargetSession, Id: m.names.Session(issuer, "s"+n)},
		"alias":              {Kind: verdict.TargetSession, Id: m.names.Session(issuer, "t"+n)},
		"subject":            {Kind: verdict.TargetSubject, Id: m.names.Subject(issuer, "u"+n)},
		"token":              {Kind: verdict.TargetToken, Id: m.names.Token(issuer, "t"+n)},
		"device":             {Kind: verdict.TargetDevice, Id: w.key.jkt()},
		"client":             {Kind: verdict.TargetClient, Id: "c" + n},
		"address":            {Kind: verdict.TargetAddress, Id: w.at.String()},
		"prefix":             {Kind: verdict.TargetPrefix, Id: prefix(24)},
		"longer prefix":      {Kind: verdict.TargetPrefix, Id: prefix(27)},
		"ja4":                {Kind: verdict.TargetJA4, Id: w.ja4},
		"ja4 in its network": {Kind: verdict.TargetJA4, Id: verdict.JA4In(w.ja4, 64500)},
		"route":              {Kind: verdict.TargetRoute, Id: path},
	}
}

// say puts a signed verdict in force through the admin port, and returns why it is not.
func (m *matrix) say(action string, target *verdict.Target) error {
	seq := m.seq.Add(1)
	record, err := m.operator.Verdict(&verdict.Verdict{
		Id: fmt.Sprint("v", seq), Time: timestamppb.Now(), Epoch: 1, Seq: seq, Authority: verdict.AuthorityOperator, Tenant: "default",
		Target: target, Action: action, Until: timestamppb.New(time.Now().Add(time.Hour)),
	})
	if err != nil {
		return fmt.Errorf("sign verdict: %w", err)
	}
	res, err := m.shared.Post("http://"+m.gateway.AdminAddr().String()+"/v1/verdicts", "application/jose", bytes.NewReader(record))
	if err != nil {
		return fmt.Errorf("send verdict: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("verdict: %d %s (%w)", res.StatusCode, text, err)
	}
	return nil
}

// ending is how a case has to be accounted for.
type ending struct {
	Session, Decision string
	Requests          int // Terminal events.
}

// cut runs one case: a caller, who has been here before where known is true, and a
// verdict about one of his names that comes at a moment.
func (m *matrix) cut(t *testing.T, kind proxytest.Kind, name string, when moment, known bool) ending {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	v := m.cases.New()
	target := m.targets(v, m.caller(v), kind.Path)[name]
	end := ending{Session: m.names.Session(m.provider.Issuer(), "s"+strconv.Itoa(v.ID)), Decision: event.DecisionDeny, Requests: 1}
	if known {
		end.Requests++
		err := kind.Before(ctx, v)
		if err != nil {
			t.Fatalf("before any verdict: %v", err)
		}
	}
	want, said := kind.Refused, make(chan error, 1)
	revoke := func() { said <- m.say(verdict.ActionRevoke, target) }
	switch when {
	case before:
		revoke()
	case after:
		want, end.Decision = kind.Cut, event.DecisionCut
		go func() {
			<-v.Open
			revoke()
		}()
	case decided:
		end.Decision = event.DecisionCut
		m.armed.Store(v.ID, &armed{when, revoke})
	case listed:
		m.armed.Store(v.ID, &armed{when, revoke})
	}
	got, err := kind.Run(ctx, v)
	v.Opened() // Nobody is left who waits for it.
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the client was told (-want +got):\n%s(%v)", diff, err)
	}
	select {
	case err = <-said:
	case <-ctx.Done():
		err = fmt.Errorf("the moment never came: %w", ctx.Err())
	}
	if err != nil {
		t.Fatal(err)
	}
	if when == after {
		select {
		case <-v.Left:
		case <-ctx.Done():
			t.Error("the upstream was not left")
		}
	}
	if target.Kind == verdict.TargetRoute {
		err = m.say(verdict.ActionObserve, target) // The next case is on it, too.
		if err != nil {
			t.Fatal(err)
		}
	}
	return end
}

// Every kind of stream is ended by a verdict about every kind of target, whenever it
// comes, through the whole gateway: in the words of the stream's protocol, with a hint
// when to come back where the protocol has a place for one, without harm to its
// neighbours, and with one terminal event and one receipt for each.
func TestEveryStreamIsCutByEveryTargetAtEveryMoment(t *testing.T) {
	m := newMatrix(t)
	c := proxytest.NewClients(t, m.gateway.Addr().String())
	neighbour := m.cases.New()
	m.caller(neighbour)
	check := c.Neighbour(t, neighbour, "neighbour.test")
	targets := []string{"session", "alias", "subject", "token", "device", "client", "address", "prefix", "longer prefix", "ja4", "ja4 in its network", "route"}
	if testing.Short() {
		targets = []string{"session", "device", "prefix"}
	}
	byPath := make(map[string][]string)
	kinds := c.Kinds()
	for name, kind := range kinds {
		byPath[kind.Path] = append(byPath[kind.Path], name)
	}
	var mu sync.Mutex
	var ends []ending
	t.Run("all", func(t *testing.T) {
		for path, names := range byPath { // A verdict about a route is about all cases on it.
			slices.Sort(names)
			t.Run(path, func(t *testing.T) {
				t.Parallel()
				for i, stream := range names {
					for j, target := range targets {
						for k, when := range []moment{before, listed, decided, after} {
							t.Run(stream+"/"+target+"/"+string(when), func(t *testing.T) {
								end := m.cut(t, kinds[stream], target, when, (i+j+k)%2 == 0)
								mu.Lock()
								ends = append(ends, end)
								mu.Unlock()
							})
						}
					}
				}
			})
		}
	})
	check()
	err := m.stop()
	if err != nil {
		t.Fatal(err)
	}
	m.accounts(t, ends)
}

// accounts checks the events and receipts of the cases.
func (m *matrix) accounts(t *testing.T, ends []ending) {
	t.Helper()
	terminal, last, receipts := make(map[string]int), make(map[string]string), make(map[string]int)
	for _, events := range m.events(t) {
		for _, e := range events {
			if e.GetPhase() != event.PhaseComplete && e.GetPhase() != event.PhaseClose {
				continue
			}
			terminal[e.GetSession()]++
			if e.GetReason() != "" {
				last[e.GetSession()] = e.GetDecision() + " " + e.GetReason()
			}
		}
	}
	for _, e := range m.enforcements(t) {
		receipts[e.GetSession()]++
	}
	for _, end := range ends {
		if n := terminal[end.Session]; n != end.Requests {
			t.Errorf("%d terminal events of a case, want %d", n, end.Requests)
		}
		if got, want := last[end.Session], end.Decision+" "+problem.CodeRevoked; got != want {
			t.Errorf("a case ended with %q, want %q", got, want)
		}
		if n := receipts[end.Session]; n != 1 {
			t.Errorf("%d receipts of a case, want 1", n)
		}
	}
}
