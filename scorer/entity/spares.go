package entity

import "github.com/vigil-gateway/vigil/scorer/sequence"

// Memory of an entity that was pushed out is given to the one that takes its
// place, list by list, as far as no list is longer than what most need: a
// crowd of calm entities must not carry what a few busy ones before them had.
const (
	keptPlaces  = 2
	keptSeen    = 16
	keptSamples = 16
	keptSizes   = 12
	keptWalks   = 2
	keptHashes  = 32
	keptMarks   = 4
	keptReasons = 2
	keptOpen    = 4
)

// reuse is the memory of a list for one that begins, nil where it is longer than
// most.
func reuse[T any](list []T, most int) []T {
	if cap(list) > most {
		return nil
	}
	return list[:0]
}

// Spares are what entities have that not all have, of those that were pushed out,
// for those that begin. There are at most as many as there were entities at once.
// The zero value, and nil, have none.
type Spares struct {
	scans     []*Scan
	logins    []*Login
	rotations []*Rotation
	watches   []*sequence.Watch
	habits    []*sequence.Habit
}

// Scan returns one that begins.
func (p *Spares) Scan() *Scan {
	if p == nil {
		return new(Scan)
	}
	v := take(&p.scans)
	*v = Scan{Paths: v.Paths.emptied(), Probes: v.Probes.emptied(), Flags: v.Flags.emptied()}
	return v
}

// Login returns one that begins.
func (p *Spares) Login() *Login {
	if p == nil {
		return new(Login)
	}
	v := take(&p.logins)
	*v = Login{Failed: v.Failed.emptied(), Passed: v.Passed.emptied()}
	return v
}

// Rotation returns one that begins.
func (p *Spares) Rotation() *Rotation {
	if p == nil {
		return new(Rotation)
	}
	v := take(&p.rotations)
	*v = Rotation{}
	return v
}

// Watch returns one that begins.
func (p *Spares) Watch() *sequence.Watch {
	if p == nil {
		return new(sequence.Watch)
	}
	v := take(&p.watches)
	*v = sequence.Watch{}
	return v
}

// Habit returns one that knows nothing.
func (p *Spares) Habit() *sequence.Habit {
	if p == nil {
		return new(sequence.Habit)
	}
	v := take(&p.habits)
	v.Reset()
	return v
}

// Session makes a session one that begins, and keeps what it had.
func (p *Spares) Session(s *Session, key Key, now int64) {
	give(&p.scans, s.Scan)
	give(&p.logins, s.Login)
	give(&p.rotations, s.Rotation)
	give(&p.watches, s.Watch)
	q := &s.Pending
	clear(q.Seen) // They name who was there before.
	*s = Session{
		Key: key, Start: now,
		Suspicion: s.Suspicion.emptied(),
		Places:    reuse(s.Places, keptPlaces),
		Walks:     reuse(s.Walks, keptWalks),
		Pending:   Pending{Since: now, Seen: reuse(q.Seen, keptSeen), Samples: reuse(q.Samples, keptSamples), Sizes: reuse(q.Sizes, keptSizes)},
	}
}

// Subject makes a subject one that nobody knows, and keeps what he had.
func (p *Spares) Subject(s *Subject) {
	give(&p.habits, s.Sequence)
	clear(s.Open)
	clear(s.Candidates)
	h := Habits{
		Rate: s.Rate.Emptied(), MinuteBytes: s.MinuteBytes.Emptied(), HourBytes: s.HourBytes.Emptied(),
		Runs: s.Runs.Emptied(), Breadth: s.Breadth.Emptied(), Strides: s.Strides.Emptied(),
	}
	for i := range h.Kinds {
		h.Kinds[i] = s.Kinds[i].Emptied()
	}
	*s = Subject{Habits: h, Week: s.Week.Emptied(), Open: reuse(s.Open, keptOpen), Candidates: reuse(s.Candidates, keptOpen)}
}

func take[T any](list *[]*T) *T {
	n := len(*list)
	if n == 0 {
		return new(T)
	}
	v := (*list)[n-1]
	*list = (*list)[:n-1]
	return v
}

func give[T any](list *[]*T, v *T) {
	if v != nil {
		*list = append(*list, v)
	}
}
