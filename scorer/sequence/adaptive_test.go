package sequence_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/sequence"
)

// TestWhoOutdoesTheOwnerIsSomebodyElse joins to the session of an analyst, who often
// downloads where his colleagues hardly do, somebody who does hardly anything else. By
// what the tenant's people do he is the analyst; by what he does himself he is not.
func TestWhoOutdoesTheOwnerIsSomebodyElse(t *testing.T) {
	const download = sequence.Symbol(50)
	random := rand.New(rand.NewPCG(5, 0))
	worker := func(w *walker, downloads float64) func() sequence.Symbol {
		return func() sequence.Symbol {
			if random.Float64() < downloads {
				return download
			}
			return w.step()
		}
	}
	prior := sequence.NewPrior()
	for seed := range uint64(20) {
		next, last := worker(newWalker(100+seed), 0.03), sequence.Symbol(0)
		for range 500 {
			x := next()
			prior.Add(last, x)
			last = x
		}
	}
	owner := newWalker(1)
	var h sequence.Habit
	var s sequence.Watch
	play := func(next func() sequence.Symbol, n int) (step sequence.Step) {
		for range n {
			step = s.Step(&h, prior, next())
			s.Teach(&h, sequence.Lag, nil)
		}
		return step
	}
	play(worker(owner, 0.25), 3000)
	s.Rest()
	own := play(worker(owner, 0.25), 80)
	s.Rest()
	his := play(worker(owner, 0.8), 80)
	if his.Level > 0.5 {
		t.Errorf("by the tenant's people his level is %.2f: this test is of something else", his.Level)
	}
	if !(his.Adaptive > 0.75 && own.Adaptive < his.Adaptive/2) {
		t.Errorf("the adaptive level of the owner is %.2f, of the other %.2f; want it above 0.75 and twice the owner's", own.Adaptive, his.Adaptive)
	}
	n, of := s.Recent(download, 40)
	if of != 40 || n < 20 || !(h.Share(download) < 0.4) {
		t.Errorf("%d of the last %d were downloads, %.2f of what the owner does", n, of, h.Share(download))
	}
}

// TestNatsOfBothTests holds the evidence of both tests to the mean of their e-values.
func TestNatsOfBothTests(t *testing.T) {
	curve := sequence.Curve{Share: 1, Scale: 0.2, Least: 1e-4}
	tests := map[string]struct {
		adaptive sequence.Curve
		step     sequence.Step
	}{
		"both are high":                   {curve, sequence.Step{Level: 3, Adaptive: 3}},
		"the first alone":                 {curve, sequence.Step{Level: 3}},
		"the second alone":                {curve, sequence.Step{Adaptive: 3}},
		"neither":                         {curve, sequence.Step{}},
		"the second has no fit, and none": {sequence.Curve{}, sequence.Step{Level: 3, Adaptive: 3}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := curve.Nats(tt.step.Level)
			if tt.adaptive != (sequence.Curve{}) {
				want = math.Log((math.Exp(want) + math.Exp(curve.Nats(tt.step.Adaptive))) / 2)
			}
			if got := sequence.NatsOf(curve, tt.adaptive, tt.step); math.Abs(got-want) > 1e-9 {
				t.Errorf("%.4f nats, want %.4f", got, want)
			}
		})
	}
}
