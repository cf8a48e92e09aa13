package announce_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// revoke is a revoke that rests on a group of evidence.
func (r *rig) revoke(offset int64, group string) announce.Finding {
	f := r.finding(offset, verdict.TargetSession, fmt.Sprint("s", offset), verdict.ActionRevoke, 0)
	f.Proposal.Evidence = []*verdict.Evidence{{Group: "time", Nats: 1}, {Group: group, Nats: 9}}
	return f
}

// names are the targets of the verdicts in a partition, in their order; a question
// mark is behind what is said while a verdict waits.
func (r *rig) names(partition int) string {
	r.t.Helper()
	var got []string
	list, _ := r.said(partition)
	for _, v := range list {
		name := v.Target.Id
		if strings.HasSuffix(v.Id, ".provisional") {
			name += "?"
			if v.Action != verdict.ActionStepUp {
				r.t.Errorf("while a revoke waits, %s is told to %s", name, v.Action)
			}
		}
		got = append(got, name)
	}
	return strings.Join(got, " ")
}

// run lets partitions age until the returned func is called.
func (r *rig) run(list ...*announce.Partition) (stop func()) {
	r.t.Helper()
	var g errgroup.Group
	ctx, cancel := contextOf(r.t)
	for _, p := range list {
		g.Go(func() error { return p.Run(ctx) })
	}
	return func() {
		r.t.Helper()
		cancel()
		err := g.Wait()
		if err != nil {
			r.t.Error(err)
		}
	}
}

// waits is what an announcer holds, as "group limit number".
func waits(a *announce.Announcer) string {
	var got []string
	for _, w := range a.Held() {
		got = append(got, fmt.Sprint(w.Group, " ", w.Limit, " ", w.Held))
	}
	return strings.Join(got, ", ")
}

// Beyond the limit revokes wait for a person; facts and weaker verdicts do not.
func TestFuseHoldsRevokesButNotFacts(t *testing.T) {
	r := newRig(t)
	a := r.announcer(2)
	p := r.adopt(a, 0)
	for i := range int64(5) {
		r.announce(p, r.revoke(i, "walk"))
	}
	hard := r.finding(10, verdict.TargetSession, "hard", verdict.ActionRevoke, 0)
	hard.Proposal.Hard = true
	r.announce(p, hard, r.finding(11, verdict.TargetSession, "soft", verdict.ActionStepUp, 0))
	if got := r.names(0); got != "s0 s1 s2? s3? s4? hard soft" {
		t.Errorf("announced %q, want three revokes to wait", got)
	}
	if got := waits(a); got != "walk revokes_per_minute 3" {
		t.Errorf("%q waits, want three by the rate", got)
	}
	stop := r.run(p)
	r.clock.Add(int64(5 * time.Minute))
	r.announce(p, r.revoke(20, "walk"))
	if got := r.names(0); got != "s0 s1 s2? s3? s4? hard soft s20" {
		t.Errorf("announced %q, want what is within the rate again", got)
	}
	if a.Release(t.Context(), "default", "network") || !a.Release(t.Context(), "default", "walk") {
		t.Error("the wrong group is released")
	}
	eventually(t, "what waited", func() bool { return r.names(0) == "s0 s1 s2? s3? s4? hard soft s20 s2 s3 s4" })
	stop()
	if got := waits(a); got != "" {
		t.Errorf("%q waits after the release", got)
	}
}

