package announce_test

import (
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

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

// Offsets of a topic that was made anew begin anew: those of verdicts about the
// one before it hide nothing, and neither do those of what waits.
func TestOffsetsOfATopicThatIsGoneHideNothing(t *testing.T) {
	r := newRig(t)
	adopt := func(a *announce.Announcer, id string) *announce.Partition {
		p, err := a.Adopt(t.Context(), announce.SubjectStage(), 0, id, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	r.announce(adopt(r.announcer(1), "a"), r.finding(90, verdict.TargetSession, "s", verdict.ActionStepUp, 0), r.revoke(91, "walk"), r.revoke(92, "walk"))
	a := r.announcer(60)
	p := adopt(a, "b")
	r.announce(p, r.finding(3, verdict.TargetSession, "s", verdict.ActionRevoke, 0))
	if got := r.names(0); got != "s s91 s92? s" {
		t.Errorf("announced %q, want the revoke of the new topic, too", got)
	}
	stop := r.run(p)
	if !a.Release(t.Context(), "default", "walk") {
		t.Error("what waited of the topic before is gone")
	}
	eventually(t, "what waited", func() bool { return r.names(0) == "s s91 s92? s s92" })
	stop()
	r.announce(p, r.finding(5, verdict.TargetSession, "s92", verdict.ActionBlock, 0))
	if got := r.names(0); got != "s s91 s92? s s92 s92" {
		t.Errorf("announced %q, want the block of the new topic, too", got)
	}
}
