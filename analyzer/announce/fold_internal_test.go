package announce

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// at is a moment in minutes of a made-up day.
func at(minutes float64) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(minutes * float64(time.Minute)))
}

// said is a proposal: an action at an offset, holding until a minute.
func said(offset int64, action string, until, score float64) *verdict.Verdict {
	return &verdict.Verdict{
		Id: action, Action: action, Until: timestamppb.New(at(until)), Score: score,
		Cause: &verdict.Cause{Partition: 1, Offset: offset},
	}
}

func since(v *verdict.Verdict, minutes float64) *verdict.Verdict {
	v.NotBefore = timestamppb.New(at(minutes))
	return v
}

func fact(v *verdict.Verdict) *verdict.Verdict {
	v.Evidence = []*verdict.Evidence{{Hard: true}}
	return v
}

// A step proposes at a minute; announced is the action and the minute until
// which it holds, or empty with the reason why nothing is said.
type step struct {
	now       float64
	proposed  *verdict.Verdict
	announced string
	until     float64
	reason    string
}

// What is announced is decided by strength, gain and order.
func TestFold(t *testing.T) {
	tests := map[string][]step{
		"a first verdict is announced": {
			{0, said(1, verdict.ActionThrottle, 10, 5), verdict.ActionThrottle, 10, ""},
		},
		"a stronger one replaces a weaker one": {
			{0, said(1, verdict.ActionThrottle, 10, 5), verdict.ActionThrottle, 10, ""},
			{1, said(2, verdict.ActionRevoke, 60, 9), verdict.ActionRevoke, 60, ""},
		},
		"a weaker one never replaces a live revoke": {
			{0, said(1, verdict.ActionRevoke, 60, 9), verdict.ActionRevoke, 60, ""},
			{1, said(2, verdict.ActionThrottle, 600, 99), "", 0, reasonWeaker},
			{2, said(3, verdict.ActionStepUp, 600, 99), "", 0, reasonWeaker},
		},
		"a weaker one is announced once the revoke has lapsed": {
			{0, said(1, verdict.ActionRevoke, 60, 9), verdict.ActionRevoke, 60, ""},
			{60, said(2, verdict.ActionThrottle, 70, 5), verdict.ActionThrottle, 70, ""},
		},
		"the same again is no news until half its life is won": {
			{0, said(1, verdict.ActionThrottle, 10, 5), verdict.ActionThrottle, 10, ""},
			{1, said(2, verdict.ActionThrottle, 11, 5), "", 0, reasonNoGain},
			{5, said(3, verdict.ActionThrottle, 15, 5), "", 0, reasonNoGain},
			{6, said(4, verdict.ActionThrottle, 16, 5), verdict.ActionThrottle, 16, ""},
		},
		"an earlier end never shortens what stands": {
			{0, said(1, verdict.ActionRevoke, 60, 4), verdict.ActionRevoke, 60, ""},
			{1, said(2, verdict.ActionRevoke, 30, 8), verdict.ActionRevoke, 60, ""},
		},
		"half as much evidence again is news": {
			{0, said(1, verdict.ActionStepUp, 10, 6), verdict.ActionStepUp, 10, ""},
			{1, said(2, verdict.ActionStepUp, 10, 8), "", 0, reasonNoGain},
			{2, said(3, verdict.ActionStepUp, 10, 9), verdict.ActionStepUp, 10, ""},
		},
		"a fact is news": {
			{0, said(1, verdict.ActionRevoke, 60, 9), verdict.ActionRevoke, 60, ""},
			{1, fact(said(2, verdict.ActionRevoke, 60, 9)), verdict.ActionRevoke, 60, ""},
			{2, fact(said(3, verdict.ActionRevoke, 60, 9)), "", 0, reasonNoGain},
		},
		"a new sign-in after the revoke is revoked too": {
			{0, since(said(1, verdict.ActionRevoke, 60, 9), 0), verdict.ActionRevoke, 60, ""},
			{0.1, since(said(2, verdict.ActionRevoke, 60, 9), 0.1), "", 0, reasonNoGain},
			{5, since(said(3, verdict.ActionRevoke, 60, 9), 5), verdict.ActionRevoke, 60, ""},
		},
		"what has been judged is not judged again": {
			{0, said(7, verdict.ActionThrottle, 10, 5), verdict.ActionThrottle, 10, ""},
			{1, said(7, verdict.ActionRevoke, 60, 9), "", 0, reasonRepeated},
			{1, said(3, verdict.ActionRevoke, 60, 9), "", 0, reasonRepeated},
		},
		"what has lapsed before it is said stays unsaid": {
			{10, said(1, verdict.ActionRevoke, 10, 9), "", 0, reasonLapsed},
		},
		"to observe is to say nothing": {
			{0, said(1, verdict.ActionObserve, 10, 9), "", 0, reasonObserve},
			{0, said(2, "unheard-of", 10, 9), "", 0, reasonObserve},
		},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			e := entry{judged: -1}
			for i, s := range steps {
				next, out, reason := e.decide(s.proposed, at(s.now))
				if reason != s.reason || out.GetAction() != s.announced {
					t.Fatalf("step %d: announced %q, reason %q; want %q, %q", i, out.GetAction(), reason, s.announced, s.reason)
				}
				e = next
				if out == nil {
					continue
				}
				if got := out.Until.AsTime(); !got.Equal(at(s.until)) {
					t.Fatalf("step %d: until %v, want %v", i, got, at(s.until))
				}
				out.Time = timestamppb.New(at(s.now))
				e = e.announced(out)
			}
		})
	}
}