// Beyond the blast radius revokes wait until a person releases them; facts and
// weaker verdicts do not.
func TestTheBlastRadiusHoldsRevokesUntilTheyAreReleased(t *testing.T) {
	r := newRig(t)
	a := r.announcer(60, func(c *announce.Config) { c.BlastRadius.Least, c.BlastRadius.Share = 1, 0.1 })
	p, q := r.adopt(a, 0), r.adopt(a, 1)
	p.Active(map[string]int{"default": 10, "other": 1000}, partitions)
	q.Active(map[string]int{"default": 20}, partitions)
	walk := func(offset int64, hard bool) announce.Finding {
		f := r.revoke(offset, "walk")
		f.Proposal.Hard = hard
		return f
	}
	r.announce(p, walk(1, false), walk(2, false))
	r.announce(q, walk(3, false), walk(4, false))
	r.announce(p, walk(5, false), walk(6, true), r.finding(7, verdict.TargetSession, "soft", verdict.ActionStepUp, 0))
	if r.names(0) != "s1 s2 s5? s6 soft" || r.names(1) != "s3 s4?" {
		t.Errorf("announced %q and %q, want three of thirty, the fact and the step-up", r.names(0), r.names(1))
	}
	if got := waits(a); got != "walk blast_radius 2" {
		t.Errorf("%q waits, want two of walk", got)
	}
	r.clock.Add(int64(5 * time.Minute)) // It takes a person a while.
	if a.Release(t.Context(), "default", "network") || !a.Release(t.Context(), "default", "walk") {
		t.Error("the wrong group is released")
	}
	defer r.run(p, q)()
	eventually(t, "what waited", func() bool { return r.names(0) == "s1 s2 s5? s6 soft s5" && r.names(1) == "s3 s4? s4" })
	for partition := range 2 {
		list, _ := r.said(partition)
		if last := list[len(list)-1]; last.Action != verdict.ActionRevoke {
			t.Errorf("what was released is a %s, want the revoke that waited", last.Action)
		}
	}
}

// What waits outlasts the process that held it, and with it the rest of its group
// waits; once it is released or has lapsed, nobody finds it any more.
func TestWhatWaitsOutlastsTheProcess(t *testing.T) {
	r := newRig(t)
	strict := func(c *announce.Config) { c.BlastRadius.Least, c.BlastRadius.Share = 1, 0.1 }
	first := r.announcer(2, strict)
	p := r.adopt(first, 0)
	short := r.revoke(3, "walk")
	short.Proposal.Until = r.now().Add(time.Minute)
	r.announce(p, r.revoke(1, "walk"), r.revoke(2, "walk"), short, r.revoke(4, "network"), r.revoke(5, "volume"))
	before := waits(first)
	if before != "volume revokes_per_minute 1, walk blast_radius 2" || r.names(0) != "s1 s2? s3? s4 s5?" {
		t.Fatalf("%q waits and %q is announced", before, r.names(0))
	}
	r.announce(r.adopt(first, 1), r.finding(1, verdict.TargetSession, "elsewhere", verdict.ActionStepUp, 0))
	second := r.announcer(60, strict)
	q := r.adopt(second, 0)
	r.adopt(second, 1)
	if got := waits(second); got != before {
		t.Errorf("in the next process %q waits, want %q", got, before)
	}
	r.announce(q, r.revoke(6, "walk"))
	if r.names(0) != "s1 s2? s3? s4 s5? s6?" {
		t.Errorf("announced %q: what has tripped goes on after a restart", r.names(0))
	}
	r.clock.Add(int64(10 * time.Minute))
	stop := r.run(q)
	if !second.Release(t.Context(), "default", "walk") || !second.Release(t.Context(), "default", "volume") {
		t.Error("nothing is released")
	}
	eventually(t, "what waited", func() bool { return r.names(0) == "s1 s2? s3? s4 s5? s6? s2 s5 s6" })
	stop()
	list, _ := r.said(0)
	if v := list[6]; v.Id != "v2" || v.Action != verdict.ActionRevoke || v.PublicText != "public" || v.OperatorText != "operator" || v.Model != "m" ||
		v.Cause.Offset != 2 || v.Cause.EventId != "e2" || v.Score != 9 || len(v.Evidence) != 2 {
		t.Errorf("released after a restart: %v", v)
	}
	third := r.announcer(60, strict)
	r.adopt(third, 0)
	if got := waits(third); got != "" {
		t.Errorf("%q waits after the release", got)
	}
}

