package announce_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/judge"
)

// TestMain finds goroutines that outlive the tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type rig struct {
	t        *testing.T
	addr     string
	keys     *verdict.KeySet
	operator verdict.Signer
	analyzer verdict.Signer
	stranger verdict.Signer
	writer   *announce.Writer
	clock    atomic.Int64 // Added to the real time.
}

const partitions = 3

func newRig(t *testing.T) *rig {
	t.Helper()
	b, err := broker.Start(broker.Options{Partitions: partitions})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	key := func(text string) ed25519.PrivateKey {
		return ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%-32s", text)))
	}
	public := func(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }
	root, a, o := key("root"), key("analyzer"), key("operator")
	file, err := verdict.SignKeySet(root, []verdict.Key{
		{ID: "a", Class: verdict.ClassAnalyzer, Public: public(a)}, {ID: "o", Class: verdict.ClassOperator, Public: public(o)},
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := verdict.OpenKeySet(public(root), file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := announce.NewWriter([]string{b.Addr()}, slog.New(slog.DiscardHandler), noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return &rig{
		t: t, addr: b.Addr(), keys: keys, writer: w, analyzer: verdict.NewSigner("a", a),
		operator: verdict.NewSigner("o", o), stranger: verdict.NewSigner("a", key("stranger")),
	}
}

func (r *rig) now() time.Time { return time.Now().Add(time.Duration(r.clock.Load())) }

func (r *rig) announcer(revokesPerMinute int, tweaks ...func(*announce.Config)) *announce.Announcer {
	r.t.Helper()
	c := announce.DefaultConfig()
	for _, f := range tweaks {
		f(&c)
	}
	c.KeyFile, c.KeyID, c.Heartbeat, c.RevokesPerMinute = "unused", "a", 100*time.Millisecond, revokesPerMinute
	a, err := announce.New(announce.Options{
		Config: c, Writer: r.writer, Signer: r.analyzer, Keys: r.keys, Logger: slog.New(slog.DiscardHandler),
		Meter: noop.Meter{}, Tracer: tracenoop.Tracer{}, Now: r.now,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

func (r *rig) adopt(a *announce.Announcer, partition int) *announce.Partition {
	r.t.Helper()
	p, err := a.Adopt(r.t.Context(), announce.SubjectStage(), partition, 1<<40)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *rig) finding(offset int64, kind, id, action string, age time.Duration) announce.Finding {
	return announce.Finding{Proposal: judge.Proposal{
		ID: fmt.Sprintf("v%d", offset), Target: &verdict.Target{Kind: kind, Id: id}, Action: action, Until: r.now().Add(time.Hour),
		Score: 9, Tenant: "default", EventID: fmt.Sprintf("e%d", offset), EventTime: r.now().Add(-age), Offset: offset,
		PublicText: "public", OperatorText: "operator", Model: "m",
	}}
}

func (r *rig) announce(p *announce.Partition, list ...announce.Finding) {
	r.t.Helper()
	err := p.Announce(r.t.Context(), list)
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) read(name string, partition int) []kafka.Message {
	r.t.Helper()
	conn, err := kafka.DialLeader(r.t.Context(), "tcp", r.addr, name, partition)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	first, last, err := conn.ReadOffsets()
	if err != nil {
		r.t.Fatal(err)
	}
	_, err = conn.Seek(first, kafka.SeekAbsolute)
	if err != nil {
		r.t.Fatal(err)
	}
	var out []kafka.Message
	for at := first; at < last; {
		batch := conn.ReadBatchWith(kafka.ReadBatchConfig{MinBytes: 1, MaxBytes: 10 << 20, MaxWait: time.Second})
		for {
			m, err := batch.ReadMessage()
			if err != nil {
				break
			}
			out = append(out, m)
		}
		at = batch.Offset()
		err := batch.Close()
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return out
}

// said lists verdicts of a partition as "action target epoch.seq id".
func (r *rig) said(partition int) (verdicts []*verdict.Verdict, beats []*verdict.Heartbeat) {
	r.t.Helper()
	for _, m := range r.read(topic.Verdicts, partition) {
		msg, err := r.keys.Open(m.Value)
		if err != nil {
			r.t.Fatal(err)
		}
		if msg.Verdict != nil {
			v := msg.Verdict
			if want := topic.VerdictKey(v.Tenant, v.Target.Kind, v.Target.Id, v.Authority); string(m.Key) != string(want) {
				r.t.Errorf("key %q, want %q", m.Key, want)
			}
			verdicts = append(verdicts, v)
		} else {
			beats = append(beats, msg.Heartbeat)
		}
	}
	return verdicts, beats
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("never: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Nothing that a gateway, an operator or a trace needs is left out.
func TestVerdictCarriesEverything(t *testing.T) {
	r := newRig(t)
	p := r.adopt(r.announcer(60), 1)
	f := r.finding(5, verdict.TargetSession, "s", verdict.ActionRevoke, 0)
	f.Proposal.NotBefore = f.Proposal.EventTime
	f.Parent = trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	r.announce(p, f, r.finding(6, verdict.TargetAddress, "192.0.2.1", verdict.ActionThrottle, 0))
	list, _ := r.said(1)
	if len(list) != 2 {
		t.Fatalf("%d verdicts, want 2", len(list))
	}
	v := list[0]
	if v.Id != "v5" || v.Authority != verdict.AuthoritySubject || v.Kid != "a" || v.Epoch != 1 || v.Tenant != "default" ||
		v.PublicText != "public" || v.OperatorText != "operator" || v.SupportCode != event.SupportCode("v5") || v.Model != "m" ||
		v.Origin != "model" || v.Cause.Partition != 1 || v.Cause.Offset != 5 || v.Cause.Topic != topic.Requests || v.Cause.EventId != "e5" ||
		v.NotBefore == nil || !strings.HasPrefix(v.Cause.Traceparent, "00-01000000000000000000000000000000-") {
		t.Errorf("verdict = %v", v)
	}
	if list[1].Authority != verdict.AuthorityFacet || list[1].NotBefore != nil || list[1].Seq <= v.Seq {
		t.Errorf("second verdict = %v", list[1])
	}
	m := r.read(topic.Verdicts, 1)[1]
	found := false
	for _, h := range m.Headers {
		found = found || h.Key == "traceparent" && string(h.Value) == v.Cause.Traceparent
	}
	if !found {
		t.Error("the record has no traceparent of its cause")
	}
}

// Whoever takes a partition over goes on from what stands in the topic.
func TestSuccessorHasAHigherEpochAndTheSameFold(t *testing.T) {
	r := newRig(t)
	first := r.adopt(r.announcer(60), 0)
	r.announce(first, r.finding(5, verdict.TargetSession, "s", verdict.ActionRevoke, 0))
	second := r.adopt(r.announcer(60), 0)
	if second.Epoch() <= first.Epoch() {
		t.Errorf("epoch %d after %d", second.Epoch(), first.Epoch())
	}
	r.announce(second, r.finding(5, verdict.TargetSession, "s", verdict.ActionRevoke, 0), // Replayed.
		r.finding(6, verdict.TargetSession, "s", verdict.ActionThrottle, 0)) // Weaker than what stands.
	list, _ := r.said(0)
	if len(list) != 1 {
		t.Errorf("%d verdicts, want 1: %v", len(list), list)
	}
	// Nobody ever announced anything in this partition, and still epochs rise.
	if a, b := r.adopt(r.announcer(60), 2), r.adopt(r.announcer(60), 2); b.Epoch() != a.Epoch()+1 {
		t.Errorf("epoch %d after %d", b.Epoch(), a.Epoch())
	}
}

// Somebody without a key can neither raise the epoch nor make us believe that
// a verdict stands already.
func TestForgedRecordsInTheTopicAreNotBelieved(t *testing.T) {
	r := newRig(t)
	forged := &verdict.Verdict{
		Id: "forged", Time: timestamppb.New(r.now()), Epoch: 99, Seq: 1, Authority: verdict.AuthoritySubject, Tenant: "default",
		Target: &verdict.Target{Kind: verdict.TargetSession, Id: "s"}, Action: verdict.ActionBlock, Until: timestamppb.New(r.now().Add(time.Hour)),
	}
	env, err := r.stranger.Verdict(forged)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range [][]byte{env, []byte("rubbish"), nil} {
		err = r.writer.Write(t.Context(), topic.Verdicts, 0, announce.Record{Key: []byte("k"), Value: value})
		if err != nil {
			t.Fatal(err)
		}
	}
	p := r.adopt(r.announcer(60), 0)
	if p.Epoch() != 1 {
		t.Errorf("epoch %d, want 1", p.Epoch())
	}
}

// Who catches up throws nobody out for what is long over.
func TestOldEventsAreCappedAtStepUpButFactsAreNot(t *testing.T) {
	r := newRig(t)
	p := r.adopt(r.announcer(60), 0)
	old := r.finding(1, verdict.TargetSession, "old", verdict.ActionRevoke, 2*time.Minute)
	hard := r.finding(2, verdict.TargetSession, "hard", verdict.ActionRevoke, 2*time.Minute)
	hard.Proposal.Hard = true
	skewed := r.finding(3, verdict.TargetSession, "skewed", verdict.ActionRevoke, 2*time.Minute)
	skewed.Clock = r.now() // Its gateway's clock is wrong; the partition's is not.
	weak := r.finding(4, verdict.TargetSession, "weak", verdict.ActionThrottle, 2*time.Minute)
	fresh := r.finding(5, verdict.TargetSession, "fresh", verdict.ActionRevoke, 0)
	r.announce(p, old, hard, skewed, weak, fresh)
	want := map[string]string{
		"old": verdict.ActionStepUp, "hard": verdict.ActionRevoke, "skewed": verdict.ActionRevoke,
		"weak": verdict.ActionThrottle, "fresh": verdict.ActionRevoke,
	}
	list, _ := r.said(0)
	for _, v := range list {
		if v.Action != want[v.Target.Id] {
			t.Errorf("%s: %s, want %s", v.Target.Id, v.Action, want[v.Target.Id])
		}
		delete(want, v.Target.Id)
	}
	if len(want) > 0 {
		t.Errorf("not announced: %v", want)
	}
}

// Beyond the limit revokes wait for a person; facts and weaker verdicts do not.
func TestFuseHoldsRevokesButNotFacts(t *testing.T) {
	r := newRig(t)
	p := r.adopt(r.announcer(2), 0)
	for i := range 5 {
		r.announce(p, r.finding(int64(i), verdict.TargetSession, fmt.Sprint("s", i), verdict.ActionRevoke, 0))
	}
	hard := r.finding(10, verdict.TargetSession, "hard", verdict.ActionRevoke, 0)
	hard.Proposal.Hard = true
	r.announce(p, hard, r.finding(11, verdict.TargetSession, "soft", verdict.ActionStepUp, 0))
	var got []string
	list, _ := r.said(0)
	for _, v := range list {
		got = append(got, v.Target.Id)
	}
	if strings.Join(got, " ") != "s0 s1 hard soft" {
		t.Errorf("announced %v, want s0 s1 hard soft", got)
	}
}

// Beyond the blast radius revokes wait until a person releases them; facts and
// weaker verdicts do not.
func TestTheBlastRadiusHoldsRevokesUntilTheyAreReleased(t *testing.T) {
	r := newRig(t)
	a := r.announcer(60, func(c *announce.Config) { c.BlastRadius.Least, c.BlastRadius.Share = 1, 0.1 })
	p, q := r.adopt(a, 0), r.adopt(a, 1)
	p.Active(map[string]int{"default": 10, "other": 1000})
	q.Active(map[string]int{"default": 20})
	walk := func(offset int64, hard bool) announce.Finding {
		f := r.finding(offset, verdict.TargetSession, fmt.Sprint("s", offset), verdict.ActionRevoke, 0)
		f.Proposal.Evidence = []*verdict.Evidence{{Group: "time", Nats: 1}, {Group: "walk", Nats: 9}}
		f.Proposal.Hard = hard
		return f
	}
	r.announce(p, walk(1, false), walk(2, false))
	r.announce(q, walk(3, false), walk(4, false))
	r.announce(p, walk(5, false), walk(6, true), r.finding(7, verdict.TargetSession, "soft", verdict.ActionStepUp, 0))
	names := func(partition int) string {
		var got []string
		list, _ := r.said(partition)
		for _, v := range list {
			got = append(got, v.Target.Id)
		}
		return strings.Join(got, " ")
	}
	if names(0) != "s1 s2 s6 soft" || names(1) != "s3" {
		t.Errorf("announced %q and %q, want three of thirty, the fact and the step-up", names(0), names(1))
	}
	held := a.Held()
	if len(held) != 1 || held[0].Group != "walk" || held[0].Held != 2 {
		t.Errorf("%v wait, want two of walk", held)
	}
	r.clock.Add(int64(5 * time.Minute)) // It takes a person a while.
	if a.Release(t.Context(), "default", "network") || !a.Release(t.Context(), "default", "walk") {
		t.Error("the wrong group is released")
	}
	var g errgroup.Group
	ctx, cancel := contextOf(t)
	g.Go(func() error { return p.Run(ctx) })
	g.Go(func() error { return q.Run(ctx) })
	eventually(t, "what waited", func() bool { return names(0) == "s1 s2 s6 soft s5" && names(1) == "s3 s4" })
	for partition := range 2 {
		list, _ := r.said(partition)
		if last := list[len(list)-1]; last.Action != verdict.ActionRevoke {
			t.Errorf("what was released is a %s, want the revoke that waited", last.Action)
		}
	}
	cancel()
	err := g.Wait()
	if err != nil {
		t.Error(err)
	}
}

// A model that observes announces nothing.
func TestShadowProposalsStayInside(t *testing.T) {
	r := newRig(t)
	p := r.adopt(r.announcer(60), 0)
	f := r.finding(1, verdict.TargetSession, "s", verdict.ActionRevoke, 0)
	f.Proposal.Shadow = true
	r.announce(p, f)
	list, _ := r.said(0)
	if len(list) != 0 {
		t.Errorf("announced %v", list)
	}
}

// A lane appears soon after it is scored, and never steps back.
func TestHeartbeatsSayWhatIsScored(t *testing.T) {
	r := newRig(t)
	p := r.adopt(r.announcer(60), 2)
	var g errgroup.Group
	ctx, cancel := contextOf(t)
	g.Go(func() error { return p.Run(ctx) })
	a, b := event.Lane{Gateway: "gw", Epoch: 7, Lane: 2}, event.Lane{Gateway: "gw", Epoch: 7, Lane: 5}
	p.Scored(map[event.Lane]uint64{a: 10})
	p.Scored(map[event.Lane]uint64{a: 9, b: 3}) // A lane never steps back.
	last := func() map[uint32]uint64 {
		_, beats := r.said(2)
		out := make(map[uint32]uint64)
		seq := uint64(0)
		for _, h := range beats {
			if h.Seq <= seq || h.Partition != 2 || h.Authority != verdict.AuthoritySubject {
				t.Fatalf("heartbeat = %v after seq %d", h, seq)
			}
			seq = h.Seq
			for _, l := range h.ScoredThrough {
				if l.Seq < out[l.Lane] {
					t.Fatalf("lane %d steps back to %d", l.Lane, l.Seq)
				}
				out[l.Lane] = l.Seq
			}
		}
		return out
	}
	eventually(t, "both lanes", func() bool { l := last(); return l[2] == 10 && l[5] == 3 })
	cancel()
	err := g.Wait()
	if err != nil {
		t.Error(err)
	}
}

// Time alone brings the weaker verdict into force, and later a tombstone.
func TestLapsedRevokeGivesWayAndIsSweptAway(t *testing.T) {
	r := newRig(t)
	p := r.adopt(r.announcer(60), 0)
	long := r.finding(2, verdict.TargetSession, "s", verdict.ActionThrottle, 0)
	long.Proposal.Until = r.now().Add(3 * time.Hour)
	r.announce(p, r.finding(1, verdict.TargetSession, "s", verdict.ActionRevoke, 0), long)
	var g errgroup.Group
	ctx, cancel := contextOf(t)
	g.Go(func() error { return p.Run(ctx) })
	r.clock.Store(int64(2 * time.Hour))
	eventually(t, "the throttle", func() bool {
		list, _ := r.said(0)
		return len(list) == 2 && list[1].Action == verdict.ActionThrottle && list[1].Seq > list[0].Seq
	})
	r.clock.Store(int64(48 * time.Hour))
	eventually(t, "a tombstone", func() bool {
		for _, m := range r.read(topic.Verdicts, 0) {
			if len(m.Value) == 0 && string(m.Key) == string(topic.VerdictKey("default", verdict.TargetSession, "s", verdict.AuthoritySubject)) {
				return true
			}
		}
		return false
	})
	cancel()
	err := g.Wait()
	if err != nil {
		t.Error(err)
	}
}

func (r *rig) operators(action string, clears ...*verdict.Clear) *verdict.Verdict {
	return &verdict.Verdict{
		Id: "op1", Time: timestamppb.New(r.now()), Epoch: 1, Seq: 1, Authority: verdict.AuthorityOperator, Tenant: "default",
		Target: &verdict.Target{Kind: verdict.TargetSession, Id: "s"}, Action: action, Until: timestamppb.New(r.now().Add(time.Hour)),
		Clears: clears, Origin: "operator",
	}
}

// The admin port is no way round the classes of keys.
func TestRelayRefusesAllButOperators(t *testing.T) {
	r := newRig(t)
	a := r.announcer(60)
	sign := func(s verdict.Signer, v *verdict.Verdict) []byte {
		env, err := s.Verdict(v)
		if err != nil {
			t.Fatal(err)
		}
		return env
	}
	own := r.operators(verdict.ActionRevoke)
	own.Authority = verdict.AuthoritySubject
	lapsed := r.operators(verdict.ActionRevoke)
	lapsed.Until = timestamppb.New(r.now().Add(-time.Minute))
	beat, err := r.analyzer.Heartbeat(&verdict.Heartbeat{Authority: verdict.AuthoritySubject})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		record []byte
		want   error
	}{
		"rubbish":                           {[]byte("x"), verdict.ErrUnsigned},
		"signed by a stranger":              {sign(r.stranger, r.operators(verdict.ActionRevoke)), verdict.ErrSignature},
		"an analyzer's as operator's":       {sign(r.analyzer, r.operators(verdict.ActionRevoke)), verdict.ErrAuthority},
		"an analyzer's own":                 {sign(r.analyzer, own), announce.ErrNotRelayed},
		"a heartbeat":                       {beat, announce.ErrNotRelayed},
		"one that has lapsed":               {sign(r.operator, lapsed), verdict.ErrExpired},
		"clears that an operator must sign": {sign(r.analyzer, &verdict.Verdict{Authority: verdict.AuthoritySubject, Clears: []*verdict.Clear{{}}}), verdict.ErrAuthority},
	} {
		err := a.Relay(t.Context(), tt.record)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: Relay = %v, want %v", name, err, tt.want)
		}
	}
	env := sign(r.operator, r.operators(verdict.ActionRevoke))
	err = a.Relay(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	key := topic.VerdictKey("default", verdict.TargetSession, "s", verdict.AuthorityOperator)
	list := r.read(topic.Verdicts, announce.RelayPartition(key, partitions))
	if len(list) != 1 || string(list[0].Value) != string(env) || string(list[0].Key) != string(key) {
		t.Errorf("relayed %v", list)
	}
}

// A broker refuses a batch above 1 MiB, however small its records are.
func TestWriterCutsWhatABrokerWouldRefuse(t *testing.T) {
	r := newRig(t)
	records := make([]announce.Record, 12)
	for i := range records {
		records[i] = announce.Record{Key: []byte{byte(i)}, Value: make([]byte, 400<<10)}
	}
	err := r.writer.Write(t.Context(), topic.Assessments, 0, records...)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range r.read(topic.Assessments, 0) {
		if int(m.Key[0]) != i {
			t.Errorf("record %d stands in place %d", m.Key[0], i)
		}
	}
	err = r.writer.Write(t.Context(), topic.Assessments, 0, announce.Record{Value: make([]byte, 2<<20)})
	if !errors.Is(err, announce.ErrRefused) {
		t.Errorf("Write of 2 MiB = %v, want ErrRefused", err)
	}
}

// A restore makes the fold forget, here and for whoever comes next, and a
// replay of what went before it revokes nobody again.
func TestRestoreIsFinal(t *testing.T) {
	r := newRig(t)
	a := r.announcer(60)
	p := r.adopt(a, 0)
	revoke := r.finding(5, verdict.TargetSession, "s", verdict.ActionRevoke, 0)
	r.announce(p, revoke)
	list, _ := r.said(0)
	op := r.operators(verdict.ActionObserve, &verdict.Clear{Authority: verdict.AuthoritySubject, Epoch: list[0].Epoch, Seq: list[0].Seq})
	env, err := r.operator.Verdict(op)
	if err != nil {
		t.Fatal(err)
	}
	err = a.Relay(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	var control event.RequestEvent
	for n := range partitions {
		records := r.read(topic.Requests, n)
		if len(records) != 1 {
			t.Fatalf("partition %d has %d control records, want 1", n, len(records))
		}
		err = event.Decode(records[0].Value, &control)
		if err != nil || control.Kind != event.KindControl {
			t.Fatalf("control record: %v, %v", &control, err)
		}
	}
	const offset = 10
	for name, forge := range map[string]func(ev *event.RequestEvent){
		"no envelope":         func(ev *event.RequestEvent) { ev.Attributes = nil },
		"another's signature": func(ev *event.RequestEvent) { ev.Attributes = envelope(t, r.stranger, op) },
		"an analyzer's own": func(ev *event.RequestEvent) {
			ev.Attributes = envelope(t, r.analyzer, &verdict.Verdict{
				Id: "x", Time: op.Time, Until: op.Until, Target: op.Target, Tenant: op.Tenant, Action: op.Action, Authority: verdict.AuthoritySubject,
			})
		},
	} {
		forged := proto.CloneOf(&control)
		forge(forged)
		err = p.Control(t.Context(), forged, offset)
		list, _ = r.said(0)
		if err != nil || len(list) != 1 {
			t.Fatalf("a clear with %s: %v, %v", name, err, list)
		}
		if p.Believe(forged) == nil {
			t.Errorf("a clear with %s is believed", name)
		}
	}
	elsewhere := proto.CloneOf(&control)
	elsewhere.Session = "somebody else's"
	if p.Believe(elsewhere) == nil || p.Believe(&control) != nil {
		t.Errorf("a clear counts for its own target alone: elsewhere %v, there %v", p.Believe(elsewhere), p.Believe(&control))
	}
	err = p.Control(t.Context(), &control, offset)
	if err != nil {
		t.Fatal(err)
	}
	list, _ = r.said(0)
	if len(list) != 2 || list[1].Action != verdict.ActionObserve || list[1].Authority != verdict.AuthoritySubject {
		t.Fatalf("after the restore: %v", list)
	}
	successor := r.adopt(r.announcer(60), 0)
	for name, q := range map[string]*announce.Partition{"this owner": p, "the next owner": successor} {
		r.announce(q, revoke)
		list, _ = r.said(0)
		if len(list) != 2 {
			t.Errorf("%s revokes again what was restored: %v", name, list[2:])
		}
		err = q.Control(t.Context(), &control, offset) // Replayed.
		if err != nil {
			t.Fatal(err)
		}
	}
	r.announce(successor, r.finding(11, verdict.TargetSession, "s", verdict.ActionRevoke, 0))
	list, _ = r.said(0)
	if len(list) != 3 || list[2].Action != verdict.ActionRevoke {
		t.Errorf("new evidence after the restore brings %v", list[2:])
	}
}

// envelope is a control event's attribute with a verdict that anybody has signed.
func envelope(t *testing.T, s verdict.Signer, v *verdict.Verdict) map[string]string {
	t.Helper()
	env, err := s.Verdict(proto.CloneOf(v))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"envelope.0": string(env)}
}

// What an operator writes may be longer than a field of an event, and not
// longer than an event.
func TestRestoreWithManyWords(t *testing.T) {
	r := newRig(t)
	a := r.announcer(60)
	p := r.adopt(a, 0)
	r.announce(p, r.finding(5, verdict.TargetSession, "s", verdict.ActionRevoke, 0))
	list, _ := r.said(0)
	op := r.operators(verdict.ActionObserve, &verdict.Clear{Authority: verdict.AuthoritySubject, Epoch: list[0].Epoch, Seq: list[0].Seq})
	op.OperatorText = strings.Repeat("found it. ", 1000)
	err := a.Relay(t.Context(), []byte(envelope(t, r.operator, op)["envelope.0"]))
	if err != nil {
		t.Fatal(err)
	}
	var control event.RequestEvent
	err = event.Decode(r.read(topic.Requests, 0)[0].Value, &control)
	if err != nil {
		t.Fatal(err)
	}
	err = p.Control(t.Context(), &control, 10)
	list, _ = r.said(0)
	if err != nil || len(list) != 2 {
		t.Errorf("Control() = %v, the topic says %v", err, list)
	}
	op.OperatorText = strings.Repeat("found it. ", 3000)
	err = a.Relay(t.Context(), []byte(envelope(t, r.operator, op)["envelope.0"]))
	if !errors.Is(err, announce.ErrNotRelayed) {
		t.Errorf("Relay of too many words = %v, want ErrNotRelayed", err)
	}
}

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}
