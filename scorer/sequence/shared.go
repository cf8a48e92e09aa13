package sequence

import (
	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Kind numbers the kinds of subject that have a curve each: programs repeat
// themselves as no person does.
type Kind uint8

// The kinds of subject.
const (
	Human Kind = iota
	Service
	Agent
	// KindCount is their number.
	KindCount int = iota
)

// MarginalBins is into how many bins by hash symbols are counted, to see
// whether a tenant does other things than it did.
const MarginalBins = 64

// Marginal counts symbols by the hash of each.
type Marginal [MarginalBins]uint32

// Shared is what the subjects of a tenant teach each other: it grows in each
// partition and merges into the next epoch. It takes 121 KiB.
type Shared struct {
	Prior *Prior
	Tails [KindCount]Tail
	// Adaptive are the tails of the adaptive test.
	Adaptive [KindCount]Tail
	// Steps are the events of Prior, faded as it, and Recent those since the epoch
	// in force began.
	Steps, Recent Marginal
}

// NewShared returns what nobody has taught.
func NewShared() *Shared { return &Shared{Prior: NewPrior()} }

// Add counts that x followed prev.
func (s *Shared) Add(prev, x Symbol) {
	s.Prior.Add(prev, x)
	s.Steps.Add(x)
	s.Recent.Add(x)
}

// Merge adds what another one has seen. The order of merges is part of the
// result, see [Prior.Merge].
func (s *Shared) Merge(o *Shared) {
	s.Prior.Merge(o.Prior)
	for i := range s.Tails {
		s.Tails[i].Merge(&o.Tails[i])
		s.Adaptive[i].Merge(&o.Adaptive[i])
	}
	for i, n := range o.Steps {
		s.Steps[i] += min(n, ^uint32(0)-s.Steps[i])
	}
}

// Fade lets everything fade by some time, by half in halfLife.
func (s *Shared) Fade(time, halfLife float64) {
	num := fadeOf(time, halfLife)
	s.Prior.Decay(num)
	for i := range s.Tails {
		s.Tails[i].Decay(num)
		s.Adaptive[i].Decay(num)
	}
	for i, n := range s.Steps {
		s.Steps[i] = uint32(uint64(n) * uint64(num) >> 8)
	}
}

// Code writes or reads it.
func (s *Shared) Code(k *snapshot.Codec) {
	s.Prior.Code(k)
	for i := range s.Tails {
		s.Tails[i].Code(k)
	}
	s.Steps.Code(k)
	s.Recent.Code(k)
}

// CodeAdaptive writes or reads the tails of the adaptive test, which Code leaves out:
// older bytes have none.
func (s *Shared) CodeAdaptive(k *snapshot.Codec) {
	for i := range s.Adaptive {
		s.Adaptive[i].Code(k)
	}
}

// Add counts a symbol.
func (m *Marginal) Add(x Symbol) {
	n := &m[mix(uint64(x))%MarginalBins]
	*n = min(*n, ^uint32(0)-1) + 1
}

// Total is how many symbols were counted.
func (m *Marginal) Total() float64 {
	n := 0.0
	for _, c := range m {
		n += float64(c)
	}
	return n
}

// Shift is the population stability index between two marginals: the sum over
// bins of (p-q)·ln(p/q), each bin with half an event more than it has. By the
// convention of credit scoring (Siddiqi 2006), from 0.25 on the population is
// another one. It is 0 where either has seen fewer than ShiftEventsMin.
func (m *Marginal) Shift(o *Marginal) float64 {
	n, of := m.Total(), o.Total()
	if n < ShiftEventsMin || of < ShiftEventsMin {
		return 0
	}
	sum := 0.0
	for i := range m {
		p := (float64(m[i]) + 0.5) / (n + MarginalBins/2)
		q := (float64(o[i]) + 0.5) / (of + MarginalBins/2)
		sum += float64((p - q) * exact.Ln(p/q))
	}
	return sum
}

// Code writes or reads the marginal.
func (m *Marginal) Code(k *snapshot.Codec) {
	for i := range m {
		u := uint64(m[i])
		k.U64(&u)
		if k.Reading() {
			m[i] = uint32(u)
		}
	}
}
