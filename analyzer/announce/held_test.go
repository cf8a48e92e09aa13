package announce_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

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
