package sequence_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/scorer/sequence"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// peaks draws n peaks of a generalised Pareto distribution.
func peaks(n int, shape, scale float64, seed uint64) []float64 {
	random := rand.New(rand.NewPCG(seed, 1))
	list := make([]float64, n)
	for i := range list {
		u := 1 - random.Float64()
		list[i] = -scale * math.Log(u)
		if shape > 0 {
			list[i] = scale * (math.Pow(u, -shape) - 1) / shape
		}
	}
	return list
}

func TestFitKeepsItsBudget(t *testing.T) {
	tests := map[string]struct{ shape, scale, risk float64 }{
		"a light tail":                     {scale: 1, risk: 0.01},
		"a light tail, beyond the sample":  {scale: 1, risk: 0.0001},
		"a heavy tail":                     {shape: 0.3, scale: 0.5, risk: 0.01},
		"a heavy tail, beyond the sample":  {shape: 0.3, scale: 0.5, risk: 0.0005},
		"peaks of hardly more than a step": {scale: 0.1, risk: 0.01},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var tail sequence.Tail
			for _, p := range peaks(3000, tt.shape, tt.scale, 1) {
				tail.Observe(p)
			}
			curve, ok := tail.Fit()
			if !ok {
				t.Fatal("no fit")
			}
			level := curve.Threshold(tt.risk)
			above := 0
			for _, p := range peaks(400_000, tt.shape, tt.scale, 2) {
				if p > level {
					above++
				}
			}
			got := float64(above) / 400_000
			if got > 3*tt.risk || got < tt.risk/5 {
				t.Errorf("%.5f of sessions pass the threshold %.2f, want about %.5f", got, level, tt.risk)
			}
			if p := curve.P(level); math.Abs(p/tt.risk-1) > 1e-9 {
				t.Errorf("P(Threshold(%g)) = %g", tt.risk, p)
			}
		})
	}
}

func TestEvidenceIsNotInflated(t *testing.T) {
	var tail sequence.Tail
	for _, p := range peaks(5000, 0.2, 1, 3) {
		tail.Observe(p)
	}
	curve, _ := tail.Fit()
	sum := 0.0
	fresh := peaks(100_000, 0.2, 1, 4)
	for _, p := range fresh {
		sum += math.Exp(curve.Nats(p))
	}
	mean := sum / float64(len(fresh))
	if !(mean > 0.3 && mean <= 1) {
		t.Errorf("mean exp(nats) over clean sessions = %.3f, want at most 1", mean)
	}
}

// TestFewSessionsClaimNoMore fits tails of as few sessions as may be, again and
// again: on average over what few may look like, the evidence is no more inflated.
func TestFewSessionsClaimNoMore(t *testing.T) {
	for _, shape := range []float64{0, 0.2, 0.4} {
		sum, n := 0.0, 0
		for seed := range uint64(400) {
			var tail sequence.Tail
			for _, p := range peaks(100, shape, 1, 10+seed) {
				tail.Observe(p)
			}
			curve, ok := tail.Fit()
			if !ok {
				t.Fatal("a hundred sessions give no fit")
			}
			for _, p := range peaks(1000, shape, 1, 10_000+seed) {
				sum += math.Exp(curve.Nats(p))
				n++
			}
		}
		mean := sum / float64(n)
		t.Logf("shape %g: mean exp(nats) %.3f", shape, mean)
		if !(mean > 0.3 && mean <= 1) {
			t.Errorf("shape %g: mean exp(nats) over clean sessions = %.3f, want at most 1", shape, mean)
		}
	}
}

func TestNoFitNoEvidence(t *testing.T) {
	tests := map[string][]float64{
		"no session":    nil,
		"a few":         {1, 2, 3},
		"all the same":  make([]float64, 1000),
		"beyond bounds": append(peaks(1000, 0, 1, 1), math.MaxFloat64, math.Inf(1), math.NaN(), -1),
	}
	for name, list := range tests {
		t.Run(name, func(t *testing.T) {
			var tail sequence.Tail
			for _, p := range list {
				tail.Observe(p)
			}
			curve, ok := tail.Fit()
			if want := len(list) >= 100; ok != want {
				t.Errorf("fit = %t of %d sessions, want %t", ok, len(list), want)
			}
			if !ok && (curve.Nats(50) != 0 || curve.Threshold(0.01) != math.MaxFloat64) {
				t.Errorf("evidence without a fit: %g nats", curve.Nats(50))
			}
			for _, level := range []float64{0, 1, 50, 1e300, math.Inf(1)} {
				nats := curve.Nats(level)
				if math.IsNaN(nats) || math.IsInf(nats, 0) {
					t.Errorf("Nats(%g) = %g", level, nats)
				}
			}
		})
	}
}

func TestTailMergesAndRestores(t *testing.T) {
	var whole, left, right sequence.Tail
	for i, p := range peaks(1000, 0.1, 1, 5) {
		whole.Observe(p)
		if i%3 == 0 {
			left.Observe(p)
		} else {
			right.Observe(p)
		}
	}
	left.Merge(&right)
	out := snapshot.Writer()
	left.Code(out)
	in := snapshot.Reader(out.Bytes())
	var restored sequence.Tail
	restored.Code(in)
	err := in.Err()
	if err != nil {
		t.Fatalf("read snapshot: %v", err)
	}
	want, _ := whole.Fit()
	got, _ := restored.Fit()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fit (-whole +merged):\n%s", diff)
	}
}
