package revoke_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/gateway/revoke"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Whoever has stolen the analyzer's key ends a share of the sessions and no more, also
// after a restart of the gateway, until a person releases the fuse.
func TestTheFuseHoldsWhatWouldEndTooManySessions(t *testing.T) {
	r := newRing(t)
	b := start(t, broker.Options{Partitions: 1})
	dir := t.TempDir()
	limited := func(o *revoke.Options) {
		o.Config.Fuse = revoke.Fuse{Share: 0.1, Least: 2, Window: time.Hour}
	}
	f := newFollower(t, b.Addr(), dir, r, limited)
	f.table.sessions, f.table.everybody = 1, 50
	stop := f.run(t)
	until(t, "caught up", f.CaughtUp)
	for i := range 8 {
		announce(t, b.Addr(), 0, r.analyzer, revocation(fmt.Sprint("s", i), 1))
	}
	until(t, "three of eight are held", func() bool { return f.Stats().Refused["held"] == 3 })
	f.wants(t, "s0-1", "s1-1", "s2-1", "s3-1", "s4-1")
	if got := f.log.count("alarm"); got != 1 || len(f.Stats().Blown) != 1 {
		t.Errorf("%d alarms, fuses blown: %v; want one of each", got, f.Stats().Blown)
	}
	weak := revocation("weak", 1)
	weak.Action = verdict.ActionStepUp
	announce(t, b.Addr(), 0, r.analyzer, weak)
	operators := revocation("operator's", 1)
	operators.Authority = verdict.AuthorityOperator
	announce(t, b.Addr(), 0, r.operator, operators)
	f.wants(t, "s0-1", "s1-1", "s2-1", "s3-1", "s4-1", "weak-1", "operator's-1")
	stop()

	again := newFollower(t, b.Addr(), dir, r, limited)
	again.run(t)
	until(t, "caught up", again.CaughtUp)
	if n := len(again.table.ids()); n != 7 {
		t.Errorf("after a restart %q are in force, want the same seven", again.table.ids())
	}
	if again.Release("another tenant") || !again.Release("default") || again.Release("default") {
		t.Error("a release counts for the tenant whose fuse has blown, once")
	}
	until(t, "what was held is in force", func() bool { return len(again.table.ids()) == 10 })
	if len(again.Stats().Blown) != 0 {
		t.Errorf("fuses blown after the release: %v", again.Stats().Blown)
	}
}

// One verdict about what everybody shares is as many as it would end.
func TestTheFuseCountsSessionsNotVerdicts(t *testing.T) {
	r := newRing(t)
	f := newFollower(t, nobody(t), t.TempDir(), r)
	f.table.sessions, f.table.everybody = 600, 1000
	v := revocation("", 1)
	v.Authority, v.Target = verdict.AuthorityFacet, &verdict.Target{Kind: verdict.TargetPrefix, Id: "0.0.0.0/0"}
	if f.Accept(sign(t, r.analyzer, v)) == nil {
		t.Error("a verdict that ends 600 of 1000 sessions is in force")
	}
	f.table.sessions = 0
	err := f.Accept(sign(t, r.analyzer, revocation("elsewhere", 1)))
	if err == nil {
		t.Error("the fuse has blown and lets a revoke through")
	}
	fresh := newFollower(t, nobody(t), t.TempDir(), r)
	fresh.table.everybody = 1000
	for i := range 500 { // Sessions of other gateways: nobody here is touched.
		err = fresh.Accept(sign(t, r.analyzer, revocation(fmt.Sprint("s", i), 1)))
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A stage numbers all that it writes: who leaves something out is found out by the
// next heartbeat, and what the broker still has is read again.
func TestWithheldRecordsAreNoticed(t *testing.T) {
	r := newRing(t)
	b := start(t, broker.Options{Partitions: 1})
	f := newFollower(t, b.Addr(), t.TempDir(), r)
	f.run(t)
	until(t, "caught up", f.CaughtUp)
	beat := func(seq uint64) {
		t.Helper()
		env, err := r.analyzer.Heartbeat(&verdict.Heartbeat{Epoch: 1, Seq: seq, Authority: verdict.AuthoritySubject})
		if err != nil {
			t.Fatal(err)
		}
		write(t, b.Addr(), 0, []byte("beat"), env, "")
	}
	beat(1)
	announce(t, b.Addr(), 0, r.analyzer, revocation("a", 2))
	announce(t, b.Addr(), 0, r.analyzer, revocation("a", 2)) // Written twice.
	facets := revocation("", 90)
	facets.Id, facets.Authority, facets.Target = "facet", verdict.AuthorityFacet, &verdict.Target{Kind: verdict.TargetPrefix, Id: "192.0.2.0/24"}
	announce(t, b.Addr(), 0, r.analyzer, facets) // The other stage counts for itself.
	operators := revocation("b", 12345)
	operators.Authority = verdict.AuthorityOperator
	announce(t, b.Addr(), 0, r.operator, operators)
	beat(3)
	announce(t, b.Addr(), 0, r.analyzer, revocation("c", 4))
	until(t, "all is read", func() bool { return len(f.table.ids()) == 4 })
	if got := f.Stats().Missing; got != 0 {
		t.Fatalf("%d records are missing where none is", got)
	}
	beat(6) // Number 5 was withheld.
	until(t, "the gap is noticed", func() bool { return f.Stats().Missing == 1 })
	until(t, "there is an alarm", func() bool { return f.log.count("withhold verdicts") == 1 })
	announce(t, b.Addr(), 0, r.analyzer, revocation("d", 7))
	until(t, "it goes on", func() bool { return len(f.table.ids()) == 5 })
	if got := f.Stats().Missing; got != 1 {
		t.Errorf("%d records are missing, want 1", got)
	}
}
