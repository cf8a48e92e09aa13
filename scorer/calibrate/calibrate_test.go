package calibrate_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/calibrate"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 0)) }

func TestRankerGivesTheTailProbability(t *testing.T) {
	var r calibrate.Ranker
	if got := r.Surprise(1e9); got != calibrate.RankerCold {
		t.Errorf("knows nothing, but says %v", got)
	}
	rng := seeded()
	for range 50000 {
		r.Learn(1 / math.Sqrt(rng.Float64())) // P(score > x) = x^-2.
	}
	for _, x := range []float64{1.2, 2, 5, 20, 100, 1000} {
		got, want := r.Surprise(x), 2*math.Log(x)
		if math.Abs(got-want) > 0.1*want+0.05 {
			t.Errorf("Surprise(%v) = %.3f, want about %.3f", x, got, want)
		}
	}
}

func TestRankerIsMonotone(t *testing.T) {
	var r calibrate.Ranker
	rng := seeded()
	for i := range 3000 {
		r.Learn(math.Exp(3 * rng.NormFloat64()))
		if i%500 != 499 {
			continue
		}
		if i == 1499 {
			r.Halve()
		}
		last := 0.0
		for x := 1e-7; x < 1e7; x *= 1.05 {
			s := r.Surprise(x)
			if s < last || math.IsInf(s, 0) || math.IsNaN(s) {
				t.Fatalf("after %d scores Surprise(%g) = %v after %v", i+1, x, s, last)
			}
			last = s
		}
	}
}

func TestMerge(t *testing.T) {
	tests := map[string]struct {
		nats      []float64
		low, high float64
	}{
		"none":                               {nil, 0, 0},
		"all alike":                          {[]float64{3, 3, 3}, 3, 3},
		"between the least and the greatest": {[]float64{1, 9}, 1.5, 9},
		"one silent member does not silence the rest": {[]float64{8, 8, 8, 8, 0}, 5, 8},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := calibrate.Merge(tt.nats)
			if got < tt.low-1e-9 || got > tt.high+1e-9 {
				t.Errorf("Merge(%v) = %v, want in [%v, %v]", tt.nats, got, tt.low, tt.high)
			}
		})
	}
}

func TestEvidenceIsAnEValue(t *testing.T) {
	const n = 200000
	sum := 0.0
	for i := range n {
		sum += math.Exp(calibrate.Evidence((float64(i)+0.5)/n, calibrate.Kappa)) / n
	}
	if sum > 1.0001 || sum < 0.95 {
		t.Errorf("mean of the e-values under uniform p = %v, want at most 1 and near it", sum)
	}
}

func TestConformal(t *testing.T) {
	t.Run("nothing known is no surprise", func(t *testing.T) {
		if p := calibrate.NewConformal(1).P(99); p != 1 {
			t.Errorf("P = %v", p)
		}
	})
	t.Run("what waits is not yet normal", func(t *testing.T) {
		c := calibrate.NewConformal(1)
		for i := range 10 {
			c.Offer(1, int64(i), 1)
		}
		c.Release(4)
		if p := c.P(2); p != 1.0/6 {
			t.Errorf("P = %v, want 1/6", p)
		}
	})
	t.Run("what is withdrawn never becomes normal", func(t *testing.T) {
		c := calibrate.NewConformal(1)
		c.Offer(1, 1, 5)
		c.Offer(2, 1, 1)
		c.Withdraw(1)
		c.Release(9)
		if p := c.P(3); p != 1.0/2 {
			t.Errorf("P = %v, want 1/2", p)
		}
	})
	t.Run("p-values of normal scores are uniform and memory is bounded", func(t *testing.T) {
		c, rng := calibrate.NewConformal(1), seeded()
		for i := range 20000 {
			c.Offer(0, int64(i), rng.NormFloat64())
			c.Release(int64(i) - 100)
		}
		mean := 0.0
		for range 5000 {
			p := c.P(rng.NormFloat64())
			if p < 1.0/(calibrate.ConformalMax+1) || p > 1 {
				t.Fatalf("P = %v", p)
			}
			mean += p / 5000
		}
		if math.Abs(mean-0.5) > 0.03 {
			t.Errorf("mean p = %v", mean)
		}
	})
	t.Run("restored it goes on alike", func(t *testing.T) {
		a, rng := calibrate.NewConformal(1), seeded()
		for i := range 3000 {
			a.Offer(uint64(i%7), int64(i), rng.NormFloat64())
		}
		a.Release(2000)
		w := snapshot.Writer()
		a.Code(w)
		b := calibrate.NewConformal(9)
		r := snapshot.Reader(w.Bytes())
		b.Code(r)
		if r.Err() != nil {
			t.Fatal(r.Err())
		}
		a.Release(3000)
		b.Release(3000)
		for _, x := range []float64{-2, 0, 2} {
			if a.P(x) != b.P(x) {
				t.Errorf("P(%v) = %v and %v", x, a.P(x), b.P(x))
			}
		}
	})
	t.Run("too many in quarantine give up the oldest", func(t *testing.T) {
		c := calibrate.NewConformal(1)
		for i := range calibrate.PendingMax + 1 {
			c.Offer(0, int64(i), float64(i))
		}
		c.Release(0)
		if p := c.P(0); p != 1 {
			t.Errorf("the oldest is still there: P = %v", p)
		}
	})
}