// A control topic without a leader stops neither a takeover nor what comes after it. What
// would end sessions waits until it is known what waits already; facts do not, and what
// is held meanwhile is written once that is possible.
func TestATakeoverDoesNotWaitForTheControlTopic(t *testing.T) {
	r, lost := leaderless(t, topic.Control)
	strict := func(c *announce.Config) { c.BlastRadius.Least, c.BlastRadius.Share = 1, 0.1 }
	r.announce(r.adopt(r.announcer(60, strict), 0), r.revoke(1, "walk"), r.revoke(2, "walk"))
	lost.Store(true)
	a := r.announcer(60, strict)
	a.RetryHeld(20 * time.Millisecond)
	p := r.adopt(a, 0)
	hard := r.finding(4, verdict.TargetSession, "hard", verdict.ActionRevoke, 0)
	hard.Proposal.Hard = true
	r.announce(p, r.revoke(3, "network"), hard, r.finding(5, verdict.TargetSession, "soft", verdict.ActionStepUp, 0))
	r.announce(p, r.revoke(6, "walk"))
	if r.names(0) != "s1 s2? s3? hard soft s3? s6?" {
		t.Errorf("announced %q, want revokes to wait while nobody knows what waits", r.names(0))
	}
	if got := waits(a); got != "network control_unread 1, walk control_unread 1" {
		t.Errorf("%q waits", got)
	}
	stop := r.run(p)
	r.clock.Add(int64(5 * time.Minute)) // What was in time when it was judged stays so.
	lost.Store(false)
	eventually(t, "what waits is known", func() bool {
		return waits(a) == "walk blast_radius 2" && r.names(0) == "s1 s2? s3? hard soft s3? s6? s3"
	})
	list, _ := r.said(0)
	if v := list[len(list)-1]; v.Id != "v3" || v.Action != verdict.ActionRevoke {
		t.Errorf("said in the end: %v, want the revoke that waited for the topic alone", v)
	}
	eventually(t, "what waits is written", func() bool {
		next := r.announcer(60, strict)
		r.adopt(next, 1) // Whoever has no part in it reads it, too.
		_, err := next.Adopt(t.Context(), announce.SubjectStage(), 0, "", 1<<40)
		return err == nil && waits(next) == "walk blast_radius 2"
	})
	stop()
}

// What waits is bounded also while it cannot be written, and what has gone meanwhile is
// not found later.
func TestWhatCannotBeWrittenIsBounded(t *testing.T) {
	r, lost := leaderless(t, topic.Control)
	a := r.announcer(1, func(c *announce.Config) { c.BlastRadius.Least = 10_000 })
	a.RetryHeld(20 * time.Millisecond)
	p := r.adopt(a, 0)
	lost.Store(true)
	list := make([]announce.Finding, 6003)
	for i := range list {
		list[i] = r.revoke(int64(i), "walk")
	}
	for len(list) > 0 {
		n := min(len(list), 1000)
		r.announce(p, list[:n]...)
		list = list[n:]
	}
	if held, gone, _ := p.Owed(); held > 4000 || gone > 4000 {
		t.Errorf("%d findings and %d keys wait to be written", held, gone)
	}
	lost.Store(false)
	stop := r.run(p)
	eventually(t, "what waits is written", func() bool { _, _, owes := p.Owed(); return !owes })
	stop()
	next := r.announcer(1)
	r.adopt(next, 0)
	if got := waits(next); got != "walk revokes_per_minute 1000" {
		t.Errorf("%q waits, want what waited in the end", got)
	}
}

