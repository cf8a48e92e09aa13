package profile

import (
	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

const (
	// gridSize concentrations are compared, each twice the one before, from
	// gridFrom on.
	gridSize = 14
	gridFrom = 1.0 / 32
	// gridLeast is how many observations a concentration is learned from.
	gridLeast = 1000
)

// Likelihood compares concentrations of the back-off from habits to those of
// peers, by how well each foretells an observation from all others: each is left
// out as it comes, so that the sum over observations is the Dirichlet evidence
// by which MacKay and Peto (1995) choose. The zero value has seen nothing. It
// takes 120 B.
type Likelihood struct {
	sums [gridSize]float64 // Of ln p, by concentration.
	n    float64
}

// Observe weighs one observation that the habit does not hold yet; peer is its
// probability among the peers. A habit that knows nothing says nothing.
func (l *Likelihood) Observe(c *Categorical, name string, peer, weight float64) {
	if c.Total() < 1 || !(peer > 0) {
		return
	}
	l.n += weight
	n := c.share(name)
	a := gridFrom
	for i := range l.sums {
		l.sums[i] += float64(weight * exact.Ln(posterior(n, c.total, peer, a)))
		a *= 2
	}
}

// Merge adds what another one has seen. The order of merges is part of the
// result.
func (l *Likelihood) Merge(o *Likelihood) {
	l.n += o.n
	for i := range l.sums {
		l.sums[i] += o.sums[i]
	}
}

// Decay multiplies what was seen by f, in (0, 1].
func (l *Likelihood) Decay(f float64) {
	l.n *= f
	for i := range l.sums {
		l.sums[i] *= f
	}
}

// Best is the most likely concentration, false where too little was seen.
func (l *Likelihood) Best() (float64, bool) {
	if l.n < gridLeast {
		return 0, false
	}
	best, a, most := 0, gridFrom, gridFrom
	for i := range l.sums {
		if l.sums[i] > l.sums[best] {
			best, most = i, a
		}
		a *= 2
	}
	return most, true
}

// Code writes or reads it.
func (l *Likelihood) Code(k *snapshot.Codec) {
	k.F64(&l.n)
	for i := range l.sums {
		k.F64(&l.sums[i])
	}
}
