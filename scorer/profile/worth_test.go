package profile_test

import (
	"math/rand/v2"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/profile"
)

// TestWorthIsWhatIsDrawn lets people draw by Pólya's urn, and counts how many of
// their observations came from what they have in common: what is worth less than that
// errs towards the tenant.
func TestWorthIsWhatIsDrawn(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, a := range []float64{0.5, 2, 8} {
		const members, each, rounds = 20, 50, 20
		drawn := 0
		for range rounds * members {
			for n := range each {
				if random.Float64() >= float64(n)/(float64(n)+a) {
					drawn++
				}
			}
		}
		want := float64(drawn) / (rounds * members * each)
		got := profile.Worth(members*each, members, a)
		if got < 0.7*want || got > 1.05*want {
			t.Errorf("concentration %g: an observation is worth %.3f, and %.3f of them were drawn", a, got, want)
		}
	}
}

func TestWorthHasBounds(t *testing.T) {
	tests := map[string]struct{ n, members, a, least, most float64 }{
		"no observations":                       {0, 5, 2, 0, 0},
		"no people":                             {10, 0, 2, 0, 0},
		"no concentration":                      {10, 5, 0, 0, 0},
		"one each of many people counts fully":  {100, 100, 1000, 0.99, 1},
		"a thousand of one person count as few": {1000, 1, 2, 0.01, 0.02},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if w := profile.Worth(tt.n, tt.members, tt.a); !(w >= tt.least && w <= tt.most) {
				t.Errorf("worth %g, want %g to %g", w, tt.least, tt.most)
			}
		})
	}
}

// TestAGroupOfOneMovesLittle compares what somebody's hundred sessions say about
// his group with what a hundred people say.
func TestAGroupOfOneMovesLittle(t *testing.T) {
	var group profile.Categorical
	group.Add("his", 100, 10)
	const tenant, a = 0.001, 2
	among := func(members float64) float64 {
		return group.PAmong("his", profile.Worth(group.Total(), members, a), tenant, a)
	}
	// No more than what a hundred distinct observations would make of it.
	if !(among(1) < among(10) && among(10) < among(100) && among(100) < group.P("his", tenant, a)) {
		t.Errorf("of 1, 10, 100 people %.3f, %.3f, %.3f; all distinct %.3f", among(1), among(10), among(100), group.P("his", tenant, a))
	}
	if p := group.PAmong("his", 0, tenant, a); p != tenant {
		t.Errorf("a group that nobody is in says %g, want the tenant's %g", p, tenant)
	}
}
