package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// scribe writes to vigil.verdicts what an analyzer would.
type scribe struct {
	rig    *rig
	client *kafka.Client

	mu  sync.Mutex
	seq uint64
}

func newScribe(t *testing.T, g *rig) *scribe {
	t.Helper()
	tr := &kafka.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &scribe{rig: g, client: &kafka.Client{Addr: kafka.TCP(g.broker.Addr()), Transport: tr, Timeout: patience}}
}

func (s *scribe) write(ctx context.Context, partition int, key, value []byte, typ string) error {
	at := cloudevent.Attributes{ID: "x", Source: "test", Type: typ, Time: time.Now(), ContentType: cloudevent.JOSE}
	rec := kafka.Record{Key: kafka.NewBytes(key), Value: kafka.NewBytes(value)}
	for _, h := range at.Headers() {
		rec.Headers = append(rec.Headers, kafka.Header(h))
	}
	res, err := s.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic.Verdicts, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(rec),
	})
	if err != nil {
		return fmt.Errorf("write verdict: %w", err)
	}
	return res.Error
}

// scored says that a lane is scored.
func (s *scribe) scored(ctx context.Context, at *verdict.LanePosition) error {
	partition := topic.Partition(at.GetLane(), 2)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	record, err := s.rig.analyzer.Heartbeat(&verdict.Heartbeat{
		Time: timestamppb.Now(), Epoch: 1, Seq: s.seq, Authority: verdict.AuthoritySubject, Partition: int32(partition),
		ScoredThrough: []*verdict.LanePosition{at},
	})
	if err != nil {
		return fmt.Errorf("sign heartbeat: %w", err)
	}
	return s.write(ctx, partition, topic.HeartbeatKey(verdict.AuthoritySubject, partition), record, cloudevent.TypeHeartbeat)
}

// judged says what the analyzer thinks of the session of an event.
func (s *scribe) judged(ctx context.Context, action string, e *event.RequestEvent) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	v := &verdict.Verdict{
		Id: fmt.Sprint("an-", s.seq), Time: timestamppb.Now(), Epoch: 1, Seq: s.seq, Authority: verdict.AuthoritySubject, Tenant: "default",
		Target: &verdict.Target{Kind: verdict.TargetSession, Id: e.GetSession()}, Action: action, Until: timestamppb.New(time.Now().Add(time.Hour)),
		Cause: &verdict.Cause{EventId: e.GetId(), EventTime: e.GetTime()},
	}
	record, err := s.rig.analyzer.Verdict(v)
	if err != nil {
		return fmt.Errorf("sign verdict: %w", err)
	}
	key := topic.VerdictKey(v.Tenant, v.Target.Kind, v.Target.Id, v.Authority)
	return s.write(ctx, topic.Partition(e.GetLane(), 2), key, record, cloudevent.TypeVerdict)
}

// held waits for the event of a route that a response waits for.
func (g *rig) held(t *testing.T, id string) *event.RequestEvent {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		for _, e := range g.events(t)[id] {
			if e.GetAttributes()[event.AttributeHeld] != "" {
				return e
			}
		}
	}
	t.Fatalf("no response of %s waits", id)
	return nil
}

func position(e *event.RequestEvent, seq uint64) *verdict.LanePosition {
	return &verdict.LanePosition{Gateway: e.GetGateway(), Epoch: e.GetEpoch(), Lane: e.GetLane(), Seq: seq}
}

const secret = "what only the owner may see"

