package profile_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// draw lets 60 people choose 40 times each among ten things by Pólya's urn of a
// concentration, and weighs every choice.
func draw(a float64, seed uint64) *profile.Likelihood {
	random := rand.New(rand.NewPCG(seed, 1))
	var l profile.Likelihood
	for range 60 {
		var c profile.Categorical
		var chosen []string
		for n := range 40 {
			name := fmt.Sprint(random.IntN(10))
			if random.Float64() < float64(n)/(float64(n)+a) {
				name = chosen[random.IntN(n)]
			}
			l.Observe(&c, name, 0.1, 1)
			c.Add(name, 1, 100)
			chosen = append(chosen, name)
		}
	}
	return &l
}

func TestConcentrationIsFound(t *testing.T) {
	for _, a := range []float64{0.5, 2, 16} {
		got, ok := draw(a, 3).Best()
		if !ok || got < a/2 || got > 2*a {
			t.Errorf("drawn with %g, found %g, %t", a, got, ok)
		}
	}
	var l profile.Likelihood
	_, ok := l.Best()
	if ok {
		t.Error("a concentration of nothing")
	}
	var c profile.Categorical
	for range 5000 {
		l.Observe(&c, "x", 0.1, 1) // A habit that knows nothing.
	}
	_, ok = l.Best()
	if ok {
		t.Error("first observations say something about a habit")
	}
}

func TestLikelihoodMergesAndFades(t *testing.T) {
	one, two := draw(2, 4), draw(2, 5)
	one.Merge(two)
	one.Decay(0.5)
	out := snapshot.Writer()
	one.Code(out)
	in := snapshot.Reader(out.Bytes())
	var again profile.Likelihood
	again.Code(in)
	err := in.Err()
	if err != nil {
		t.Fatal(err)
	}
	want, _ := one.Best()
	got, ok := again.Best()
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("best of what was read (-written +read), %t:\n%s", ok, diff)
	}
	again.Decay(0.01)
	_, ok = again.Best()
	if ok {
		t.Error("what has faded still says something")
	}
}
