package profile_test

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/vigil-gateway/vigil/scorer/profile"
)

// TestCategoricalIsAProbability adds values and sums what P says of all.
func TestCategoricalIsAProbability(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c profile.Categorical
		names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g"}), 0, 200).Draw(t, "names")
		for i, n := range names {
			c.Add(n, 1, 3)
			if i%7 == 0 {
				c.Decay(0.9)
			}
		}
		sum := 0.0
		for _, n := range []string{"a", "b", "c", "d", "e", "f", "g"} {
			p := c.P(n, 1.0/7, 2)
			if !(p > 0) || p > 1 {
				t.Fatalf("P(%s) = %g", n, p)
			}
			sum += p
		}
		if sum > 1.7 { // The mass of the values pushed out is shared by guess.
			t.Fatalf("probabilities sum to %g", sum)
		}
		if q := c.PNew(2); !(q > 0) || q > 1 {
			t.Fatalf("PNew = %g", q)
		}
	})
}

// TestNovelty compares how new a value is.
func TestNovelty(t *testing.T) {
	var settled, roaming, peers profile.Categorical
	for i := range 60 {
		settled.Add("home", 1, 8)
		roaming.Add(fmt.Sprint("net", i%30), 1, 40)
		peers.Add([]string{"home", "common"}[i%2], 1, 100)
	}
	novelty := func(c *profile.Categorical, name string) float64 {
		return c.Novelty(name, peers.P(name, 1.0/1000, profile.PeerConcentration), 0.01, 2)
	}
	if novelty(&settled, "home") != 0 {
		t.Error("a known value is news")
	}
	if !(novelty(&settled, "rare") > novelty(&settled, "common")) {
		t.Errorf("what nobody has (%g) is no more news than what peers have (%g)", novelty(&settled, "rare"), novelty(&settled, "common"))
	}
	if !(novelty(&settled, "rare") > novelty(&roaming, "rare")+1) {
		t.Errorf("a new value of the settled (%g) is no more news than one of the roaming (%g)", novelty(&settled, "rare"), novelty(&roaming, "rare"))
	}
	var empty profile.Categorical
	if n := novelty(&empty, "rare"); n < 0 || n > 4 {
		t.Errorf("news to who knows nothing: %g", n)
	}
}

// TestCategoricalKeepsTheFrequent pushes out the rarest.
func TestCategoricalKeepsTheFrequent(t *testing.T) {
	var c profile.Categorical
	for i := range 1000 {
		c.Add("often", 1, 30)
		c.Add(fmt.Sprint("once", i), 1, 30)
	}
	if !c.Has("often") || c.Top() != "often" || !c.Has("once999") {
		t.Errorf("top %q, often %v", c.Top(), c.Has("often"))
	}
}

// TestTailIsCalibrated draws from a lognormal habit: a tail of probability p is
// as rare as it says, within a factor of three either way, where there is data.
func TestTailIsCalibrated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h, none profile.Numeric
		draw := rapid.Float64Range(0.0001, 0.9999)
		values := make([]float64, 60)
		for i := range values {
			u, v := draw.Draw(t, "u"), draw.Draw(t, "v")
			values[i] = math.Exp(8 + math.Sqrt(-2*math.Log(u))*math.Cos(2*math.Pi*v))
			h.Add(profile.Bucket(values[i]), 1)
		}
		last := 1.0
		for x := 1.0; x < 1e12; x *= 1.7 {
			above := 0.0
			for _, v := range values {
				if v >= x {
					above++
				}
			}
			p := h.Upper(x, &none, 1, 0.001, 2)
			if !(p > 0) || p > 1 || p > last+1e-9 {
				t.Fatalf("Upper(%g) = %g after %g", x, p, last)
			}
			last = p
			if share := above / 60; share > 0.1 && (p > 2*share+0.1 || p < share/2-0.1) {
				t.Fatalf("Upper(%g) = %g, share above is %g", x, p, share)
			}
		}
		if two := h.TwoSided(values[0], 2); !(two > 0) || two > 1 {
			t.Fatalf("TwoSided = %g", two)
		}
	})
}

// TestNatsIsAnEValue integrates exp of the evidence over a uniform p: it must
// be 1, or noise would add up to a verdict.
func TestNatsIsAnEValue(t *testing.T) {
	for _, kappa := range []float64{0.1, 0.3, 0.7} {
		sum, n := 0.0, 200_000
		for i := range n {
			// Sampled evenly in p^κ, where the density is bounded.
			u := (float64(i) + 0.5) / float64(n)
			p := math.Pow(u, 1/kappa)
			if p < 1e-280 {
				sum++
				continue
			}
			sum += math.Exp(profile.Nats(p, kappa)) * math.Pow(u, 1/kappa-1) / kappa
		}
		if mean := sum / float64(n); math.Abs(mean-1) > 0.01 {
			t.Errorf("kappa %g: mean of exp(nats) is %g, want 1", kappa, mean)
		}
	}
}

// TestNumericEdges feeds what no honest meter shows.
func TestNumericEdges(t *testing.T) {
	var h, none profile.Numeric
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, 1e300} {
		b := profile.Bucket(x)
		if b < 0 || b >= profile.Buckets {
			t.Fatalf("Bucket(%g) = %d", x, b)
		}
		h.Add(b, 1)
		if p := h.Upper(x, &none, 1, 2, 2); math.IsNaN(p) || p < 0 || p > 1 {
			t.Errorf("Upper(%g) = %g", x, p)
		}
		if n := profile.Nats(x, 0.1); math.IsNaN(n) || math.IsInf(n, 0) {
			t.Errorf("Nats(%g) = %g", x, n)
		}
	}
}