// A weaker verdict waits behind the stronger one.
func TestWeakerVerdictComesIntoForceWhenTheStrongerLapses(t *testing.T) {
	e := entry{judged: -1}
	for _, p := range []*verdict.Verdict{said(1, verdict.ActionRevoke, 30, 9), said(2, verdict.ActionThrottle, 60, 5)} {
		next, out, _ := e.decide(p, at(0))
		e = next
		if out != nil {
			out.Time = timestamppb.New(at(0))
			e = e.announced(out)
		}
	}
	for minute, want := range map[float64]string{29: "", 30: verdict.ActionThrottle, 59: verdict.ActionThrottle, 60: ""} {
		if got := e.lapse(at(minute)).GetAction(); got != want {
			t.Errorf("at minute %v %q comes into force, want %q", minute, got, want)
		}
	}
}

// What stands in the topic decides what a successor may say; offsets of a
// topic that is gone decide nothing.
func TestRecalledVerdictKeepsItsOffset(t *testing.T) {
	v := said(7, verdict.ActionRevoke, 60, 9)
	v.Time, v.Cause.TopicId = timestamppb.New(at(0)), "a"
	for name, tt := range map[string]struct {
		partition int32
		topicID   string
		end       int64
		want      int64
	}{
		"its own partition":            {1, "a", 100, 7},
		"a broker that gives no ids":   {1, "", 100, 7},
		"an offset beyond the end":     {1, "a", 7, -1},
		"a cause in another partition": {2, "a", 100, -1},
		"a topic that was made anew":   {1, "b", 100, -1},
	} {
		if got := recalled(v, tt.partition, tt.topicID, tt.end).judged; got != tt.want {
			t.Errorf("%s: judged up to %d, want %d", name, got, tt.want)
		}
	}
	_, out, reason := recalled(v, 1, "a", 100).decide(said(9, verdict.ActionThrottle, 600, 5), at(1))
	if out != nil || reason != reasonWeaker {
		t.Errorf("after a recalled revoke a throttle is announced: %v, %q", out, reason)
	}
}

// One tenant never pays for another, and the fuses are bounded.
func TestFuseBlowsPerTenant(t *testing.T) {
	f := newFuse(3)
	for i := range 3 {
		if !f.allow("a", at(0)) {
			t.Fatalf("revoke %d is held", i)
		}
	}
	if f.allow("a", at(0)) {
		t.Error("the fourth revoke in a minute goes out")
	}
	if !f.allow("b", at(0)) {
		t.Error("tenant b pays for tenant a")
	}
	if !f.allow("a", at(1)) {
		t.Error("a minute later the fuse is still blown")
	}
	for i := range 2 * tenantsMax {
		f.allow(string(rune(i)), at(0))
	}
	if len(f.tenants) > tenantsMax+1 {
		t.Errorf("%d fuses, at most %d", len(f.tenants), tenantsMax+1)
	}
}
