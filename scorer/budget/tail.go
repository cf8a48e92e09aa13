package budget

import (
	"cmp"
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

// Fit fits a tail to the largest maxima of days subject-days: peaks over threshold
// (Coles, An Introduction to Statistical Modeling of Extreme Values, 2001, chapter 4).
// maxima holds the largest of them in any order; days that are not in it had smaller
// ones. The error wraps [ErrTooFew].
//
// Without days that a verdict cut short the excesses are fitted by probability weighted
// moments (Hosking and Wallis, Technometrics 29, 1987, eqs. 9 and 10). Days that were
// cut short are censored on the right: beyond the start they count in the likelihood
// with the probability of more than was seen, and those below it are spread over the
// larger ones (Kaplan and Meier, JASA 53, 1958), which makes the days fewer that the
// tail is a share of. Taken for whole days they would bend the tail to end where the
// verdicts begin.
func Fit(maxima []Maximum, days float64) (Tail, error) {
	sorted := slices.Clone(maxima)
	slices.SortFunc(sorted, func(a, b Maximum) int {
		if a.Nats == b.Nats && a.Cut != b.Cut {
			if b.Cut {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Nats, b.Nats)
	})
	n := len(sorted)
	k := min(n-1, max(exceedancesMin, min(n/10, exceedancesMax)))
	if k < exceedancesMin || days < daysMin {
		return Tail{}, fmt.Errorf("%w: %d maxima of %.0f days, want %d of %d", ErrTooFew, n, days, exceedancesMin+1, daysMin)
	}
	t := Tail{Start: sorted[n-k-1].Nats, Days: days, Largest: sorted[n-1].Nats}
	var excess []Maximum
	whole := 0
	for _, x := range sorted[n-k:] {
		if x.Nats > t.Start { // Equal values are no tail.
			excess = append(excess, Maximum{x.Nats - t.Start, x.Cut})
			if !x.Cut {
				whole++
			}
		}
	}
	t.Beyond = len(excess)
	if whole < exceedancesMin/2 {
		return Tail{}, fmt.Errorf("%w: only %d of %.0f days differ from the others", ErrTooFew, whole, days)
	}
	t.Days = known(sorted[:n-t.Beyond], n, days)
	if whole == t.Beyond {
		t.byMoments(excess)
	} else {
		t.byLikelihood(excess, whole)
	}
	return t, nil
}

// known is of how many days those beyond the start are a share: of days, without what
// days below it that were cut short could have come to. below are the smaller ones of n
// maxima, in their order.
func known(below []Maximum, n int, days float64) float64 {
	survive := float64(n) / days // Of the days, have such a maximum at least.
	cut := false
	for i, x := range below {
		cut = cut || x.Cut
		if !x.Cut {
			survive = float64(survive * (1 - 1/float64(n-i)))
		}
	}
	if !cut {
		return days
	}
	return float64(n-len(below)) / survive
}

// byMoments fits the excesses, in their order.
func (t *Tail) byMoments(excess []Maximum) {
	var mean, weighted float64
	m := float64(t.Beyond)
	for i, y := range excess {
		mean += y.Nats
		weighted += float64(y.Nats * (m - float64(i) - 1) / (m - 1))
	}
	mean, weighted = mean/m, weighted/m
	t.Shape = 2 - mean/(mean-float64(2*weighted))
	t.Shape = max(ShapeMin, min(t.Shape, ShapeMax))
	t.Scale = float64(mean * (1 - t.Shape)) // The mean excess is scale/(1-shape).
}

// byLikelihood fits excesses some of which are cut short: the scale that is likeliest
// for a shape, and the likeliest shape.
func (t *Tail) byLikelihood(excess []Maximum, whole int) {
	sum := 0.0
	for _, y := range excess {
		sum += y.Nats
	}
	largest, typical := t.Largest-t.Start, sum/float64(whole)
	scale := func(shape float64) float64 {
		least := max(typical/scaleSpan, float64(-shape*largest)*(1+1e-9))
		ln := peak(exact.Ln(least), exact.Ln(max(least, typical)*scaleSpan), func(ln float64) float64 {
			return likelihood(excess, whole, shape, exact.Exp2(ln/math.Ln2))
		})
		return exact.Exp2(ln / math.Ln2)
	}
	t.Shape = peak(ShapeMin, ShapeMax, func(shape float64) float64 { return likelihood(excess, whole, shape, scale(shape)) })
	t.Scale = scale(t.Shape)
}

// likelihood is the logarithm of that of excesses, of which so many are whole.
func likelihood(excess []Maximum, whole int, shape, scale float64) float64 {
	sum := -float64(float64(whole) * exact.Ln(scale))
	for _, y := range excess {
		z := y.Nats / scale
		ln, survival := 0.0, z // Of 1+shape·z; and of how many exceed y, negative.
		if math.Abs(shape) >= 1e-6 {
			base := 1 + float64(shape*z)
			if base <= 0 {
				return math.Inf(-1)
			}
			ln = exact.Ln(base)
			survival = ln / shape
		}
		sum -= survival
		if !y.Cut {
			sum -= ln
		}
	}
	return sum
}

// peak finds where a function that rises and then falls is highest between two
// numbers, by the golden section.
func peak(lo, hi float64, f func(float64) float64) float64 {
	const golden = 0.6180339887498949
	a, b := hi-float64(golden*(hi-lo)), lo+float64(golden*(hi-lo))
	fa, fb := f(a), f(b)
	for range peakSteps {
		if fa >= fb {
			hi, b, fb = b, a, fa
			a = hi - float64(golden*(hi-lo))
			fa = f(a)
		} else {
			lo, a, fa = a, b, fb
			b = lo + float64(golden*(hi-lo))
			fb = f(b)
		}
	}
	return (lo + hi) / 2
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
