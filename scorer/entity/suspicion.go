package entity

import (
	"math"
	"time"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Bounds of [Suspicion], which must hold every signal, group and rung; a test
// compares them with the catalogue.
const (
	SignalSlots  = 48
	GroupSlots   = 12
	CeilingSlots = 6
)

// Suspicion is the sequential test of one actor, in nats.
type Suspicion struct {
	// Piles are what has added up, by ceiling of the evidence and by group, in the
	// order in which they began. A calm actor has none.
	Piles []Pile
	// Marks is what each signal has counted already, in the order in which they
	// first did.
	Marks []Mark
	// Fresh is how much of what is held came from signals that renew.
	Fresh float64
	// Answered is how much of what is held the actor has answered by a proof: it
	// asks for no further one.
	Answered float64
	// At is when the numbers were last decayed, Block when the block began.
	At, Block int64
	// Level is the place on the ladder of the last verdict, which holds until
	// LevelUntil; VerdictAt is the event time that brought it about.
	Level                 int
	LevelUntil, VerdictAt int64
	// LevelToken is the hash of the token that the verdict is about, 0 where it is
	// about more.
	LevelToken uint64
	Reasons    []Reason
}

// Pile is what has added up in one group by evidence of one ceiling.
type Pile struct {
	Ceiling, Group uint8
	Nats           float64
}

// Held is the pile of a ceiling and group, 0 where there is none.
func (s *Suspicion) Held(ceiling, group int) float64 {
	for i := range s.Piles {
		if int(s.Piles[i].Ceiling) == ceiling && int(s.Piles[i].Group) == group {
			return s.Piles[i].Nats
		}
	}
	return 0
}

// Hold sets the pile of a ceiling, below [CeilingSlots], and group.
func (s *Suspicion) Hold(ceiling, group int, nats float64) {
	for i := range s.Piles {
		if int(s.Piles[i].Ceiling) == ceiling && int(s.Piles[i].Group) == group {
			s.Piles[i].Nats = nats
			return
		}
	}
	if nats != 0 {
		s.Piles = add(s.Piles, Pile{Ceiling: uint8(ceiling), Group: uint8(group), Nats: nats})
	}
}

// Mark is how much of one signal is counted already: Peak, and Strong the part
// of it that supports more than a step-up.
type Mark struct {
	Signal       int
	Peak, Strong float64
}

// Mark returns the mark of a signal or custom rule, and makes it where there is
// none; where there are too many, the one that counted least gives way. It is
// valid until the next call.
func (s *Suspicion) Mark(signal int) *Mark {
	for i := range s.Marks {
		if s.Marks[i].Signal == signal {
			return &s.Marks[i]
		}
	}
	if len(s.Marks) < MarksMax {
		s.Marks = add(s.Marks, Mark{Signal: signal})
		return &s.Marks[len(s.Marks)-1]
	}
	least := 0
	for i := range s.Marks {
		if s.Marks[i].Peak < s.Marks[least].Peak {
			least = i
		}
	}
	s.Marks[least] = Mark{Signal: signal}
	return &s.Marks[least]
}

// Peak is how much of a signal is counted already.
func (s *Suspicion) Peak(signal int) float64 {
	for i := range s.Marks {
		if s.Marks[i].Signal == signal {
			return s.Marks[i].Peak
		}
	}
	return 0
}

// Reason is the strongest that a signal has said about an actor.
type Reason struct {
	Signal    int
	Nats, Raw float64
	// At is when it was said: one of which next to nothing is left is forgotten.
	At int64
	// Text is written over where the signal says more.
	Text []byte
}

// reason is what a signal has said, nil for nothing.
func (s *Suspicion) reason(signal int) *Reason {
	for i := range s.Reasons {
		if s.Reasons[i].Signal == signal {
			return &s.Reasons[i]
		}
	}
	return nil
}

// Pace is how suspicion fades: what is held in a group halves in HalfLife, and
// loses at least its rent in each block.
type Pace struct {
	HalfLife, Block time.Duration
	// Rents are in nats by group.
	Rents [GroupSlots]float64
}

// left is what remains of a pile after some time, of which f is the decay: it
// halves while that takes more than the rent does, and pays the rent from then on.
func (p *Pace) left(nats, elapsed, f, rent float64) float64 {
	faded := fade(nats, f)
	if !(rent > 0) || !(nats > 0) {
		return faded
	}
	rent /= float64(p.Block)
	from := rent * float64(p.HalfLife) / math.Ln2 // Here both take the same.
	if faded >= from {
		return faded
	}
	if nats > from {
		elapsed -= float64(float64(p.HalfLife) * exact.Ln(nats/from) / math.Ln2)
		nats = from
	}
	return max(0, nats-float64(rent*elapsed))
}

// Remember adds the reason of a signal that has none yet, in the memory of one
// that was forgotten, and keeps nothing of the text.
func (s *Suspicion) Remember(r Reason, text string) {
	n := len(s.Reasons)
	if n < cap(s.Reasons) {
		r.Text = s.Reasons[:n+1][n].Text
	}
	r.Text = append(r.Text[:0], text...)
	s.Reasons = add(s.Reasons, r)
}

// Decay lets suspicion fade to now.
func (s *Suspicion) Decay(now int64, pace *Pace) {
	if s.At == 0 {
		s.At, s.Block = now, now
		return
	}
	if now <= s.At {
		return
	}
	elapsed := float64(now - s.At)
	f := exact.Decay(elapsed, float64(pace.HalfLife))
	s.At = now
	piles := s.Piles[:0]
	for _, p := range s.Piles {
		p.Nats = pace.left(p.Nats, elapsed, f, pace.Rents[p.Group])
		if p.Nats != 0 {
			piles = append(piles, p)
		}
	}
	s.Piles = piles
	s.Fresh, s.Answered = fade(s.Fresh, f), fade(s.Answered, f)
	kept := s.Marks[:0]
	for _, m := range s.Marks {
		m.Peak, m.Strong = fade(m.Peak, f), fade(m.Strong, f)
		if m.Peak != 0 || m.Strong != 0 {
			kept = append(kept, m)
		}
	}
	s.Marks = kept
	if s.Level == 0 && len(s.Reasons) > 0 {
		s.forgetReasons(now - reasonHalves*int64(pace.HalfLife))
	}
}

// reasonHalves is for how many half-lives a reason explains something: of what it
// added, less than 2 % is left then.
const reasonHalves = 6

// forgetReasons drops the reasons from before a time. The texts of those that
// are dropped stay behind the others, to be written over.
func (s *Suspicion) forgetReasons(before int64) {
	kept := 0
	for i := range s.Reasons {
		if s.Reasons[i].At >= before {
			s.Reasons[kept], s.Reasons[i] = s.Reasons[i], s.Reasons[kept]
			kept++
		}
	}
	s.Reasons = s.Reasons[:kept]
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
	for i := range s.Piles {
		sum += s.Piles[i].Nats
	}
	return max(floor, sum)
}

// Clear forgets what supports at most the given ceiling, after the actor has
// proven who he is, and takes the rest for answered. Peaks stay, so that the
// same facts do not count again.
func (s *Suspicion) Clear(ceiling int) {
	kept := s.Piles[:0]
	s.Answered = 0
	for _, p := range s.Piles {
		if int(p.Ceiling) > ceiling {
			kept = append(kept, p)
			s.Answered += p.Nats
		}
	}
	s.Piles = kept
	s.Reasons = s.Reasons[:0]
}

// Code writes or reads the suspicion.
func (s *Suspicion) Code(k *snapshot.Codec) {
	snapshot.List(k, &s.Piles, func(p *Pile) {
		ceiling, group := uint64(p.Ceiling), uint64(p.Group)
		k.U64(&ceiling)
		k.U64(&group)
		k.F64(&p.Nats)
		p.Ceiling, p.Group = uint8(min(ceiling, CeilingSlots-1)), uint8(min(group, GroupSlots-1))
	})
	snapshot.List(k, &s.Marks, func(m *Mark) {
		k.Int(&m.Signal)
		k.F64(&m.Peak)
		k.F64(&m.Strong)
	})
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
		text := string(r.Text)
		k.Str(&text)
		if k.Reading() {
			r.Text = []byte(text)
		}
	})
	k.F64(&s.Answered)
	k.U64(&s.LevelToken)
}