// The first byte waits until its event is scored; what was found out by then, or is
// not known in time, decides what the client gets.
func TestReleaseBarrier(t *testing.T) {
	tests := map[string]struct {
		release route.ReleaseSpec
		signed  time.Duration // How long ago the person signed in.
		happens func(ctx context.Context, s *scribe, e *event.RequestEvent) error
		status  int
		code    string // Of the problem, empty where the client gets what the upstream said.
		events  string // Phases and decisions.
	}{
		"it is scored, and nothing was found": {
			release: route.ReleaseSpec{Max: 5 * time.Second, Else: route.PostureDeny},
			happens: func(ctx context.Context, s *scribe, e *event.RequestEvent) error {
				return s.scored(ctx, position(e, e.GetSeq()))
			},
			status: 200, events: "open permit, close permit",
		},
		"it is scored, and the session is revoked": {
			release: route.ReleaseSpec{Max: 5 * time.Second, Else: route.PostureAllow},
			happens: func(ctx context.Context, s *scribe, e *event.RequestEvent) error {
				return errors.Join(s.judged(ctx, verdict.ActionRevoke, e), s.scored(ctx, position(e, e.GetSeq())))
			},
			status: 401, code: "session_revoked", events: "open permit, close cut",
		},
		"it is scored, and the session has to prove itself": {
			release: route.ReleaseSpec{Max: 5 * time.Second, Else: route.PostureAllow}, signed: time.Minute,
			happens: func(ctx context.Context, s *scribe, e *event.RequestEvent) error {
				return errors.Join(s.judged(ctx, verdict.ActionStepUp, e), s.scored(ctx, position(e, e.GetSeq())))
			},
			status: 401, code: "step_up_required", events: "open permit, close cut",
		},
		"it is scored, and the session is slowed down": {
			release: route.ReleaseSpec{Max: 5 * time.Second, Else: route.PostureDeny},
			happens: func(ctx context.Context, s *scribe, e *event.RequestEvent) error {
				return errors.Join(s.judged(ctx, verdict.ActionThrottle, e), s.scored(ctx, position(e, e.GetSeq())))
			},
			status: 200, events: "open permit, close permit",
		},
		"only what was before it is scored": {
			release: route.ReleaseSpec{Max: 200 * time.Millisecond, Else: route.PostureDeny},
			happens: func(ctx context.Context, s *scribe, e *event.RequestEvent) error {
				return s.scored(ctx, position(e, e.GetSeq()-1))
			},
			status: 503, code: "standing_unknown", events: "open permit, close deny",
		},
		"more than there is is said to be scored": {
			release: route.ReleaseSpec{Max: 200 * time.Millisecond, Else: route.PostureDeny},
			happens: func(ctx context.Context, s *scribe, e *event.RequestEvent) error {
				return s.scored(ctx, position(e, e.GetSeq()+1000))
			},
			status: 503, code: "standing_unknown", events: "open permit, close deny",
		},
		"another life is scored": {
			release: route.ReleaseSpec{Max: 200 * time.Millisecond, Else: route.PostureDeny},
			happens: func(ctx context.Context, s *scribe, e *event.RequestEvent) error {
				at := position(e, e.GetSeq())
				at.Epoch--
				return s.scored(ctx, at)
			},
			status: 503, code: "standing_unknown", events: "open permit, close deny",
		},
		"nobody says anything, and the route allows": {
			release: route.ReleaseSpec{Max: 50 * time.Millisecond, Else: route.PostureAllow}, status: 200, events: "open permit, close permit",
		},
		"nobody says anything, and the route steps up": {
			release: route.ReleaseSpec{Max: 50 * time.Millisecond, Else: route.PostureStepUp}, signed: time.Hour,
			status: 401, code: "step_up_required", events: "open permit, close step_up",
		},
		"nobody says anything, and the person has just signed in": {
			release: route.ReleaseSpec{Max: 50 * time.Millisecond, Else: route.PostureStepUp}, signed: time.Second,
			status: 200, events: "open permit, close permit",
		},
		"nobody says anything, and the route's posture, of a critical one, decides": {
			release: route.ReleaseSpec{}, status: 503, code: "standing_unknown", events: "open permit, close deny",
		},
	}
	g := newRig(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, secret) })
	ids := make(map[string]string)
	for name, tt := range tests {
		ids[name] = fmt.Sprint("held-", len(ids))
		g.config.Routes = append(g.config.Routes, route.Spec{
			ID: ids[name], Path: "/" + ids[name], Upstream: g.config.Routes[0].Upstream, Sensitivity: route.SensitivityCritical, Release: &tt.release,
		})
	}
	g.start(t, true)
	s := newScribe(t, g)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := idp.Claims{Subject: name, SessionID: name, TokenID: name}
			if tt.signed > 0 {
				c.AuthTime = time.Now().Add(-tt.signed)
			}
			r := g.request(t, http.MethodGet, "/"+ids[name], g.provider.Mint(c), nil)
			type answer struct {
				status int
				text   string
			}
			got := make(chan answer, 1)
			go func() {
				res, text := do(t, r)
				got <- answer{res.StatusCode, text}
			}()
			e := g.held(t, ids[name])
			if e.GetPhase() != event.PhaseOpen || e.GetStatus() != 200 || e.GetStream() != event.StreamRequest {
				t.Errorf("waits for %v", e)
			}
			if tt.happens != nil {
				err := tt.happens(t.Context(), s, e)
				if err != nil {
					t.Fatal(err)
				}
			}
			a := <-got
			if a.status != tt.status || (tt.code == "") != (a.text == secret) || tt.code != "" && problemOf(t, a.text)["code"] != tt.code {
				t.Errorf("the client got %d %q, want %d %q", a.status, a.text, tt.status, tt.code)
			}
		})
	}
	err := g.stop()
	if err != nil {
		t.Fatal(err)
	}
	all := g.events(t)
	for name, tt := range tests {
		var seen []string
		for _, e := range all[ids[name]] {
			seen = append(seen, e.GetPhase()+" "+e.GetDecision())
		}
		if got := strings.Join(seen, ", "); got != tt.events {
			t.Errorf("%s: events %q, want %q", name, got, tt.events)
		}
	}
	if receipts := g.enforcements(t); len(receipts) != 2 {
		t.Errorf("%d receipts, want those of two verdicts", len(receipts))
	}
}

