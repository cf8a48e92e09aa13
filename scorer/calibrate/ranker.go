package calibrate

import (
	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// A Ranker turns a model's raw scores into surprise: the negative logarithm of
// the share of past scores that were at least as great, in nats. Below the 98 %
// quantile the share is counted; above it an exponential tail is fitted to the
// logarithms of the scores, which is a Pareto tail of the scores themselves
// (Siffer et al., Anomaly Detection in Streams with Extreme Value Theory, KDD
// 2017), so that a score beyond all others still says how far beyond.
//
// The zero value is ready; it says [RankerCold] until it has seen enough.
type Ranker struct {
	bins [rankerBins]float64 // Past scores, by logarithm.
	n    float64             // Sum of bins.
	due  float64             // Fit anew when n reaches this.

	// As of the last fit: how many of the scores were at least those of a bin, and
	// the tail, which begins at a bin with a surprise and rises by a slope for each.
	atLeast     [rankerBins]float64
	of          float64
	start       int
	base, slope float64
}

// RankerCold is the surprise of every score until [rankerWarm] scores were
// seen: about that of a median score.
const RankerCold = 0.7

// A score in [e^-14, e^14] falls into one of 1,024 bins, 2.7 % wide.
const (
	rankerBins   = 1024
	rankerLowest = -14.0
	rankerWidth  = 28.0 / rankerBins
	rankerWarm   = 16
	rankerTail   = 0.02 // Share of the scores that the fitted tail stands for.
	rankerGrowth = 1.05 // Between two fits.
	scoreFloor   = 1e-6 // Scores at or below are alike.
)

func bin(score float64) int {
	at := (exact.Ln(max(0, score)+scoreFloor) - rankerLowest) / rankerWidth
	return int(min(rankerBins-1, max(0, at)))
}

// Surprise is -ln P(a past score is at least this), in nats, at least 0.
func (r *Ranker) Surprise(score float64) float64 {
	if !r.Warm() {
		return RankerCold
	}
	i := bin(score)
	if i >= r.start {
		return r.base + float64(float64(i-r.start)*r.slope)
	}
	return -exact.Ln(r.atLeast[i] / r.of)
}

// Warm reports whether enough scores were seen to rank another.
func (r *Ranker) Warm() bool { return r.due != 0 && r.n >= rankerWarm }

// Learn counts one score, at least 0.
func (r *Ranker) Learn(score float64) {
	r.bins[bin(score)]++
	r.n++
	if r.n >= max(rankerWarm, r.due) {
		r.fit()
		r.due = float64(r.n*rankerGrowth) + 1
	}
}

// Halve gives everything so far half its weight.
func (r *Ranker) Halve() {
	r.n = 0
	for i := range r.bins {
		half := float64(r.bins[i] / 2)
		r.bins[i] = half
		r.n += half
	}
	r.due = r.n
}

// fit counts the shares and fits the tail. Half of a bin's own count and half an
// observation more keep every share above 0 and below 1. The logarithms are left
// to those who ask, because a fit is paid for by a single row.
func (r *Ranker) fit() {
	r.of = r.n + 1
	above, start := 0.0, rankerBins-1
	for start > 0 && above+r.bins[start] < float64(r.n*rankerTail)+1 {
		above += r.bins[start]
		start--
	}
	excess, tail := rankerWidth, 1.0
	for i := start; i < rankerBins; i++ {
		excess += float64(r.bins[i] * float64((float64(i-start)+0.5)*rankerWidth))
		tail += r.bins[i]
	}
	above += r.bins[start]
	r.start, r.base, r.slope = start, -exact.Ln((above+0.5)/r.of), rankerWidth*tail/excess
	for i := start - 1; i >= 0; i-- {
		r.atLeast[i] = above + float64(r.bins[i]/2) + 0.5
		above += r.bins[i]
	}
}

// Code writes or reads the state.
func (r *Ranker) Code(c *snapshot.Codec) {
	for _, f := range []*float64{&r.n, &r.due, &r.of, &r.base, &r.slope} {
		c.F64(f)
	}
	c.Int(&r.start)
	for i := range r.bins {
		c.F64(&r.bins[i])
		c.F64(&r.atLeast[i])
	}
}
