package budget_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

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
				c.Observe("human", strconv.Itoa(i), []float64{tt.draw(random)}, -1, false, int64(i)*int64(budget.Day)/days)
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
	maxima := make([]budget.Maximum, 5000)
	for i := range maxima {
		maxima[i].Nats = random.ExpFloat64()
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
		maxima []budget.Maximum
		days   float64
	}{
		"no day":              {nil, 0},
		"a week of ten users": {make([]budget.Maximum, 70), 70},
		"every day alike":     {make([]budget.Maximum, 5000), 5000},
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
	c.Observe("human", "ana", []float64{1, 5}, -1, false, 10)
	c.Observe("human", "ben", []float64{2, 2}, -1, false, 11)
	c.Observe("human", "ana", []float64{4, 3}, 0, false, 12)
	c.Observe("human", "ana", []float64{4, 9}, 1, false, 13)
	c.Observe("human", "ana", []float64{0, 1}, -1, false, day+1)
	c.Observe("service", "ci", []float64{7, 7}, -1, true, day+1)
	c.Observe("human", "ana", []float64{0, 1}, -1, false, 2*day-1)
	c.Close()
	want := map[string]*budget.Kind{
		"human":   {Days: 3, Rungs: []budget.Rung{{Reached: 1, Maxima: []budget.Maximum{{0, false}, {4, false}, {2, false}}}, {Reached: 1, Maxima: []budget.Maximum{{1, false}, {9, false}, {2, false}}}}},
		"service": {Days: 1, Rungs: []budget.Rung{{Maxima: []budget.Maximum{{7, true}}}, {Maxima: []budget.Maximum{{7, true}}}}},
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
		c.Observe("human", "ana", []float64{float64(i)}, -1, false, int64(i)*int64(budget.Day))
	}
	c.Observe("human", "ana", []float64{0}, -1, false, days*int64(budget.Day)-1)
	c.Close()
	kind := c.Kinds()["human"]
	if kind.Days != days || len(kind.Rungs[0].Maxima) != budget.MaximaMax {
		t.Fatalf("%d days, %d maxima", kind.Days, len(kind.Rungs[0].Maxima))
	}
	for _, x := range kind.Rungs[0].Maxima {
		if x.Nats < days-budget.MaximaMax {
			t.Fatalf("kept %.0f, which is none of the largest", x.Nats)
		}
	}
}

// exceeded is how often a level is asked for, once in so many days, and how often fresh
// whole days of a subject exceed it.
func exceeded(t *testing.T, c *budget.Collector, per float64, draw func() float64) float64 {
	t.Helper()
	kind := c.Kinds()["human"]
	tail, err := budget.Fit(kind.Rungs[0].Maxima, float64(kind.Days))
	if err != nil {
		t.Fatal(err)
	}
	level, _ := tail.Level(per)
	over := 0
	const fresh = 200_000
	for range fresh {
		if draw() > level {
			over++
		}
	}
	t.Logf("%d days, %d left out: level %.2f of shape %.2f", kind.Days, kind.LeftOut, level, tail.Shape)
	return float64(over) / fresh
}

// A history that begins in the evening and ends in the morning has one whole day
// between. The two others show a quarter of what they come to, and do not count.
func TestDaysSeenInPartDoNotCount(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	const subjects, begins, ends = 20_000, 18, 48 + 6
	c := budget.NewCollector(1)
	for hour := begins; hour < ends; hour++ {
		for i := range subjects {
			c.Observe("human", strconv.Itoa(i), []float64{random.ExpFloat64()}, -1, false, int64(hour)*int64(time.Hour))
		}
	}
	c.Close()
	if kind := c.Kinds()["human"]; kind.Days != subjects || kind.LeftOut != 2*subjects {
		t.Errorf("%d days and %d left out, want %d and twice as many", kind.Days, kind.LeftOut, subjects)
	}
	const per = 0.004
	rate := exceeded(t, c, per, func() float64 {
		most := 0.0
		for range 24 {
			most = max(most, random.ExpFloat64())
		}
		return most
	})
	if rate > 1.25*per || rate < per/1.25 {
		t.Errorf("a level for %g is exceeded by %g of the whole days", per, rate)
	}
}

// On every other day on which suspicion comes to a threshold a verdict ends it there.
// The level of a rarer alarm is what it would be without.
func TestDaysThatAVerdictCutsShort(t *testing.T) {
	const per = 0.001
	tests := map[string]struct {
		threshold float64
		shape     float64
	}{
		"a threshold below the start of the tail": {5.5, 0},
		"a threshold within the tail":             {8, 0},
		"a heavy tail":                            {8, 0.2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(7, 8))
			draw := func() float64 {
				x := random.ExpFloat64()
				if tt.shape > 0 {
					x = (math.Exp(tt.shape*x) - 1) / tt.shape
				}
				return 1.5 * x
			}
			c := budget.NewCollector(1)
			const days = 40_000
			for i := range days {
				x, cut := draw(), false
				if x > tt.threshold && i%2 == 0 {
					x, cut = tt.threshold+float64((x-tt.threshold)*random.Float64()*0.2), true
				}
				c.Observe("human", strconv.Itoa(i), []float64{x}, -1, cut, int64(i)*int64(budget.Day)/days)
			}
			c.Close()
			rate := exceeded(t, c, per, draw)
			if rate > 1.35*per || rate < per/1.35 {
				t.Errorf("a level for %g is exceeded by %g of the days without verdicts", per, rate)
			}
		})
	}
}

// Who finds no room is not taken on that day: nobody's day is split.
func TestAFullCollectorSplitsNoDay(t *testing.T) {
	c := budget.NewCollector(1)
	c.Limit(2)
	day := int64(budget.Day)
	observe := func(subject string, nats float64, at int64) {
		c.Observe("human", subject, []float64{nats}, -1, false, at)
	}
	observe("ana", 3, 1)
	observe("ben", 1, 2)
	observe("cy", 9, 3) // Finds no room,
	observe("ana", 5, 4)
	observe("cy", 2, day) // but on the next day.
	observe("cy", 8, day+1)
	observe("ben", 4, 2*day-1)
	c.Close()
	want := map[string]*budget.Kind{"human": {Days: 4, Rungs: []budget.Rung{{Maxima: []budget.Maximum{{1, false}, {4, false}, {5, false}, {8, false}}}}}}
	got := c.Kinds()
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(func(a, b budget.Maximum) bool { return a.Nats < b.Nats })); diff != "" {
		t.Errorf("gathered (-want +got):\n%s", diff)
	}
}
