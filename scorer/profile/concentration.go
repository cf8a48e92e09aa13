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

// Trial is what the observations of one delta say about each concentration. The
// zero value has seen nothing. It keeps products of probabilities, because they
// come in numbers and a logarithm costs as much as ten multiplications.
type Trial struct {
	n        int
	products [gridSize]float64 // Since the last of the logarithms, by concentration.
	sums     [gridSize]float64 // Of ln p.
}

// productLeast is where the logarithm of a product is taken before it underflows.
const productLeast = 1e-200

// Observe takes one observation that the habit does not hold yet; peer is its
// probability among the peers. A habit that knows nothing says nothing.
func (t *Trial) Observe(c *Categorical, name string, peer float64) {
	t.ObserveAmong(c, name, 1, peer)
}

// ObserveAmong is Observe for a habit of many, each of whose observations counts
// only as much as it is worth, see [Worth].
func (t *Trial) ObserveAmong(c *Categorical, name string, worth, peer float64) {
	n, total := float64(worth*c.share(name)), float64(worth*c.total)
	if total < 1 || !(peer > 0) {
		return
	}
	a := gridFrom
	for i := range t.products {
		p := posterior(n, total, peer, a)
		if t.n > 0 {
			p *= t.products[i]
		}
		if p < productLeast {
			t.sums[i] += exact.Ln(p)
			p = 1
		}
		t.products[i] = p
		a *= 2
	}
	t.n++
}

// Add weighs what a trial says, each of its observations alike.
func (l *Likelihood) Add(t *Trial, weight float64) {
	if t.n == 0 {
		return
	}
	l.n += float64(weight * float64(t.n))
	for i := range l.sums {
		l.sums[i] += float64(weight * (t.sums[i] + exact.Ln(t.products[i])))
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
