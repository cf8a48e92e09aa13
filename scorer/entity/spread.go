package entity

import (
	"math"
	"math/bits"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Spread counts distinct things by linear counting (Whang et al., TODS 1990):
// each new bit of the map stands for as many as would have hit a bit that is
// set already, so the sum of weights stays right up to some eight hundred.
type Spread struct {
	bits   [4]uint64
	Weight float64
}

// spreadBits is the size of the map.
const spreadBits = 256

// Add notes a thing by its hash and reports whether it was new.
func (s *Spread) Add(h uint64, weight float64) bool {
	word, bit := h>>6&3, uint64(1)<<(h&63)
	if s.bits[word]&bit != 0 {
		return false
	}
	used := 0
	for _, w := range s.bits {
		used += bits.OnesCount64(w)
	}
	s.bits[word] |= bit
	s.Weight += float64(weight*spreadBits) / float64(spreadBits-used)
	return true
}

func (s *Spread) code(k *snapshot.Codec) {
	for i := range s.bits {
		k.U64(&s.bits[i])
	}
	k.F64(&s.Weight)
}

// Beat follows how even the gaps between the requests of a session are.
type Beat struct {
	// N counts gaps; Mean and Variance are of the last twenty or so, in seconds.
	N              uint32
	Mean, Variance float64
	Last           int64
}

// beatShare is the weight of the newest gap.
const beatShare = 0.05

// Tap notes a request. Requests within half a second are one click.
func (b *Beat) Tap(at int64) bool {
	gap := Seconds(b.Last, at)
	if b.Last != 0 && gap < 0.5 {
		return false
	}
	first := b.Last == 0
	b.Last = at
	if first {
		return false
	}
	b.N = min(b.N+1, 1<<20)
	share := max(beatShare, 1/float64(b.N))
	d := gap - b.Mean
	b.Mean += float64(share * d)
	b.Variance = float64((1 - share) * (b.Variance + float64(share*float64(d*d))))
	return true
}

// Variation is the coefficient of variation of the gaps, in per cent.
func (b *Beat) Variation() float64 {
	if !(b.Mean > 0) {
		return 0
	}
	return 100 * math.Sqrt(b.Variance) / b.Mean
}

func (b *Beat) code(k *snapshot.Codec) {
	n := uint64(b.N)
	k.U64(&n)
	b.N = uint32(n)
	k.F64(&b.Mean)
	k.F64(&b.Variance)
	k.I64(&b.Last)
}
