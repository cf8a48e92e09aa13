package budget

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/vigil-gateway/vigil/scorer/exact"
)

// ErrTooFew means that there are too few subject-days to say anything about
// rare ones.
var ErrTooFew = errors.New("too few subject-days")

// Bounds of the fitted shape: beyond them the moments that the fit rests on do
// not exist, or the tail ends so soon that no budget would ever be exceeded.
const (
	ShapeMin = -0.5
	ShapeMax = 0.5
)

// Tail is the distribution of the day's maximum beyond a high level: above
// Start, the excess has a generalised Pareto distribution.
type Tail struct {
	// Start is the level in nats from which the tail is fitted.
	Start float64
	// Scale is in nats and above 0; Shape is between -0.5 and 0.5.
	Scale, Shape float64
	// Beyond is how many of Days subject-days had their maximum above Start.
	Beyond int
	Days   float64
	// Largest is the largest maximum seen, in nats.
	Largest float64
}

// Fit fits a tail to the largest maxima of days subject-days, by probability
// weighted moments (Hosking and Wallis, Technometrics 29, 1987, eqs. 9 and 10).
// maxima holds the largest of them in any order; days that are not in it had
// smaller ones. The error wraps [ErrTooFew].
func Fit(maxima []float64, days float64) (Tail, error) {
	sorted := slices.Clone(maxima)
	slices.Sort(sorted)
	n := len(sorted)
	k := min(n-1, max(exceedancesMin, min(n/10, exceedancesMax)))
	if k < exceedancesMin || days < daysMin {
		return Tail{}, fmt.Errorf("%w: %d maxima of %.0f days, want %d of %d", ErrTooFew, n, days, exceedancesMin+1, daysMin)
	}
	t := Tail{Start: sorted[n-k-1], Days: days, Largest: sorted[n-1]}
	var excess []float64
	for _, x := range sorted[n-k:] {
		if x > t.Start { // Equal values are no tail.
			excess = append(excess, x-t.Start)
		}
	}
	t.Beyond = len(excess)
	if t.Beyond < exceedancesMin/2 {
		return Tail{}, fmt.Errorf("%w: only %d of %.0f days differ from the others", ErrTooFew, t.Beyond, days)
	}
	var mean, weighted float64
	m := float64(t.Beyond)
	for i, y := range excess {
		mean += y
		weighted += float64(y * (m - float64(i) - 1) / (m - 1))
	}
	mean, weighted = mean/m, weighted/m
	t.Shape = 2 - mean/(mean-float64(2*weighted))
	t.Shape = max(ShapeMin, min(t.Shape, ShapeMax))
	t.Scale = float64(mean * (1 - t.Shape)) // The mean excess is scale/(1-shape).
	return t, nil
}

// Level returns the level in nats that a subject-day exceeds with probability
// per, between 0 and 1, and by which factor that is rarer than anything that
// was seen (1 where the data reach so far).
func (t Tail) Level(per float64) (nats, extrapolated float64) {
	ratio := float64(t.Beyond) / float64(t.Days*per)
	extrapolated = max(1, 1/float64(t.Days*per))
	if ratio <= 1 {
		return t.Start, extrapolated // More often than the tail reaches: it begins here.
	}
	ln := exact.Ln(ratio)
	if math.Abs(t.Shape) < 1e-6 {
		return t.Start + float64(t.Scale*ln), extrapolated
	}
	return t.Start + float64(t.Scale/t.Shape*(exact.Exp2(t.Shape*ln/math.Ln2)-1)), extrapolated
}

// Threshold is [Tail.Level] in hundredths of a nat, rounded up: as a threshold it never
// goes over the budget.
func (t Tail) Threshold(per float64) (nats, extrapolated float64) {
	nats, extrapolated = t.Level(per)
	return math.Ceil(nats*100) / 100, extrapolated
}

// Probability returns how probable it is that a subject-day exceeds a level in
// nats, as far as the tail reaches: at most Beyond/Days.
func (t Tail) Probability(nats float64) float64 {
	most := float64(t.Beyond) / t.Days
	y := (nats - t.Start) / t.Scale
	switch {
	case y <= 0:
		return most
	case math.Abs(t.Shape) < 1e-6:
		return most * exact.Exp2(-y/math.Ln2)
	}
	base := 1 + float64(t.Shape*y)
	if base <= 0 {
		return 0 // Beyond the end of a tail that has one.
	}
	return most * exact.Exp2(-exact.Ln(base)/t.Shape/math.Ln2)
}