// Records that no analyzer has signed, or that stand under another key, are not
// what waits.
func TestForgedWaitingIsNotBelieved(t *testing.T) {
	r := newRig(t)
	a := r.announcer(1)
	p := r.adopt(a, 0)
	r.announce(p, r.revoke(1, "walk"), r.revoke(2, "walk"))
	records := r.read(topic.Control, 0)
	if len(records) != 1 {
		t.Fatalf("%d records in the control topic, want 1", len(records))
	}
	good := records[0]
	_, err := r.keys.Open(good.Value)
	if err == nil {
		t.Error("a gateway would take what waits for a verdict")
	}
	payload, err := r.keys.OpenControl(good.Value)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := r.stranger.Control(payload)
	if err != nil {
		t.Fatal(err)
	}
	nonsense, err := r.analyzer.Control([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	key := func(id string) []byte { return topic.ControlKey("default", "held", id) }
	err = r.writer.Write(t.Context(), topic.Control, 0,
		announce.Record{Key: key("subject/0/v3"), Value: good.Value}, announce.Record{Key: key("subject/0/v4"), Value: forged},
		announce.Record{Key: key("subject/0/v5"), Value: nonsense}, announce.Record{Key: key("subject/0/v6"), Value: []byte("x")},
		announce.Record{Key: []byte("x"), Value: good.Value}, announce.Record{Key: key("subject/1/v2"), Value: good.Value})
	if err != nil {
		t.Fatal(err)
	}
	next := r.announcer(1)
	for partition := range partitions {
		r.adopt(next, partition)
	}
	if got := waits(next); got != "walk revokes_per_minute 1" {
		t.Errorf("%q waits, want what an analyzer has signed for its own key", got)
	}
}

// Only so many wait in a partition, and the oldest gives way: in the topic, too.
func TestWhatWaitsIsBounded(t *testing.T) {
	r := newRig(t)
	wide := func(c *announce.Config) { c.BlastRadius.Least = 5000 }
	a := r.announcer(1, wide)
	p := r.adopt(a, 0)
	list := make([]announce.Finding, 1003)
	for i := range list {
		list[i] = r.revoke(int64(i), "walk")
	}
	r.announce(p, list...)
	next := r.announcer(1, wide)
	r.adopt(next, 0)
	for name, a := range map[string]*announce.Announcer{"this process": a, "the next one": next} {
		if got := waits(a); got != "walk revokes_per_minute 1000" {
			t.Errorf("in %s %q waits", name, got)
		}
	}
}

// What was read of the control topic long ago is not believed: the tombstones that
// came since may be gone.
func TestWhatWaitsIsReadAnew(t *testing.T) {
	r := newRig(t)
	waiting := r.revoke(2, "walk")
	waiting.Proposal.Until = r.now().Add(24 * time.Hour)
	r.announce(r.adopt(r.announcer(1), 0), r.revoke(1, "walk"), waiting)
	other := r.announcer(1)
	r.adopt(other, 1) // Reads what waits everywhere.
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &kafka.Client{Addr: kafka.TCP(r.addr), Transport: transport}
	deleted, err := client.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{topic.Control}})
	if err != nil || deleted.Errors[topic.Control] != nil {
		t.Fatal(err, deleted)
	}
	created, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic.Control, NumPartitions: 1, ReplicationFactor: 1}},
	})
	if err != nil || created.Errors[topic.Control] != nil {
		t.Fatal(err, created)
	}
	r.clock.Add(int64(2 * time.Hour))
	r.adopt(other, 0)
	if got := waits(other); got != "" {
		t.Errorf("%q waits, want nothing of what has gone from the topic", got)
	}
}

// Who is restored is not ended by what was judged before.
func TestRestoreDropsWhatWaits(t *testing.T) {
	r := newRig(t)
	a := r.announcer(1)
	p := r.adopt(a, 0)
	r.announce(p, r.finding(1, verdict.TargetSession, "s", verdict.ActionStepUp, 0), r.revoke(2, "walk"))
	waiting := r.revoke(3, "walk")
	waiting.Proposal.Target.Id = "s"
	r.announce(p, waiting)
	if got := waits(a); got != "walk revokes_per_minute 1" {
		t.Fatalf("%q waits", got)
	}
	list, _ := r.said(0)
	op := r.operators(verdict.ActionObserve, &verdict.Clear{Authority: verdict.AuthoritySubject, Epoch: list[0].Epoch, Seq: list[0].Seq})
	err := p.Control(t.Context(), r.clear(op), 10)
	if err != nil {
		t.Fatal(err)
	}
	if got := waits(a); got != "" {
		t.Errorf("%q waits after the restore", got)
	}
}

