package budget_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/scorer/budget"
)

// A level that is asked for a rate is exceeded at that rate by days that the
// fit has not seen, whatever the tail they come from.
func TestALevelKeepsItsBudget(t *testing.T) {
	tests := map[string]struct {
		draw  func(*rand.Rand) float64
		shape float64
	}{
		"an exponential tail":        {func(r *rand.Rand) float64 { return r.ExpFloat64() }, 0},
		"a heavy tail":               {func(r *rand.Rand) float64 { return (math.Pow(r.Float64(), -0.25) - 1) / 0.25 }, 0.25},
		"a tail that ends":           {func(r *rand.Rand) float64 { return (1 - math.Pow(r.Float64(), 0.3)) / 0.3 }, -0.3},
		"quiet days with a few loud": {func(r *rand.Rand) float64 { return max(0, r.ExpFloat64()-2) }, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			c := budget.NewCollector(1)
			const days, fresh = 40_000, 2_000_000
			for i := range days {
				c.Observe("human", strconv.Itoa(i), []float64{tt.draw(random)}, -1, 0)
			}
			c.Close()
			kind := c.Kinds()["human"]
			tail, err := budget.Fit(kind.Rungs[0].Maxima, float64(kind.Days))
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(tail.Shape-tt.shape) > 0.2 {
				t.Errorf("shape %.3f, want about %.2f", tail.Shape, tt.shape)
			}
			for _, per := range []float64{1e-2, 1e-3, 1e-4} {
				level, extrapolated := tail.Level(per)
				over := 0
				for range fresh {
					if tt.draw(random) > level {
						over++
					}
				}
				rate := float64(over) / fresh
				if rate > 3*per || rate < per/3 {
					t.Errorf("level %.2f for %g is exceeded by %g of fresh days", level, per, rate)
				}
				if extrapolated != 1 {
					t.Errorf("%g of %d days is said to be extrapolated %.1f times", per, days, extrapolated)
				}
				if got := tail.Probability(level); math.Abs(got-per) > per/1e6 {
					t.Errorf("probability of the level for %g is %g", per, got)
				}
			}
		})
	}
}

func TestABudgetBeyondTheDataSaysSo(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	maxima := make([]float64, 5000)
	for i := range maxima {
		maxima[i] = random.ExpFloat64()
	}
	tail, err := budget.Fit(maxima, 5000)
	if err != nil {
		t.Fatal(err)
	}
	level, extrapolated := tail.Level(1e-5)
	if extrapolated != 20 || level <= tail.Largest {
		t.Errorf("once in 100,000 days from 5,000: level %.2f (largest seen %.2f), extrapolated %.1f times", level, tail.Largest, extrapolated)
	}
}

func TestTooLittleIsAnError(t *testing.T) {
	tests := map[string]struct {
		maxima []float64
		days   float64
	}{
		"no day":              {nil, 0},
		"a week of ten users": {make([]float64, 70), 70},
		"every day alike":     {make([]float64, 5000), 5000},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := budget.Fit(tt.maxima, tt.days)
			if !errors.Is(err, budget.ErrTooFew) {
				t.Errorf("error %v, want %v", err, budget.ErrTooFew)
			}
		})
	}
}

// A day's sample is its maximum, whatever the order of its events, and days of
// different subjects are different days.
func TestTheCollectorKeepsTheDaysMaxima(t *testing.T) {
	c := budget.NewCollector(2)
	day := int64(budget.Day)
	c.Observe("human", "ana", []float64{1, 5}, -1, 10)
	c.Observe("human", "ben", []float64{2, 2}, -1, 11)
	c.Observe("human", "ana", []float64{4, 3}, 0, 12)
	c.Observe("human", "ana", []float64{4, 9}, 1, 13)
	c.Observe("human", "ana", []float64{0, 1}, -1, day+1)
	c.Observe("service", "ci", []float64{7, 7}, -1, day+1)
	c.Close()
	want := map[string]*budget.Kind{
		"human":   {Days: 3, Rungs: []budget.Rung{{Reached: 1, Maxima: []float64{0, 4, 2}}, {Reached: 1, Maxima: []float64{1, 9, 2}}}},
		"service": {Days: 1, Rungs: []budget.Rung{{Maxima: []float64{7}}, {Maxima: []float64{7}}}},
	}
	if diff := cmp.Diff(want, c.Kinds()); diff != "" {
		t.Errorf("gathered (-want +got):\n%s", diff)
	}
}

// However many days there are, only the largest maxima are kept.
func TestTheCollectorIsBounded(t *testing.T) {
	c := budget.NewCollector(1)
	const days = 3 * budget.MaximaMax
	for i := range days {
		c.Observe("human", "ana", []float64{float64(i)}, -1, int64(i)*int64(budget.Day))
	}
	c.Close()
	kind := c.Kinds()["human"]
	if kind.Days != days || len(kind.Rungs[0].Maxima) != budget.MaximaMax {
		t.Fatalf("%d days, %d maxima", kind.Days, len(kind.Rungs[0].Maxima))
	}
	for _, x := range kind.Rungs[0].Maxima {
		if x < days-budget.MaximaMax {
			t.Fatalf("kept %.0f, which is none of the largest", x)
		}
	}
}
