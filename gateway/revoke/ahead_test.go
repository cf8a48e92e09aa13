package revoke_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/gateway/revoke"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// decision is an operator's about a session, as the command line numbers it.
func decision(id, session, action string, at time.Time) *verdict.Verdict {
	return &verdict.Verdict{
		Id: id, Time: timestamppb.New(at), Epoch: uint64(at.Unix()), Seq: uint64(at.Nanosecond()) + 1,
		Authority: verdict.AuthorityOperator, Tenant: "default",
		Target: &verdict.Target{Kind: verdict.TargetSession, Id: session},
		Action: action, Until: timestamppb.New(at.Add(24 * time.Hour)),
	}
}

// lifted is one that gives everything back.
func lifted(id, session string, at time.Time) *verdict.Verdict {
	v := decision(id, session, verdict.ActionObserve, at)
	v.Clears = []*verdict.Clear{{Authority: verdict.AuthoritySubject, Epoch: 9, Seq: 9}}
	return v
}

// slow is a follower whose clock is behind by what may be changed.
func slow(t *testing.T, addr, dir string, r ring) (fixture, *atomic.Int64) {
	t.Helper()
	behind := new(atomic.Int64)
	behind.Store(int64(5 * time.Minute))
	return newFollower(t, addr, dir, r, func(o *revoke.Options) {
		o.Now = func() time.Time { return time.Now().Add(-time.Duration(behind.Load())) }
	}), behind
}

// A gateway whose clock is five minutes slow cuts whom an operator names in the topic, and
// says what is wrong. What restores waits until its clock is right; then it is read
// again, also one in front of which others were read.
func TestAGatewayWhoseClockIsSlowCutsAndRestoresLater(t *testing.T) {
	r := newRing(t)
	b := start(t, broker.Options{Partitions: 1})
	dir := t.TempDir()
	f, behind := slow(t, b.Addr(), dir, r)
	stop := f.run(t)
	now := time.Now()
	announce(t, b.Addr(), 0, r.operator, decision("cut", "a", verdict.ActionRevoke, now))
	announce(t, b.Addr(), 0, r.operator, decision("cut2", "b", verdict.ActionBlock, now))
	announce(t, b.Addr(), 0, r.operator, lifted("lift", "b", now.Add(time.Second)))
	announce(t, b.Addr(), 0, r.operator, decision("cut3", "c", verdict.ActionRevoke, now))
	f.wants(t, "cut", "cut2", "cut3")
	until(t, "an alarm", func() bool { return f.log.count("dated ahead of this gateway's clock") == 1 })
	if s := f.Stats(); s.Refused["future"] != 1 || s.Ahead != 4 {
		t.Errorf("refused %v, %d dated ahead", s.Refused, s.Ahead)
	}
	f.Sweep()
	if n := len(f.table.ids()); n != 3 {
		t.Fatalf("%d applied before the clock is right", n)
	}
	behind.Store(0)
	f.Sweep()
	f.wants(t, "cut", "cut2", "cut3", "lift")
	stop()
	after := newFollower(t, nobody(t), dir, r) // The file has them at their place.
	err := after.Load()
	if err != nil {
		t.Fatal(err)
	}
	after.wants(t, "cut", "cut3", "lift")
}

// While Kafka is away an operator cuts at the admin port of a gateway whose clock is slow.
// Nothing that he says by a right clock afterwards is taken for older.
func TestAnOperatorAheadOfAGatewaysClockCuts(t *testing.T) {
	r := newRing(t)
	f, behind := slow(t, nobody(t), t.TempDir(), r)
	say := func(v *verdict.Verdict) error {
		t.Helper()
		return f.Accept(sign(t, r.operator, v))
	}
	now := time.Now()
	err := say(lifted("too early", "a", now))
	if !errors.Is(err, verdict.ErrFuture) {
		t.Errorf("a restore from the future: %v", err)
	}
	for i, v := range []*verdict.Verdict{
		decision("throttle", "a", verdict.ActionThrottle, now), decision("revoke", "a", verdict.ActionRevoke, now.Add(time.Second)),
	} {
		err = say(v)
		if !errors.Is(err, revoke.ErrAhead) {
			t.Errorf("cut %d: %v", i, err)
		}
	}
	err = say(decision("weaker", "a", verdict.ActionThrottle, now.Add(2*time.Second)))
	if !errors.Is(err, revoke.ErrOutranked) {
		t.Errorf("a weaker word: %v", err)
	}
	err = say(decision("earlier", "a", verdict.ActionBlock, now.Add(-24*time.Hour)))
	if !errors.Is(err, revoke.ErrStale) {
		t.Errorf("an earlier word: %v", err)
	}
	f.wants(t, "throttle", "revoke")
	behind.Store(0)
	err = say(decision("block", "a", verdict.ActionBlock, time.Now()))
	if err != nil {
		t.Errorf("with right clocks: %v", err)
	}
	f.wants(t, "throttle", "revoke", "block")
	// Here the operator's clock is ahead, and he sets it right.
	err = say(decision("fast", "b", verdict.ActionRevoke, time.Now().Add(time.Hour)))
	if !errors.Is(err, revoke.ErrAhead) {
		t.Errorf("a clock an hour ahead: %v", err)
	}
	err = say(lifted("lift", "b", time.Now()))
	if err != nil {
		t.Errorf("a restore by a clock that was set right: %v", err)
	}
	f.wants(t, "throttle", "revoke", "block", "fast", "lift")
}