// What waits outlasts a process that ends while the control topic is away, whatever else
// is said of its targets meanwhile, and stands there once it is back.
func TestWhatWaitsOutlastsTheProcessWithoutItsTopic(t *testing.T) {
	r, lost := leaderless(t, topic.Control)
	strict := func(c *announce.Config) { c.BlastRadius.Least, c.BlastRadius.Share = 1, 0.1 }
	first := r.announcer(60, strict)
	p := r.adopt(first, 0)
	asked := r.finding(1, verdict.TargetSession, "s3", verdict.ActionStepUp, 0)
	asked.Proposal.NotBefore, asked.Proposal.Score = asked.Proposal.EventTime, 20
	r.announce(p, asked, r.revoke(2, "walk")) // The next ones wait, and s3 is asked already.
	lost.Store(true)
	r.announce(p, r.revoke(3, "walk"), r.revoke(4, "walk"))
	r.announce(p, r.revoke(5, "walk"))
	again := r.revoke(6, "walk")
	again.Proposal.Target.Id, again.Proposal.Score = "s5", 30 // Worth saying again: what is said carries it.
	r.announce(p, again)
	second := r.announcer(60, strict)
	p = r.adopt(second, 0)
	if got := waits(second); got != "walk blast_radius 3" {
		t.Errorf("without the topic %q waits, want three of walk", got)
	}
	r.announce(p, r.revoke(7, "walk"))
	lost.Store(false)
	third := r.announcer(60, strict)
	p = r.adopt(third, 0)
	if got := waits(third); got != "walk blast_radius 3, walk control_unread 1" {
		t.Errorf("with the topic %q waits, want four of walk", got)
	}
	stop := r.run(p)
	eventually(t, "what waited for the topic alone is judged", func() bool { return waits(third) == "walk blast_radius 4" })
	eventually(t, "the control topic has all of it", func() bool {
		seen := make(map[string]bool)
		for _, m := range r.read(topic.Control, 0) {
			seen[string(m.Key)] = true
		}
		return len(seen) == 4
	})
	if !third.Release(t.Context(), "default", "walk") {
		t.Error("nothing is released")
	}
	eventually(t, "what waited", func() bool { return strings.HasSuffix(r.names(0), " s3 s4 s5 s7") })
	stop()
	fourth := r.announcer(60, strict)
	r.adopt(fourth, 0)
	if got := waits(fourth); got != "" {
		t.Errorf("%q waits after the release", got)
	}
}

// Who is restored while the record of a verdict carries what waited of him is not ended
// by it after a takeover either.
func TestRestoreDropsWhatWaitsBesideAVerdict(t *testing.T) {
	r, lost := leaderless(t, topic.Control)
	a := r.announcer(1)
	a.RetryHeld(20 * time.Millisecond)
	p := r.adopt(a, 0)
	r.announce(p, r.finding(1, verdict.TargetSession, "s", verdict.ActionStepUp, 0), r.revoke(2, "walk"))
	list, _ := r.said(0)
	waiting, other := r.revoke(3, "walk"), r.revoke(4, "walk")
	waiting.Proposal.Target.Id = "s"
	lost.Store(true)
	r.announce(p, waiting, other)
	next := r.announcer(1)
	p = r.adopt(next, 0)
	if got := waits(next); got != "walk control_unread 1, walk revokes_per_minute 1" && got != "walk revokes_per_minute 2" {
		t.Fatalf("%q waits beside the verdicts", got)
	}
	lost.Store(false)
	stop := r.run(p)
	eventually(t, "the control topic has it", func() bool { return len(r.read(topic.Control, 0)) == 2 })
	op := r.operators(verdict.ActionObserve, &verdict.Clear{Authority: verdict.AuthoritySubject, Epoch: list[0].Epoch, Seq: list[0].Seq})
	err := p.Control(t.Context(), r.clear(op), 10)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	last := r.announcer(1)
	r.adopt(last, 0)
	if got := waits(last); got != "walk revokes_per_minute 1" {
		t.Errorf("after the restore and a takeover %q waits, want the other one alone", got)
	}
}

// clear is the control event that repeats an operator's clears.
func (r *rig) clear(op *verdict.Verdict) *event.RequestEvent {
	r.t.Helper()
	before := len(r.read(topic.Requests, 0))
	env, err := r.operator.Verdict(op)
	if err != nil {
		r.t.Fatal(err)
	}
	err = r.announcer(1).Relay(r.t.Context(), env)
	if err != nil {
		r.t.Fatal(err)
	}
	ev := new(event.RequestEvent)
	err = event.Decode(r.read(topic.Requests, 0)[before].Value, ev)
	if err != nil {
		r.t.Fatal(err)
	}
	return ev
}
