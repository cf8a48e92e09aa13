package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
	"github.com/vigil-gateway/vigil/gateway"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// app is the upstream.
func app(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/login":
		_ = r.ParseForm()
		if r.PostForm.Get("password") != "right" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	case r.URL.Path == "/events" && r.Header.Get("Upgrade") != "":
		c, err := websocket.Accept(w, r, nil)
		if err == nil {
			_, _, _ = c.Read(context.WithoutCancel(r.Context()))
			_ = c.CloseNow()
		}
	case r.URL.Path == "/events":
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: hello\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	default:
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s", r.URL.Path, r.Header.Get("X-Vigil-Subject"), r.Header.Get("Traceparent"))
	}
}

// Whatever becomes of a request, exactly one terminal event accounts for it.
func TestOneTerminalEventPerRequest(t *testing.T) {
	g := newRig(t, app)
	g.start(t, true)
	ann := g.token("ann")
	form := func(password string) *http.Request {
		r := g.request(t, "POST", "/login", "", strings.NewReader("user=Ann@example.com&password="+password))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
	type seen struct {
		Route, Decision, Reason, AuthOutcome string
		Status                               uint32
		Known                                bool // Who it was.
	}
	steps := []struct {
		name string
		r    *http.Request
		want seen
	}{
		{"served", g.request(t, "GET", "/pages/7", ann, nil), seen{"page", "permit", "", "none", 200, true}},
		{"public", g.request(t, "GET", "/open", "", nil), seen{"open", "permit", "", "none", 200, false}},
		{"public with a bad token", g.request(t, "GET", "/open", "junk", nil), seen{"open", "permit", "", "none", 200, false}},
		{"no token", g.request(t, "GET", "/pages/7", "", nil), seen{"page", "deny", "token_missing", "none", 401, false}},
		{"expired", g.request(t, "GET", "/pages/7", g.provider.Mint(idp.Claims{Subject: "ann", Expires: time.Now().Add(-time.Hour)}), nil), seen{"page", "deny", "token_expired", "none", 401, false}},
		{"no scope", g.request(t, "GET", "/pages/7", g.provider.Mint(idp.Claims{Subject: "ann"}), nil), seen{"page", "deny", "insufficient_scope", "none", 403, true}},
		{"no route", g.request(t, "GET", "/nowhere", ann, nil), seen{"", "deny", "no_route", "none", 404, false}},
		{"no method", g.request(t, "GET", "/write", ann, nil), seen{"", "deny", "method_not_allowed", "none", 405, false}},
		{"ambiguous", g.request(t, "GET", "/pages/..%2f7", ann, nil), seen{"", "deny", "ambiguous_path", "none", 400, false}},
		{"dead upstream", g.request(t, "GET", "/dead", ann, nil), seen{"dead", "permit", "upstream_refused", "none", 502, true}},
		{"signed in", form("right"), seen{"login", "permit", "", "success", 200, false}},
		{"not signed in", form("wrong"), seen{"login", "permit", "", "failure", 401, false}},
	}
	var want []seen
	for _, s := range steps {
		res, body := do(t, s.r)
		if res.StatusCode != int(s.want.Status) {
			t.Errorf("%s: status %d %s", s.name, res.StatusCode, body)
		}
		if s.want.Reason != "" && problemOf(t, body)["code"] != s.want.Reason {
			t.Errorf("%s: %s", s.name, body)
		}
		want = append(want, s.want)
	}
	conn, err := net.Dial("tcp", g.gateway.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(conn, "POST /write HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", ann)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != 400 {
		t.Fatalf("malformed chunk: %v, %v", res, err)
	}
	_ = res.Body.Close()
	_ = conn.Close()
	want = append(want, seen{"write", "permit", "malformed_request", "none", 400, true})

	err = g.stop()
	if err != nil {
		t.Fatal(err)
	}
	var got []seen
	for _, events := range g.events(t) {
		for _, e := range events {
			if e.GetPhase() != event.PhaseComplete || e.GetId() != e.GetRequestId() || e.GetAddress() != "127.0.0.1" || e.GetRegion() != "eu" {
				t.Errorf("event %v", e)
			}
			if (e.GetRoute() == "login") != (e.GetAccount() == g.names.Account("ann@example.com")) {
				t.Errorf("account of %s is %q", e.GetRoute(), e.GetAccount())
			}
			if (e.GetStatus() >= 400 && e.GetAuthOutcome() == "none") != (e.GetSupportCode() != "") {
				t.Errorf("status %d with support code %q", e.GetStatus(), e.GetSupportCode())
			}
			got = append(got, seen{e.GetRoute(), e.GetDecision(), e.GetReason(), e.GetAuthOutcome(), e.GetStatus(), e.GetSubject() != ""})
		}
	}
	order := func(a, b seen) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// A verdict ends what is open, refuses what comes, and is answered by receipts;
// nobody else notices.
func TestVerdictEndsAndRefuses(t *testing.T) {
	g := newRig(t, app)
	g.start(t, true)
	open := func(user string) *bufio.Reader {
		res, err := client(t).Do(g.request(t, "GET", "/events", g.token(user), nil))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		b := bufio.NewReader(res.Body)
		_, err = b.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	thief := open("thief")
	open("owner")
	asAdmin := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+adminToken) }
	_, dry := g.admin(t, "GET", "/v1/sessions?kind=session&id="+g.session("thief"), nil, asAdmin)
	_, all := g.admin(t, "GET", "/v1/sessions", nil, asAdmin)
	if !strings.Contains(dry, `"total":1`) || !strings.Contains(dry, `"stream":"sse"`) || !strings.Contains(all, `"total":2`) {
		t.Errorf("dry run %s, all %s", dry, all)
	}
	g.revoke(t, verdict.ActionRevoke, verdict.TargetSession, g.session("thief"))
	rest, err := io.ReadAll(thief)
	if err != nil || !strings.Contains(string(rest), "event: vigil.revoked\ndata: {") {
		t.Errorf("the thief saw %q, %v", rest, err)
	}
	res, body := do(t, g.request(t, "GET", "/pages/7", g.token("thief"), nil))
	if p := problemOf(t, body); res.StatusCode != 401 || p["code"] != "session_revoked" || p["support_code"] != event.SupportCode("v1") {
		t.Errorf("the thief's next request: %d %s", res.StatusCode, body)
	}
	res, _ = do(t, g.request(t, "GET", "/pages/7", g.token("owner"), nil))
	if res.StatusCode != 200 {
		t.Errorf("the owner's next request: %d", res.StatusCode)
	}
	// The owner is only slowed down, and may not write.
	g.revoke(t, verdict.ActionReadOnly, verdict.TargetSubject, g.names.Subject(g.provider.Issuer(), "owner"))
	res, body = do(t, g.request(t, "POST", "/write", g.token("owner"), strings.NewReader("x")))
	if res.StatusCode != 403 || problemOf(t, body)["code"] != "read_only" {
		t.Errorf("the owner writes: %d %s", res.StatusCode, body)
	}
	if _, all = g.admin(t, "GET", "/v1/sessions", nil, asAdmin); !strings.Contains(all, `"total":1`) {
		t.Errorf("the owner's stream is gone: %s", all)
	}
	err = g.stop()
	if err != nil {
		t.Fatal(err)
	}
	var streams []string
	for _, e := range g.enforcements(t) {
		streams = append(streams, e.GetVerdictId()+" "+e.GetStream())
		if e.GetGateway() != "gw-test" || e.GetRequestId() == "" || (e.GetStream() == "sse") != (e.GetEventToCutUs() > 0 && e.GetApplyUs() > 0) {
			t.Errorf("receipt %v", e)
		}
	}
	slices.Sort(streams)
	if diff := cmp.Diff([]string{"v1 request", "v1 sse", "v2 request"}, streams); diff != "" {
		t.Errorf("receipts (-want +got):\n%s", diff)
	}
	phases := make(map[string][]string)
	for _, e := range g.events(t)["events"] {
		phases[e.GetSession()] = append(phases[e.GetSession()], e.GetPhase()+" "+e.GetDecision()+" "+e.GetStream())
	}
	want := map[string][]string{
		g.session("thief"): {"open permit sse", "close cut sse"},
		g.session("owner"): {"open permit sse", "close permit sse"},
	}
	if diff := cmp.Diff(want, phases); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
}

// The account that is tried can be a target, before the attempt is forwarded.
func TestVerdictAboutAnAccount(t *testing.T) {
	g := newRig(t, app)
	g.start(t, true)
	g.revoke(t, verdict.ActionBlock, verdict.TargetAccount, g.names.Account("ann"))
	for user, want := range map[string]int{"ann": 403, "bob": 200} {
		r := g.request(t, "POST", "/login", "", strings.NewReader("user="+user+"&password=right"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, body := do(t, r)
		if res.StatusCode != want {
			t.Errorf("%s: %d %s", user, res.StatusCode, body)
		}
	}
}

// The admin port believes signatures and its token, nothing else.
func TestAdminRefuses(t *testing.T) {
	g := newRig(t, app)
	g.start(t, true)
	good := g.judge(t, verdict.ActionBlock, verdict.TargetSession, "x")
	forged := slices.Clone(good)
	forged[len(forged)-5] ^= 1
	for name, tt := range map[string]struct {
		method, path string
		body         []byte
		want         int
	}{
		"unsigned verdict":    {"POST", "/v1/verdicts", []byte("block everybody"), 403},
		"forged verdict":      {"POST", "/v1/verdicts", forged, 403},
		"endless verdict":     {"POST", "/v1/verdicts", make([]byte, 2<<20), 413},
		"signed verdict":      {"POST", "/v1/verdicts", good, 200},
		"sessions, no token":  {"GET", "/v1/sessions", nil, 401},
		"alive":               {"GET", "/livez", nil, 200},
		"metrics":             {"GET", "/metrics", nil, 200},
		"what does not exist": {"GET", "/pages/7", nil, 404},
	} {
		res, body := g.admin(t, tt.method, tt.path, tt.body)
		if res.StatusCode != tt.want {
			t.Errorf("%s: %d %s", name, res.StatusCode, body)
		}
	}
	if res, _ := do(t, g.request(t, "GET", "/livez", "", nil)); res.StatusCode != 404 {
		t.Errorf("the admin's paths are served to clients: %d", res.StatusCode)
	}
}

// Without Kafka a gateway that starts knows the verdicts of its last run, serves
// public routes, and after a while lets each route's posture count.
func TestColdStart(t *testing.T) {
	g := newRig(t, app)
	g.start(t, true)
	g.revoke(t, verdict.ActionBlock, verdict.TargetSession, g.session("thief"))
	err := g.stop()
	if err != nil {
		t.Fatal(err)
	}
	g.broker.Close()
	g.config.Emit.Drain, g.config.Admit.ColdStartMax = time.Millisecond, time.Hour
	status := func(path, user string) int {
		t.Helper()
		res, _ := do(t, g.request(t, "GET", path, g.token(user), nil))
		return res.StatusCode
	}
	g.start(t, false)
	got := []int{status("/pages/7", "thief"), status("/pages/7", "owner"), status("/open", "owner")}
	if diff := cmp.Diff([]int{403, 503, 200}, got); diff != "" {
		t.Errorf("at first (-want +got):\n%s", diff)
	}
	res, body := g.admin(t, "GET", "/readyz", nil)
	if res.StatusCode != 503 || !strings.Contains(body, "starting") {
		t.Errorf("readyz: %d %s", res.StatusCode, body)
	}
	err = g.stop()
	if err != nil {
		t.Fatal(err)
	}
	g.config.Admit.ColdStartMax = time.Nanosecond
	g.start(t, false)
	got = []int{status("/pages/7", "thief"), status("/pages/7", "owner"), status("/vault", "owner"), status("/open", "owner")}
	if diff := cmp.Diff([]int{403, 200, 503, 200}, got); diff != "" {
		t.Errorf("after a while (-want +got):\n%s", diff)
	}
	res, body = g.admin(t, "GET", "/readyz?verbose", nil)
	if res.StatusCode != 200 || !strings.Contains(body, `"degraded"`) {
		t.Errorf("readyz: %d %s", res.StatusCode, body)
	}
	for _, name := range regexp.MustCompile(`"(\w+)":`).FindAllStringSubmatch(body, -1) {
		if name[1] != strings.ToLower(name[1]) {
			t.Errorf("readyz: %s is not in snake_case", name[1])
		}
	}
}

// A reload changes what comes and touches nothing that is open; a faulty one
// changes nothing.
func TestReload(t *testing.T) {
	g := newRig(t, app)
	g.start(t, true)
	c, _, err := websocket.Dial(t.Context(), "ws://"+g.gateway.Addr().String()+"/events", //nolint:bodyclose // Closed by the package.
		&websocket.DialOptions{HTTPClient: client(t), HTTPHeader: http.Header{"Authorization": {"Bearer " + g.token("ann")}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	bad := g.config
	bad.Routes = append(slices.Clone(bad.Routes), route.Spec{ID: "page", Path: "nonsense"})
	err = g.gateway.Reload(t.Context(), bad)
	if err == nil || !strings.Contains(err.Error(), "routes[7]") {
		t.Errorf("Reload(bad) = %v", err)
	}
	next := g.config
	next.Routes = []route.Spec{{ID: "open", Path: "/new", Upstream: g.config.Routes[0].Upstream, Public: true}}
	status := func(path string) int {
		res, _ := do(t, g.request(t, "GET", path, "", nil))
		return res.StatusCode
	}
	before := []int{status("/open"), status("/new")}
	err = g.gateway.Reload(t.Context(), next)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{200, 404, 404, 200}, append(before, status("/open"), status("/new"))); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	if _, all := g.admin(t, "GET", "/readyz?verbose", nil); !strings.Contains(all, `"visits":1`) {
		t.Errorf("the open WebSocket is gone: %s", all)
	}

	// A gateway that stops tells its WebSockets.
	stopped := make(chan error, 1)
	go func() { stopped <- g.stop() }()
	_, _, err = c.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the client saw %v, want close code 1001", err)
	}
	_ = c.CloseNow()
	err = <-stopped
	if err != nil {
		t.Error(err)
	}
	events := g.events(t)["events"]
	if len(events) != 2 || events[1].GetPhase() != event.PhaseClose || events[1].GetStream() != event.StreamWebSocket {
		t.Errorf("events of the WebSocket: %v", events)
	}
}

// A handler that panics is answered for, once.
func TestPanicIsAccountedFor(t *testing.T) {
	g := newRig(t, app)
	g.tracer = clumsy{}
	g.start(t, true)
	res, err := client(t).Do(g.request(t, "GET", "/events", g.token("thief"), nil))
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	_, _ = io.ReadFull(res.Body, b)
	g.revoke(t, verdict.ActionRevoke, verdict.TargetSession, g.session("thief"))
	_, err = io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err == nil {
		t.Error("a response that the panic broke off looks complete")
	}
	after, _ := do(t, g.request(t, "GET", "/open", "", nil))
	if after.StatusCode != 200 {
		t.Errorf("afterwards: %d", after.StatusCode)
	}
	err = g.stop()
	if err != nil {
		t.Fatal(err)
	}
	var terminal []string
	for _, e := range g.events(t)["events"] {
		if e.Terminal() {
			terminal = append(terminal, e.GetReason())
		}
	}
	if diff := cmp.Diff([]string{"internal_error"}, terminal); diff != "" {
		t.Errorf("terminal events (-want +got):\n%s", diff)
	}
}

// clumsy panics when a cut is to be traced.
type clumsy struct{ noop.Tracer }

// Start implements trace.Tracer.
func (c clumsy) Start(ctx context.Context, name string, o ...trace.SpanStartOption) (context.Context, trace.Span) {
	if name == "gateway.cut" {
		panic("clumsy")
	}
	return c.Tracer.Start(ctx, name, o...)
}

// A request's trace is its own: it links to the client's, and upstream, event
// and span share its id.
func TestTrace(t *testing.T) {
	g := newRig(t, app)
	spans := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(spans))
	g.tracer = provider.Tracer("test")
	g.start(t, true)
	r := g.request(t, "GET", "/open", "", nil)
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	_, body := do(t, r)
	err := g.stop()
	if err != nil {
		t.Fatal(err)
	}
	all := spans.GetSpans()
	if len(all) != 1 || len(all[0].Links) != 1 || all[0].Links[0].SpanContext.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
		t.Fatalf("spans %+v", all)
	}
	id := all[0].SpanContext.TraceID().String()
	if id == "0af7651916cd43dd8448eb211c80319c" {
		t.Error("a stranger's trace was continued")
	}
	if !strings.Contains(body, "00-"+id+"-"+all[0].SpanContext.SpanID().String()+"-01") {
		t.Errorf("the upstream saw %q", body)
	}
	if e := g.events(t)["open"]; len(e) != 1 || e[0].GetTraceId() != id {
		t.Errorf("events %v", e)
	}
}

// All faults come at once, each under its section.
func TestConfigNamesEveryFault(t *testing.T) {
	err := gateway.Config{}.Validate()
	if err == nil {
		t.Fatal("an empty configuration is valid")
	}
	for _, key := range []string{
		"id: ", "tenant: ", "tenant_key_file: ", "keys.key_set_file: ", "lanes: ", "kafka.brokers: ", "admin.address: ",
		"listen.address: ", "proxy.dial_timeout: ", "session.visits_max: ", "admit.fresh_max: ", "emit.", "revoke.dir: ",
	} {
		if !strings.Contains("\n"+err.Error(), "\n"+key) {
			t.Errorf("no fault for %q in:\n%v", key, err)
		}
	}
}

// The event of the last request is not lost, however long its goodbye takes.
func TestStopWaitsForTheLastEvent(t *testing.T) {
	g := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		// Half a large frame: there is no place for a close frame until the rest comes.
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x82\x7f\x00\x00\x00\x00\x00\x10\x00\x00half")
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	})
	g.start(t, true)
	conn, err := net.Dial("tcp", g.gateway.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(conn, "GET /events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", g.token("ann"))
	in := bufio.NewReader(conn)
	for line := ""; line != "half"; {
		b, err := in.ReadByte()
		if err != nil {
			t.Fatal(err)
		}
		line = (line + string(b))[max(0, len(line)-3):]
	}
	err = g.stop()
	if err != nil {
		t.Fatal(err)
	}
	if events := g.events(t)["events"]; len(events) != 2 || !events[1].Terminal() {
		t.Errorf("events %v", events)
	}
}

// An operator's verdict by the admin port ends what is open, refuses what comes and
// outlives a restart while there is no broker; his restore does as well.
func TestVerdictsWithoutABroker(t *testing.T) {
	g := newRig(t, app)
	g.start(t, true)
	g.broker.Close()
	g.config.Emit.Drain, g.config.Admit.ColdStartMax = time.Millisecond, time.Nanosecond
	res, err := client(t).Do(g.request(t, "GET", "/events", g.token("thief"), nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	g.revoke(t, verdict.ActionRevoke, verdict.TargetSession, g.session("thief"))
	rest, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(rest), "event: vigil.revoked") {
		t.Errorf("the open stream saw %q, %v", rest, err)
	}
	status := func() int {
		r, _ := do(t, g.request(t, "GET", "/pages/7", g.token("thief"), nil))
		return r.StatusCode
	}
	got := []int{status()}
	again := func() {
		err := g.stop()
		if err != nil {
			t.Fatal(err)
		}
		g.start(t, false)
	}
	again()
	got = append(got, status())
	g.revoke(t, verdict.ActionObserve, verdict.TargetSession, g.session("thief"))
	got = append(got, status())
	again()
	got = append(got, status())
	if diff := cmp.Diff([]int{401, 401, 200, 200}, got); diff != "" {
		t.Errorf("revoked, after a restart, restored, after a restart (-want +got):\n%s", diff)
	}
}
