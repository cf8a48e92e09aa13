package entity

import (
	"math"
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/sequence"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Subject is what is known about who acts, over all sessions. It takes 760 B by
// itself, and 8 more would cost the next size of the allocator.
type Subject struct {
	Habits
	// LastPlace is where the subject last sent a request from, and LastSession
	// the hash of the session in which.
	LastPlace   Place
	LastSession uint64
	// Open are the sessions that wait to teach, oldest first.
	Open []string
	// left is nil for most.
	left *leftBehind
	Week profile.Week
	// Candidates are values that have been shown and are not known yet.
	Candidates []Candidate
	// NewDay is the day on which News values became known, and TaughtDay that of
	// the latest delta, of which there were Taught that day.
	NewDay, TaughtDay int32
	News, Taught      uint16
	// Tops are the largest buckets that a delta may teach, by measure, 0 for no
	// bound, as they were fixed on GrownDay. Exceeded has a bit for each measure of
	// which the tenant has learned more since.
	Tops     [MeasureCount]uint8
	Exceeded uint8
	GrownDay uint16
	// shownOn is the day of what is shown (see Prevalence), with voiced where that is
	// not the subject's first.
	shownOn uint16
	// Total counts every request, whether or not it taught, as far as it can.
	Total uint32
	// Odd is how far the sessions of the subject are usually unlike clean requests
	// of their kind, in nats; see [Subject.LearnOdd].
	Odd float32
	// Sequence is the order in which the subject does things, nil as long as there
	// were too few events to begin with.
	Sequence *sequence.Habit
}

// SequenceFrom is from how many events on the order of a subject's events is
// followed: who comes once costs no memory for it.
const SequenceFrom = 64

// leftBehind is what most subjects do not have: the suspicion that the next session
// of the same use inherits, and the decayed number of second factors that
// were refused, and what the day has shown.
type leftBehind struct {
	carried  []Carried
	refusals Fading
	shown    shown
}

// leave is left to be changed, made where there is none.
func (s *Subject) leave() *leftBehind {
	if s.left == nil {
		s.left = new(leftBehind)
	}
	return s.left
}

// Refusals is the decayed number of second factors that were refused, to be
// changed.
func (s *Subject) Refusals() *Fading { return &s.leave().refusals }

// Refused is Refusals to be read.
func (s *Subject) Refused() Fading {
	if s.left == nil {
		return Fading{}
	}
	return s.left.refusals
}

// Carried is suspicion left behind by a session, and by what another may be told to
// be the next of the same use: hashes, 0 for none.
type Carried struct {
	Session                string
	Client, Device, Prefix uint64
	Nats                   float64
	At                     int64
}

// follows reports whether a session that shows n may be the next of c's.
func (c *Carried) follows(n *Carried) bool {
	same := func(a, b uint64) bool { return a == b && a != 0 }
	return same(c.Client, n.Client) || same(c.Device, n.Device) || same(c.Prefix, n.Prefix)
}

// LearnOdd takes the strongest that the test of a clean session has stood at, in
// nats. What is usual follows four sessions in five: up by half of the way and
// down by an eighth, and never up by more than a nat at once.
func (s *Subject) LearnOdd(peak float32) {
	gap := peak - s.Odd
	if gap > 0 {
		s.Odd += min(float32(gap/2), 1)
		return
	}
	s.Odd += float32(gap / 8)
}

// Count notes a request.
func (s *Subject) Count() { s.Total += min(1, math.MaxUint32-s.Total) }

// Watch notes a session that may have something to teach. Where too many wait, the
// one at idle gives way, the place of one that never will teach, and below 0 the one
// in the middle: of a program that has a session for each request the oldest come to
// teach, and the latest are those that are in use.
func (s *Subject) Watch(session string, idle int) {
	if slices.Contains(s.Open, session) {
		return
	}
	if len(s.Open) >= OpenSessionsMax {
		if idle < 0 {
			idle = len(s.Open) / 2
		}
		s.Open = slices.Delete(s.Open, idle, idle+1)
	}
	s.Open = add(s.Open, session)
}

// CarriedLeast is the least suspicion in nats that is worth inheriting.
const CarriedLeast = 0.5

// Carry notes the suspicion of a session. Where there are too many, the one that was
// noted longest ago gives way. The name of the session is kept: it is no event's.
func (s *Subject) Carry(n Carried) {
	if s.left == nil && n.Nats < CarriedLeast {
		return
	}
	list := &s.leave().carried
	i := slices.IndexFunc(*list, func(c Carried) bool { return c.Session == n.Session })
	switch {
	case i >= 0 && n.Nats < CarriedLeast:
		*list = slices.Delete(*list, i, i+1)
	case i >= 0:
		(*list)[i] = n
	case n.Nats < CarriedLeast:
	default:
		if len(*list) >= CarriedMax {
			oldest := 0
			for j := range *list {
				if (*list)[j].At < (*list)[oldest].At {
					oldest = j
				}
			}
			*list = slices.Delete(*list, oldest, oldest+1)
		}
		*list = add(*list, n)
	}
}

// Carried lists what clients have left behind.
func (s *Subject) Carried() []Carried {
	if s.left == nil {
		return nil
	}
	return s.left.carried
}

// Inherit is the most that a session which the next one may follow has left behind,
// and what is left of its nats. The zero value is nothing.
func (s *Subject) Inherit(next *Carried, now int64, halfLife time.Duration) (best Carried, nats float64) {
	for _, c := range s.Carried() {
		left := c.Nats * exact.Decay(float64(now-c.At), float64(halfLife))
		if c.follows(next) && left > nats {
			best, nats = c, left
		}
	}
	return best, nats
}

// Answer forgets what the sessions have left behind that one may follow in which
// the subject has proven who he is.
func (s *Subject) Answer(next *Carried) {
	if s.left != nil {
		s.left.carried = slices.DeleteFunc(s.left.carried, func(c Carried) bool { return c.Session == next.Session || c.follows(next) })
	}
}

// add appends to a list of which there are many: it grows by a quarter, where
// append doubles.
func add[T any](list []T, v T) []T {
	if len(list) == cap(list) {
		// Up to what the allocator gives anyway.
		list = append(slices.Grow([]T(nil), len(list)+len(list)/4+1), list...)
	}
	return append(list, v)
}

// Absolve forgets what every session has left behind.
func (s *Subject) Absolve() {
	if s.left != nil {
		s.left.carried = s.left.carried[:0]
	}
}

// Code writes or reads the subject.
func (s *Subject) Code(k *snapshot.Codec) {
	s.Habits.Code(k)
	s.Week.Code(k)
	total := uint64(s.Total)
	k.U64(&total)
	s.Total = uint32(min(total, math.MaxUint32))
	s.LastPlace.code(k)
	k.U64(&s.LastSession)
	snapshot.List(k, &s.Open, func(o *string) { k.Str(o) })
	has := s.left != nil
	k.Bool(&has)
	if has {
		snapshot.List(k, &s.leave().carried, func(c *Carried) {
			k.Str(&c.Session)
			k.U64(&c.Client)
			k.U64(&c.Device)
			k.U64(&c.Prefix)
			k.F64(&c.Nats)
			k.I64(&c.At)
		})
		s.leave().refusals.code(k)
		s.leave().shown.code(k)
	}
	snapshot.List(k, &s.Candidates, func(c *Candidate) { c.code(k) })
	codeDay(k, &s.NewDay)
	codeDay(k, &s.TaughtDay)
	news, taught := uint64(s.News), uint64(s.Taught)
	k.U64(&news)
	k.U64(&taught)
	s.News, s.Taught = uint16(news), uint16(taught)
	has = s.Sequence != nil
	k.Bool(&has)
	if has {
		if s.Sequence == nil {
			s.Sequence = new(sequence.Habit)
		}
		s.Sequence.Code(k)
	}
	for i := range s.Tops {
		top := uint64(s.Tops[i])
		k.U64(&top)
		s.Tops[i] = uint8(min(top, profile.Buckets))
	}
	grown, shown := uint64(s.GrownDay), uint64(s.shownOn)
	k.U64(&grown)
	k.U64(&shown)
	s.GrownDay, s.shownOn = uint16(grown), uint16(shown)
	exceeded := uint64(s.Exceeded)
	k.U64(&exceeded)
	s.Exceeded = uint8(exceeded)
	k.F32(&s.Odd)
}
