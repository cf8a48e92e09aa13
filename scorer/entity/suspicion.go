package entity

import (
	"time"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Sizes of [Suspicion], which must hold every signal, group and rung; a test
// of the engine compares them with the catalogue.
const (
	SignalSlots  = 48
	GroupSlots   = 12
	CeilingSlots = 6
)

// Suspicion is the sequential test of one actor, in nats.
type Suspicion struct {
	// Held is what has added up, by ceiling of the evidence and by group.
	Held [CeilingSlots][GroupSlots]float64
	// Peaks is how much of each signal is counted already; Strong the part of
	// it that supports more than a step-up.
	Peaks, Strong [SignalSlots]float64
	// Fresh is how much of what is held came from signals that renew.
	Fresh float64
	// At is when the numbers were last decayed, Block when the block began.
	At, Block int64
	// Level is the place on the ladder of the last verdict, which holds until
	// LevelUntil; VerdictAt is the event time that brought it about.
	Level                 int
	LevelUntil, VerdictAt int64
	Reasons               []Reason
}

// Reason is the strongest that a signal has said about an actor.
type Reason struct {
	Signal    int
	Nats, Raw float64
	At        int64
	Text      string
}

// Decay lets suspicion fade to now.
func (s *Suspicion) Decay(now int64, halfLife time.Duration) {
	if s.At == 0 {
		s.At, s.Block = now, now
		return
	}
	if now <= s.At {
		return
	}
	f := exact.Decay(float64(now-s.At), float64(halfLife))
	s.At = now
	for c := range s.Held {
		for g := range s.Held[c] {
			s.Held[c][g] = fade(s.Held[c][g], f)
		}
	}
	s.Fresh = fade(s.Fresh, f)
	for i := range s.Peaks {
		s.Peaks[i] = fade(s.Peaks[i], f)
		s.Strong[i] = fade(s.Strong[i], f)
	}
}

// fade drops what has become too small to matter, so that no number lingers
// as a denormal.
func fade(x, f float64) float64 {
	if x < 1e-6 && x > -1e-6 {
		return 0
	}
	return x * f
}

// Total is all that is held, at least floor.
func (s *Suspicion) Total(floor float64) float64 {
	sum := 0.0
	for c := range s.Held {
		for _, w := range s.Held[c] {
			sum += w
		}
	}
	return max(floor, sum)
}

// Clear forgets what supports at most the given ceiling, after the actor has
// proven who he is. Peaks stay, so that the same facts do not count again.
func (s *Suspicion) Clear(ceiling int) {
	for c := range min(ceiling+1, CeilingSlots) {
		s.Held[c] = [GroupSlots]float64{}
	}
	s.Reasons = nil
}

// Code writes or reads the suspicion.
func (s *Suspicion) Code(k *snapshot.Codec) {
	for c := range s.Held {
		for g := range s.Held[c] {
			k.F64(&s.Held[c][g])
		}
	}
	for i := range s.Peaks {
		k.F64(&s.Peaks[i])
		k.F64(&s.Strong[i])
	}
	k.F64(&s.Fresh)
	k.I64(&s.At)
	k.I64(&s.Block)
	k.Int(&s.Level)
	k.I64(&s.LevelUntil)
	k.I64(&s.VerdictAt)
	snapshot.List(k, &s.Reasons, func(r *Reason) {
		k.Int(&r.Signal)
		k.F64(&r.Nats)
		k.F64(&r.Raw)
		k.I64(&r.At)
		k.Str(&r.Text)
	})
}
