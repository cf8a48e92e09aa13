package session_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// What is taken back is exactly what was said, and nothing that came after it or from
// somebody else.
func TestWithdraw(t *testing.T) {
	first := says(1, verdict.ActionRevoke, verdict.TargetSession, "s")
	tests := map[string]struct {
		also  []*verdict.Verdict
		taken *verdict.Verdict
		want  string
	}{
		"what was said":                     {nil, first, ""},
		"what another authority did not":    {[]*verdict.Verdict{says(1, verdict.ActionThrottle, verdict.TargetSession, "s", by(verdict.AuthorityFacet))}, first, verdict.ActionThrottle},
		"what was said about another":       {nil, says(1, verdict.ActionRevoke, verdict.TargetSession, "s2"), verdict.ActionRevoke},
		"what was replaced since":           {[]*verdict.Verdict{says(2, verdict.ActionBlock, verdict.TargetSession, "s")}, first, verdict.ActionBlock},
		"what names a target nobody knows":  {nil, says(1, verdict.ActionRevoke, "planet", "s"), verdict.ActionRevoke},
		"what an unknown authority has not": {nil, says(1, verdict.ActionRevoke, verdict.TargetSession, "s", by("oracle")), verdict.ActionRevoke},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tab := newTable(t, session.DefaultConfig(), nil)
			_, v := tab.Enter(t.Context(), session.Entry{Who: visitor(), Route: "r"})
			defer v.Leave()
			tab.Apply(first, t0)
			for _, more := range tt.also {
				tab.Apply(more, t0)
			}
			if v.Standing().Action == "" {
				t.Fatal("nothing stands before")
			}
			tab.Withdraw(tt.taken)
			if got := v.Standing().Action; got != tt.want {
				t.Errorf("standing %q, want %q", got, tt.want)
			}
		})
	}
}

// Sessions are counted once each, whether a request of theirs is open or not.
func TestSessionsOfATarget(t *testing.T) {
	tab := newTable(t, session.DefaultConfig(), nil)
	for i := range 6 {
		who := visitor()
		who.Session, who.Address = fmt.Sprint("s", i/2), netip.AddrFrom4([4]byte{192, 0, byte(i / 4), byte(i)})
		who.Aliases, who.Subject = nil, fmt.Sprint("u", i/4)
		_, v := tab.Enter(t.Context(), session.Entry{Who: who, Route: "r"})
		v.Leave()
	}
	_, stranger := tab.Enter(t.Context(), session.Entry{Who: session.Who{Address: netip.MustParseAddr("192.0.2.9")}, Route: "r", Public: true})
	defer stranger.Leave()
	tests := map[string]struct {
		tenant string
		target *verdict.Target
		want   int
	}{
		"all of the tenant":   {"default", nil, 3},
		"of no tenant's name": {"", nil, 3},
		"of another tenant":   {"other", nil, 0},
		"one session":         {"default", &verdict.Target{Kind: verdict.TargetSession, Id: "s1"}, 1},
		"a subject's":         {"default", &verdict.Target{Kind: verdict.TargetSubject, Id: "u0"}, 2},
		"a network's":         {"default", &verdict.Target{Kind: verdict.TargetPrefix, Id: "192.0.0.0/24"}, 2},
		"a wide network's":    {"default", &verdict.Target{Kind: verdict.TargetPrefix, Id: "192.0.0.0/16"}, 3},
		"nobody's":            {"default", &verdict.Target{Kind: verdict.TargetSession, Id: "s9"}, 0},
		"of an unknown kind":  {"default", &verdict.Target{Kind: "planet", Id: "s1"}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tab.Sessions(tt.tenant, tt.target); got != tt.want {
				t.Errorf("%d sessions, want %d", got, tt.want)
			}
		})
	}
}
