package calibrate

import (
	"math/rand/v2"
	"slices"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Limits of a [Conformal].
const (
	// ConformalMax scores are kept, a uniform sample of those that were released.
	ConformalMax = 1000
	// PendingMax scores wait in quarantine; beyond, the oldest are given up.
	PendingMax = 4096
)

// A Conformal turns scores into conformal p-values against scores that proved
// normal (Vovk et al., Algorithmic Learning in a Random World, 2005). A score
// waits in quarantine until [Conformal.Release]; whoever turned out bad in the
// meantime is withdrawn and never becomes part of what normal is.
type Conformal struct {
	rng      *rand.PCG
	scores   []float64 // In order.
	released uint64
	pending  []pending // Oldest first.
}

// pending is a score in quarantine.
type pending struct {
	key   uint64
	at    int64
	score float64
}

// NewConformal returns an empty one; seed drives the sample.
func NewConformal(seed uint64) *Conformal {
	// All memory of the scores at once: 8 KB.
	return &Conformal{rng: rand.NewPCG(seed, 0), scores: make([]float64, 0, ConformalMax)}
}

// P is the share of normal scores that are at least this, the score itself
// counted among them: in [1/1001, 1], and 1 while nothing is known.
func (c *Conformal) P(score float64) float64 {
	below, _ := slices.BinarySearch(c.scores, score)
	return float64(len(c.scores)-below+1) / float64(len(c.scores)+1)
}

// Offer puts a score into quarantine at a time of the stream. key names whose
// it is, for [Conformal.Withdraw]; times do not decrease.
func (c *Conformal) Offer(key uint64, at int64, score float64) {
	if len(c.pending) == PendingMax {
		c.pending = slices.Delete(c.pending, 0, PendingMax/8)
	}
	c.pending = append(c.pending, pending{key, at, score})
}

// Withdraw gives up every score of key that is in quarantine.
func (c *Conformal) Withdraw(key uint64) {
	c.pending = slices.DeleteFunc(c.pending, func(p pending) bool { return p.key == key })
}

// Release takes what was offered up to a time out of quarantine and into the
// normal scores.
func (c *Conformal) Release(until int64) {
	n := 0
	for n < len(c.pending) && c.pending[n].at <= until {
		c.learn(c.pending[n].score)
		n++
	}
	c.pending = slices.Delete(c.pending, 0, n)
}

func (c *Conformal) learn(score float64) {
	c.released++
	if len(c.scores) == ConformalMax {
		out := c.rng.Uint64() % c.released
		if out >= ConformalMax {
			return
		}
		c.scores = slices.Delete(c.scores, int(out), int(out)+1)
	}
	at, _ := slices.BinarySearch(c.scores, score)
	c.scores = slices.Insert(c.scores, at, score)
}

// Code writes or reads the state; one that reads must come from [NewConformal].
// A list that no state has makes the codec's error one of the payload's.
func (c *Conformal) Code(s *snapshot.Codec) {
	var text string
	if !s.Reading() {
		b, _ := c.rng.MarshalBinary() // Its error is always nil.
		text = string(b)
	}
	s.Str(&text)
	if s.Reading() && c.rng.UnmarshalBinary([]byte(text)) != nil {
		c.rng = rand.NewPCG(0, 0)
	}
	s.U64(&c.released)
	snapshot.List(s, &c.scores, s.F64)
	snapshot.List(s, &c.pending, func(p *pending) {
		s.U64(&p.key)
		s.I64(&p.at)
		s.F64(&p.score)
	})
	if s.Reading() {
		c.scores = c.scores[:min(len(c.scores), ConformalMax)]
		c.pending = c.pending[:min(len(c.pending), PendingMax)]
		slices.Sort(c.scores)
	}
}