// Without Kafka nothing is ever scored: what the route says holds after its time, and
// other routes do not wait at all.
func TestReleaseBarrierWithoutKafka(t *testing.T) {
	g := newRig(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, secret) })
	for id, otherwise := range map[string]string{"allows": route.PostureAllow, "denies": route.PostureDeny} {
		g.config.Routes = append(g.config.Routes, route.Spec{
			ID: id, Path: "/" + id, Upstream: g.config.Routes[0].Upstream, Release: &route.ReleaseSpec{Max: 100 * time.Millisecond, Else: otherwise},
		})
	}
	g.config.Emit.Drain = 0
	g.start(t, true)
	g.broker.Close()
	for path, want := range map[string]int{"/allows": 200, "/denies": 503, "/pages/7": 200} {
		res, text := do(t, g.request(t, http.MethodGet, path, g.token("somebody"), nil))
		if res.StatusCode != want || (want == 200) != (text == secret) {
			t.Errorf("%s: %d %q, want %d", path, res.StatusCode, text, want)
		}
	}
}

// A gateway that is told to stop lets those finish that wait: their events still go
// out, and what is said about them still comes in.
func TestStopWhileResponsesWait(t *testing.T) {
	g := newRig(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, secret) })
	g.config.Routes = append(g.config.Routes, route.Spec{
		ID: "held", Path: "/held", Upstream: g.config.Routes[0].Upstream, Release: &route.ReleaseSpec{Max: 5 * time.Second, Else: route.PostureDeny},
	})
	g.start(t, true)
	s := newScribe(t, g)
	got := make(chan string, 1)
	r := g.request(t, http.MethodGet, "/held", g.token("somebody"), nil)
	go func() {
		_, text := do(t, r)
		got <- text
	}()
	e := g.held(t, "held")
	_, ready := g.admin(t, "GET", "/readyz?verbose", nil)
	if !strings.Contains(ready, `"waiting_responses":1`) {
		t.Errorf("readyz does not tell of who waits: %s", ready)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- g.stop() }()
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		res, _ := g.admin(t, "GET", "/readyz", nil)
		if res.StatusCode == http.StatusServiceUnavailable {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("does not drain")
		}
	}
	err := s.scored(t.Context(), position(e, e.GetSeq()))
	if err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != secret {
		t.Errorf("who waited got %q", text)
	}
	err = <-stopped
	if err != nil {
		t.Error(err)
	}
}

// The lane whose events are not scored closes its routes to its own callers alone, and
// opens them again when it has caught up.
func TestPostureFollowsTheCallersLane(t *testing.T) {
	g := newRig(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, secret) })
	g.config.StaleMax = time.Second
	g.start(t, true)
	s := newScribe(t, g)
	ask := func(user string) int {
		res, _ := do(t, g.request(t, http.MethodGet, "/vault", g.token(user), nil))
		return res.StatusCode
	}
	becomes := func(user string, want int) {
		t.Helper()
		for deadline := time.Now().Add(patience); ask(user) != want; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: never %d", user, want)
			}
		}
	}
	if got := ask("ann"); got != 200 {
		t.Fatalf("before anything is stale: %d", got)
	}
	var anns *event.RequestEvent
	for deadline := time.Now().Add(patience); anns == nil; time.Sleep(5 * time.Millisecond) {
		if list := g.events(t)["vault"]; len(list) > 0 {
			anns = list[0]
		}
		if time.Now().After(deadline) {
			t.Fatal("no event")
		}
	}
	becomes("ann", 503) // Nobody scores.
	// All lanes but hers are scored from now on, each up to what was emitted.
	score := func(skip func(lane uint32) bool) error {
		last := make(map[uint32]uint64)
		for _, value := range g.records(t, topic.Requests) {
			e := new(event.RequestEvent)
			err := event.Decode(value, e)
			if err != nil {
				return err
			}
			last[e.GetLane()] = max(last[e.GetLane()], e.GetSeq(), e.GetSeqEnd())
		}
		for lane, seq := range last {
			if !skip(lane) {
				err := s.scored(t.Context(), &verdict.LanePosition{Gateway: anns.GetGateway(), Epoch: anns.GetEpoch(), Lane: lane, Seq: seq})
				if err != nil {
					return err
				}
			}
		}
		return nil
	}
	hers := func(lane uint32) bool { return lane == anns.GetLane() }
	other := ""
	for deadline := time.Now().Add(patience); other == ""; {
		err := score(hers)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 40 {
			if user := fmt.Sprint("user-", i); ask(user) == 200 {
				other = user
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody else is let in")
		}
	}
	if got := ask("ann"); got != 503 {
		t.Errorf("in the lane that is not scored: %d, want 503", got)
	}
	for deadline := time.Now().Add(patience); ask("ann") != 200; {
		err := score(func(uint32) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("not back to normal after it has caught up")
		}
	}
}
