package profile

import (
	"math"
	"slices"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Buckets is the number of powers of two that a histogram tells apart: the
// last holds everything above 2^46, 70 TB.
const Buckets = 48

// Numeric is a log histogram: bucket 0 counts values below 1, bucket i values
// in [2^(i-1), 2^i). The zero value is empty and ready to use. Only the buckets
// between the lowest and the highest in use take memory.
type Numeric struct {
	// cells are the total, the number of the lowest bucket, and the buckets from
	// there on: a subject has many histograms, most of them short or empty.
	cells []float32
}

// Places in [Numeric]'s cells.
const (
	totalCell = iota
	lowestCell
	bucketCells
)

// lowest is the number of the lowest bucket in use.
func (h *Numeric) lowest() int {
	if len(h.cells) == 0 {
		return 0
	}
	return int(h.cells[lowestCell])
}

// counts are the buckets from the lowest on.
func (h *Numeric) counts() []float32 {
	if len(h.cells) == 0 {
		return nil
	}
	return h.cells[bucketCells:]
}

// Bucket returns the bucket of x; what is negative or not a number is in 0.
func Bucket(x float64) int {
	if !(x >= 1) {
		return 0
	}
	_, e := math.Frexp(x)
	return min(e, Buckets-1)
}

// Add counts weight observations in a bucket.
func (h *Numeric) Add(bucket int, weight float64) {
	bucket = max(0, min(bucket, Buckets-1))
	old := h.counts()
	low, high := h.lowest(), h.lowest()+len(old)
	if len(old) == 0 {
		low, high = bucket, bucket
	}
	if bucket < low || bucket >= high {
		h.widen(min(low, bucket), max(high, bucket+1))
	}
	h.counts()[bucket-h.lowest()] += float32(weight)
	h.cells[totalCell] += float32(weight)
}

// widen makes room for the buckets from low to below high, among which are all
// that are in use, up to what the allocator gives anyway.
func (h *Numeric) widen(low, high int) {
	total, begin, old := float32(h.Total()), h.lowest()-low, len(h.counts())
	n := bucketCells + high - low
	wide := h.cells[:0]
	if cap(wide) < n {
		wide = slices.Grow([]float32(nil), n)
	}
	wide = wide[:n]
	if old > 0 {
		copy(wide[bucketCells+begin:], h.counts())
		clear(wide[bucketCells : bucketCells+begin])
		clear(wide[bucketCells+begin+old:])
	} else {
		clear(wide)
	}
	wide[totalCell], wide[lowestCell] = total, float32(low)
	h.cells = wide
}

// Emptied is a histogram of nothing in the memory of h.
func (h *Numeric) Emptied() Numeric { return Numeric{cells: h.cells[:0]} }

// at is the count of a bucket.
func (h *Numeric) at(bucket int) float64 {
	i, counts := bucket-h.lowest(), h.counts()
	if i < 0 || i >= len(counts) {
		return 0
	}
	return float64(counts[i])
}

// Decay multiplies every count by f, in (0, 1].
func (h *Numeric) Decay(f float64) {
	for i, n := range h.counts() {
		h.counts()[i] = float32(float64(n) * f)
	}
	if len(h.cells) > 0 {
		h.cells[totalCell] = float32(float64(h.cells[totalCell]) * f)
	}
}

// Total is the decayed number of observations.
func (h *Numeric) Total() float64 {
	if len(h.cells) == 0 {
		return 0
	}
	return float64(h.cells[totalCell])
}

// Count is the decayed number of observations in a bucket.
func (h *Numeric) Count(bucket int) float64 { return h.at(bucket) }

// Top is the highest bucket with at least so many observations, 0 for none.
func (h *Numeric) Top(least float64) int {
	for i := h.lowest() + len(h.counts()) - 1; i > 0; i-- {
		if h.at(i) >= least {
			return i
		}
	}
	return 0
}

// Above is the decayed number of observations at or above x. Within a bucket
// they are spread evenly over its logarithm; beyond the highest bucket that
// has any, half an observation falls off as a Pareto tail of the given index.
func (h *Numeric) Above(x, tail float64) float64 {
	b := Bucket(x)
	sum, top := 0.0, 0
	for i := h.lowest() + len(h.counts()) - 1; i > b; i-- {
		sum += h.at(i)
		if top == 0 && h.at(i) > 0 {
			top = i
		}
	}
	if h.at(b) > 0 {
		share := 1.0
		if b > 0 && b < Buckets-1 {
			share = 1 - float64(exact.Ln(x/math.Ldexp(1, b-1))/exact.Ln(2))
		}
		sum += float64(h.at(b) * max(0, share))
		top = max(top, b)
	}
	if h.Total() <= 0 {
		return 0
	}
	for i := b; top == 0 && i > 0; i-- {
		if h.at(i) > 0 {
			top = i
		}
	}
	edge := math.Ldexp(1, top) // Upper edge of the highest bucket in use.
	beyond := 0.5
	if x > edge {
		beyond = float64(0.5 * exact.Exp2(float64(-tail*exact.Ln(x/edge))/exact.Ln(2)))
	}
	return min(h.Total(), max(sum, beyond))
}

// Below is the decayed number of observations at or below x.
func (h *Numeric) Below(x float64) float64 {
	sum := 0.0
	for i := h.lowest(); i <= Bucket(x); i++ {
		sum += h.at(i)
	}
	return min(h.Total(), max(0.5, sum))
}

// Upper is the probability of a value at or above x, backed off to the peers
// and there to prior: (above + a·peer)/(n + a).
func (h *Numeric) Upper(x float64, peers *Numeric, prior, a, tail float64) float64 {
	return h.Posterior(x, peers.Share(x, prior, tail), a, tail)
}

// Share is the probability of a value at or above x, backed off to prior.
func (h *Numeric) Share(x, prior, tail float64) float64 {
	return (h.Above(x, tail) + prior) / (h.Total() + 1)
}

// Posterior is the probability of a value at or above x where the peers say
// that it is peer.
func (h *Numeric) Posterior(x, peer, a, tail float64) float64 {
	return min(1, (h.Above(x, tail)+float64(a*peer))/(h.Total()+a))
}

// TwoSided is the probability of a value as far out as x on either side, of
// the entity alone: twice the smaller tail, 1 without history.
func (h *Numeric) TwoSided(x, tail float64) float64 {
	if h.Total() <= 0 {
		return 1
	}
	return min(1, 2*min(h.Above(x, tail), h.Below(x))/h.Total())
}

// Quantile is the upper edge of the bucket below which a share q of the
// observations lies, 0 without history.
func (h *Numeric) Quantile(q float64) float64 {
	sum := 0.0
	for i, n := range h.counts() {
		sum += float64(n)
		if sum > 0 && sum >= float64(q*h.Total()) {
			return math.Ldexp(1, h.lowest()+i)
		}
	}
	return 0
}

// Nats turns a tail probability into evidence: ln(κ·p^(κ-1)), the logarithm of
// an e-value, whose expectation over p is 1 where nothing is wrong.
func Nats(p, kappa float64) float64 {
	return exact.Ln(kappa) - float64((1-kappa)*exact.Ln(min(1, max(1e-300, p))))
}

// Code writes or reads the habit.
func (h *Numeric) Code(k *snapshot.Codec) {
	if k.Reading() {
		h.read(k)
		return
	}
	total, first, counts := float32(h.Total()), uint64(h.lowest()), h.counts()
	k.U64(&first)
	snapshot.List(k, &counts, func(n *float32) { k.F32(n) })
	k.F32(&total)
}

// read takes the buckets to where they stay: a subject has many histograms.
func (h *Numeric) read(k *snapshot.Codec) {
	var first uint64
	k.U64(&first)
	first = min(first, Buckets-1)
	n := k.Len(0)
	h.cells = nil
	if n > 0 {
		h.cells = make([]float32, bucketCells+min(n, Buckets-int(first)))
		h.cells[lowestCell] = float32(first)
	}
	var total, beyond float32
	for i := range n {
		if k.Failed() {
			return
		}
		if bucketCells+i < len(h.cells) {
			k.F32(&h.cells[bucketCells+i])
		} else {
			k.F32(&beyond)
		}
	}
	k.F32(&total)
	if n > 0 {
		h.cells[totalCell] = total
	}
}
