package profile_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

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
		var t profile.Trial
		var chosen []string
		for n := range 40 {
			name := fmt.Sprint(random.IntN(10))
			if random.Float64() < float64(n)/(float64(n)+a) {
				name = chosen[random.IntN(n)]
			}
			t.Observe(&c, name, 0.1)
			c.Add(name, 1, 100)
			chosen = append(chosen, name)
		}
		l.Add(&t, 1)
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
	var nothing profile.Trial
	for range 5000 {
		nothing.Observe(&c, "x", 0.1) // A habit that knows nothing.
	}
	l.Add(&nothing, 1)
	_, ok = l.Best()
	if ok {
		t.Error("first observations say something about a habit")
	}
}

// TestATrialIsTheSumOfItsObservations compares many rare observations, whose
// product would underflow, with the same ones one by one.
func TestATrialIsTheSumOfItsObservations(t *testing.T) {
	var c profile.Categorical
	c.Add("usual", 50, 100)
	var whole, single profile.Likelihood
	var all profile.Trial
	for i := range 2000 {
		peer := 1e-9 * float64(1+i%7)
		name := fmt.Sprint("rare ", i)
		if i%3 == 0 {
			name, peer = "usual", 0.5
		}
		all.Observe(&c, name, peer)
		var one profile.Trial
		one.Observe(&c, name, peer)
		single.Add(&one, 0.5)
	}
	whole.Add(&all, 0.5)
	want, got := written(&single), written(&whole)
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-9, 0)); diff != "" {
		t.Errorf("-one by one +together:\n%s", diff)
	}
}

// written is what a likelihood holds: the weight of its observations, and the sum
// of the logarithms by concentration.
func written(l *profile.Likelihood) []float64 {
	out := snapshot.Writer()
	l.Code(out)
	in := snapshot.Reader(out.Bytes())
	values := make([]float64, 15)
	for i := range values {
		in.F64(&values[i])
	}
	return values
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
