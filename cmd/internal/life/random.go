package life

import (
	"math"
	"math/rand/v2"
	"time"
)

// dice is one stream of numbers. Every visit, day and attack has its own, so
// that no purpose shifts another's: attackers that are mixed in change nothing
// about the lives of others.
type dice struct{ *rand.Rand }

// Purposes keep the streams of one actor apart.
const (
	forTenant uint64 = iota + 1
	forNetwork
	forPerson
	forDay
	forVisit
	forRobot
	forLine
	forAttack
	forTaste
	forRelease
	forStorm
	forName
	forVisitors
	forWindow
)

// mix hashes numbers to one (the finalizer of SplitMix64, Steele et al. 2014).
func mix(parts ...uint64) uint64 {
	h := uint64(0x9E3779B97F4A7C15)
	for _, p := range parts {
		h ^= p + 0x9E3779B97F4A7C15 + h<<6 + h>>2
		h = (h ^ h>>30) * 0xBF58476D1CE4E5B9
		h = (h ^ h>>27) * 0x94D049BB133111EB
		h ^= h >> 31
	}
	return h
}

// share maps a hash to [0, 1).
func share(h uint64) float64 { return float64(h>>11) / (1 << 53) }

func newDice(parts ...uint64) dice {
	h := mix(parts...)
	return dice{rand.New(rand.NewPCG(h, mix(h, 1)))} //nolint:gosec // Numbers that repeat are wanted, not secrets.
}

func (d dice) chance(p float64) bool { return d.Float64() < p }

// between is uniform in [lo, hi).
func (d dice) between(lo, hi float64) float64 { return lo + float64((hi-lo)*d.Float64()) }

// logNormal has the given median; sigma is that of the logarithm.
func (d dice) logNormal(median, sigma float64) float64 {
	return median * math.Exp(sigma*d.NormFloat64())
}

// pareto is a heavy tail above least with the given index.
func (d dice) pareto(least, index float64) float64 {
	return least / math.Pow(1-d.Float64(), 1/index)
}

// wait is exponential.
func (d dice) wait(mean time.Duration) time.Duration {
	return time.Duration(d.ExpFloat64() * float64(mean))
}

// span is uniform in [lo, hi).
func (d dice) span(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(d.Float64()*float64(hi-lo))
}

// pick chooses an index by weight, the last one should rounding leave none.
func (d dice) pick(weights []float64) int {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	return slot(weights, d.Float64()*sum)
}

// slot is the index in whose weight x falls, as they lie one after the other.
func slot(weights []float64, x float64) int {
	for i, w := range weights {
		x -= w
		if x < 0 {
			return i
		}
	}
	return len(weights) - 1
}

// zipf chooses one of n, the first ones far more often: about 1/(k+1).
func (d dice) zipf(n int) int {
	k := int(math.Exp(d.Float64()*math.Log(float64(n+1)))) - 1
	return min(max(k, 0), n-1)
}
