package sequence

import (
	"math"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// How the tail of clean sessions is kept and fitted.
const (
	tailBins = 1024
	tailStep = 1.0 / 16 // In spreads; what lies beyond 64 counts as 64.
	// tailShare is the share of sessions, the highest, that the fit is made of.
	tailShare = 0.1
	// tailSessionsMin is how many sessions a fit needs: of ten above its beginning
	// the scale is a guess, but over all such guesses the evidence is not inflated,
	// because a fit claims no share that its number of sessions cannot support.
	tailSessionsMin = 100
	// shapeMax bounds the fitted shape, at which the mean is barely finite. The
	// least is 0: a tail that ends would be a claim no sample can support.
	shapeMax = 0.9
	// kappa is that of the e-value kappa*p^(kappa-1) (Vovk and Wang 2021).
	kappa = 0.3
	// beyond is how many times the sample's own least share a fit may claim: what
	// happens more rarely, a sample of this size knows nothing about.
	beyond = 20
)

// Tail counts the peaks of clean sessions, in bins, so that it merges exactly.
// Sessions with a verdict are left out, for their peak is where we cut. The
// zero value is empty. It takes 4 KiB.
type Tail struct {
	bins   [tailBins]uint32
	decays uint32
}

// Observe counts the peak of one clean session.
func (t *Tail) Observe(peak float64) {
	i := 0
	if peak > 0 {
		i = int(min(tailBins-1, peak/tailStep))
	}
	t.bins[i] = min(t.bins[i], math.MaxUint32-1) + 1
}

// Merge adds what another tail has counted.
func (t *Tail) Merge(o *Tail) {
	for i := range t.bins {
		t.bins[i] += min(o.bins[i], math.MaxUint32-t.bins[i])
	}
}

// Decay lets the counts fade to num/256 of themselves. What is cut off is
// rounded up for as many bins as it is a share of one, others each time.
func (t *Tail) Decay(num uint8) {
	t.decays++
	for i, c := range t.bins {
		if c > 0 {
			dither := mix(uint64(t.decays)<<32|uint64(i)) & 0xff
			t.bins[i] = uint32((uint64(c)*uint64(num) + dither) >> 8)
		}
	}
}

// Sessions is how many peaks were counted.
func (t *Tail) Sessions() int {
	n := 0
	for _, c := range t.bins {
		n += int(c)
	}
	return n
}

// Code writes or reads the tail.
func (t *Tail) Code(k *snapshot.Codec) {
	u := uint64(t.decays)
	k.U64(&u)
	t.decays = uint32(u)
	for i := range t.bins {
		u := uint64(t.bins[i])
		k.U64(&u)
		t.bins[i] = uint32(u)
	}
}

// Curve is the fitted tail: of clean sessions, the share Share has a peak
// above From, and beyond it a generalised Pareto tail of the given shape and
// scale. It claims no share below Least. The zero value is no fit.
type Curve struct{ From, Share, Shape, Scale, Least float64 }

// Fit fits a generalised Pareto distribution to the highest tenth of the peaks
// by probability-weighted moments (Hosking and Wallis 1987), the way of
// peaks over threshold (Siffer et al., KDD 2017). It reports false when there
// are too few sessions.
func (t *Tail) Fit() (Curve, bool) {
	n := t.Sessions()
	if n < tailSessionsMin {
		return Curve{}, false
	}
	start, above := tailBins, 0
	for float64(above) < tailShare*float64(n) {
		start--
		above += int(t.bins[start])
	}
	c := Curve{From: float64(start) * tailStep, Share: float64(above) / float64(n), Least: 1 / float64(beyond*n)}
	mean, weighted, rank := 0.0, 0.0, 0.0
	for i := start; i < tailBins; i++ {
		k := float64(t.bins[i])
		if k == 0 {
			continue
		}
		excess := (float64(i-start) + 0.5) * tailStep
		mean += float64(k*excess) / float64(above)
		rest := 1 - (rank+float64((k-1)/2)+0.65)/float64(above)
		weighted += float64(float64(k*excess)*rest) / float64(above)
		rank += k
	}
	c.Shape, c.Scale = 0, max(tailStep, mean)
	gap := mean - 2*weighted
	if gap > 0 {
		c.Shape = min(shapeMax, max(0, 2-mean/gap))
		c.Scale = max(tailStep, float64(mean*(1-c.Shape))) // The mean is kept.
	}
	return c, true
}

// Code writes or reads the curve. Whatever is read gives finite evidence.
func (c *Curve) Code(k *snapshot.Codec) {
	for _, v := range []*float64{&c.From, &c.Share, &c.Shape, &c.Scale, &c.Least} {
		k.F64(v)
	}
	if !k.Reading() {
		return
	}
	c.From, c.Share = max(0, c.From), min(1, max(0, c.Share))
	c.Shape, c.Scale = min(shapeMax, max(0, c.Shape)), max(0, c.Scale)
	c.Least = min(1, max(0, c.Least))
}

// P is the share of clean sessions with a peak of at least level, in (0, 1];
// below From it is 1.
func (c Curve) P(level float64) float64 {
	if level < c.From || c.Scale <= 0 {
		return 1
	}
	x := (level - c.From) / c.Scale
	if c.Shape < 1e-6 {
		return max(c.Least, math.SmallestNonzeroFloat64, c.Share*exact.Exp2(-x/math.Ln2))
	}
	return max(c.Least, math.SmallestNonzeroFloat64, c.Share*exact.Exp2(-exact.Ln(1+float64(c.Shape*x))/(c.Shape*math.Ln2)))
}

// Nats is the evidence for a takeover at a level: ln(kappa*p^(kappa-1)), whose
// exponential has a mean of at most 1 over clean sessions. Without a fit it
// is 0.
func (c Curve) Nats(level float64) float64 {
	if c.Scale <= 0 {
		return 0
	}
	return exact.Ln(kappa) - float64((1-kappa)*exact.Ln(c.P(level)))
}

// NatsOf is the evidence of a step by the curves of both tests: the logarithm of the
// mean of their e-values, for they look at the same events (Vovk and Wang 2021).
// Where only the first has a fit it is that one's.
func NatsOf(c, adaptive Curve, s Step) float64 {
	a := c.Nats(s.Level)
	if adaptive.Scale <= 0 {
		return a
	}
	b := adaptive.Nats(s.Adaptive)
	high, low := max(a, b), min(a, b)
	return high + exact.Ln((1+exact.Exp2((low-high)/math.Ln2))/2)
}

// Threshold is the level that a share risk of clean sessions reaches, in
// (0, Share]; a larger risk gives From, and no fit a level that none reaches.
func (c Curve) Threshold(risk float64) float64 {
	switch {
	case c.Scale <= 0 || !(risk > 0):
		return math.MaxFloat64
	case risk >= c.Share:
		return c.From
	}
	l := exact.Ln(c.Share / risk)
	if c.Shape < 1e-6 {
		return c.From + float64(c.Scale*l)
	}
	return c.From + float64(c.Scale*(exact.Exp2(c.Shape*l/math.Ln2)-1))/c.Shape
}
