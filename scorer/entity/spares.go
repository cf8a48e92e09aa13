package entity

import (
	"slices"

	"github.com/vigil-gateway/vigil/scorer/sequence"
)

// Spares are the memory of entities that were pushed out, for those that begin,
// so that who comes and goes allocates nothing. Each list goes to others of its
// size and not with its entity: a calm one does not carry what a busy one before
// it had. The zero value has none, and nil gives new memory.
type Spares struct {
	most      int // Of the lists of one size.
	scans     []*Scan
	logins    []*Login
	rotations []*Rotation
	rares     []*Rare
	watches   []*sequence.Watch
	habits    []*sequence.Habit

	hashes  shelf[uint32]
	places  shelf[Place]
	walks   shelf[Walk]
	parked  shelf[Parked]
	seen    shelf[Seen]
	piles   shelf[Pile]
	marks   shelf[Mark]
	reasons shelf[Reason]
	texts   shelf[byte]
}

// A list that grows leaves one behind. Where everybody grows and nobody goes these
// pile up, so of each size only sparesLeast are kept, and one more for each
// sparesShare sessions.
const sparesLeast, sparesShare = 64, 64

// Bound says how many sessions there are.
func (p *Spares) Bound(sessions int) { p.most = sparesLeast + sessions/sparesShare }

// shelf holds lists by the room that they have.
type shelf[T any] struct{ free map[int][][]T }

// grow returns a list with room for n, and keeps the memory that it had, at most
// so many lists of a size.
func (s *shelf[T]) grow(list []T, n, most int) []T {
	other := append(s.take(n), list...)
	clear(list) // What it points to has moved.
	s.give(list, most)
	return other
}

// take returns an empty list with room for n.
func (s *shelf[T]) take(n int) []T {
	free := s.free[n]
	if len(free) == 0 {
		return make([]T, 0, n)
	}
	s.free[n] = free[:len(free)-1]
	return free[len(free)-1]
}

func (s *shelf[T]) give(list []T, most int) {
	if cap(list) == 0 || len(s.free[cap(list)]) >= most {
		return
	}
	if s.free == nil {
		s.free = make(map[int][][]T)
	}
	s.free[cap(list)] = append(s.free[cap(list)], list[:0])
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

// Scan returns one that begins.
func (p *Spares) Scan() *Scan {
	if p == nil {
		return new(Scan)
	}
	return take(&p.scans)
}

// Login returns one that begins.
func (p *Spares) Login() *Login {
	if p == nil {
		return new(Login)
	}
	return take(&p.logins)
}

// Rotation returns one that begins.
func (p *Spares) Rotation() *Rotation {
	if p == nil {
		return new(Rotation)
	}
	return take(&p.rotations)
}

// Watch returns one that begins.
func (p *Spares) Watch() *sequence.Watch {
	if p == nil {
		return new(sequence.Watch)
	}
	return take(&p.watches)
}

// Habit returns one that knows nothing.
func (p *Spares) Habit() *sequence.Habit {
	if p == nil {
		return new(sequence.Habit)
	}
	return take(&p.habits)
}

// Rare returns what a session has of it, to be changed.
func (p *Spares) Rare(s *Session) *Rare {
	if s.rare == nil && p != nil {
		s.rare = take(&p.rares)
	}
	return s.OwnRare()
}

// hashesLeast is the room of the smallest ring.
const hashesLeast = 4

// Add is [Ring.Add].
func (p *Spares) Add(r *Ring, h uint64, limit int) bool {
	half := uint32(h>>32) ^ uint32(h)
	if slices.Contains(r.hashes, half) {
		return false
	}
	n := len(r.hashes)
	if n >= limit {
		r.hashes[r.next] = half
		r.next = (r.next + 1) % limit
		return true
	}
	if p != nil && n == cap(r.hashes) {
		r.hashes = p.hashes.grow(r.hashes, min(limit, max(hashesLeast, 2*n)), p.most)
	}
	r.hashes = append(r.hashes, half)
	return true
}

// Note is [Pending.Note].
func (p *Spares) Note(q *Pending, kind Kind, name string) bool {
	count, oldest := 0, -1
	for i := range q.Seen {
		v := &q.Seen[i]
		if v.Kind != uint8(kind) {
			continue
		}
		if v.Name == name {
			v.Fresh = true
			return false
		}
		if oldest < 0 {
			oldest = i
		}
		count++
	}
	if count >= SeenMax {
		q.Seen = append(q.Seen[:oldest], q.Seen[oldest+1:]...)
	}
	n := len(q.Seen)
	switch {
	case n < cap(q.Seen):
	case p != nil:
		q.Seen = p.seen.grow(q.Seen, seenRoom(n), p.most)
	default:
		q.Seen = append(make([]Seen, 0, seenRoom(n)), q.Seen...)
	}
	q.Seen = append(q.Seen, Seen{Name: name, Kind: uint8(kind), Fresh: true})
	return true
}

// Place adds a place to a session that has fewer than [PlacesMax].
func (p *Spares) Place(s *Session, at Place) {
	if p != nil && len(s.Places) == cap(s.Places) {
		s.Places = p.places.grow(s.Places, max(1, 2*len(s.Places)), p.most)
	}
	s.Places = append(s.Places, at)
}

// Follow adds to a session a walk that begins. It is valid until the next call.
func (p *Spares) Follow(s *Session, template uint64) *Walk {
	if p != nil && len(s.Walks) == cap(s.Walks) {
		s.Walks = p.walks.grow(s.Walks, max(1, 2*len(s.Walks)), p.most)
	}
	s.Walks = append(s.Walks, Walk{Template: template})
	return &s.Walks[len(s.Walks)-1]
}

// Begin makes a walk one through another template.
func (p *Spares) Begin(w *Walk, template uint64) {
	p.ring(&w.IDs)
	*w = Walk{Template: template}
}

// Park makes room in a session for another walk: w, which has been quiet longest, is
// kept as far as it takes to go on with it, and begins as the one through the
// template, or goes on where that was parked after the time since.
func (p *Spares) Park(s *Session, w *Walk, template uint64, since int64) {
	r := p.Rare(s)
	r.Best, r.Longest = max(r.Best, w.Best), max(r.Longest, w.Longest)
	old := Parked{
		Template: w.Template, LastID: w.LastID, Last: w.Last, Refused: float32(w.Refused),
		Run: w.Run, Climb: w.Climb, Stride: int32(w.Stride),
	}
	p.Begin(w, template)
	for i := range r.Parked {
		k := r.Parked[i]
		if k.Template != template {
			continue
		}
		r.Parked = slices.Delete(r.Parked, i, i+1)
		if k.Last >= since {
			w.LastID, w.Last, w.Refused = k.LastID, k.Last, float64(k.Refused)
			w.Run, w.Climb, w.Stride = k.Run, k.Climb, int64(k.Stride)
		}
		break
	}
	if len(r.Parked) >= ParkedMax {
		r.Parked = slices.Delete(r.Parked, 0, 1)
	}
	if p != nil && len(r.Parked) == cap(r.Parked) {
		r.Parked = p.parked.grow(r.Parked, max(parkedLeast, 2*len(r.Parked)), p.most)
	}
	r.Parked = append(r.Parked, old)
}

// parkedLeast is for how many parked walks there is room at first.
const parkedLeast = 4

// textStep is of what the room of a text is a multiple, so that others can use it.
const textStep = 16

// Suspect makes room in a suspicion for what a signal may add to it that says so
// many nats in a text, where so many signals before it have yet to add a reason. It
// returns how many have then.
func (p *Spares) Suspect(s *Suspicion, signal int, nats float64, text string, fresh int) int {
	r := s.reason(signal)
	if r != nil && nats < r.Nats {
		r = nil // It keeps what it has.
	} else if r == nil && len(s.Reasons)+fresh < ReasonsMax {
		at := len(s.Reasons) + fresh
		if at >= cap(s.Reasons) {
			n := len(s.Reasons)
			s.Reasons = p.reasons.grow(s.Reasons[:at], at+1, p.most)[:n] // With the room for texts that is there.
		}
		r = &s.Reasons[:at+1][at]
		fresh++
	}
	if r != nil && len(text) > cap(r.Text) {
		r.Text = p.texts.grow(r.Text, upTo(len(text), textStep), p.most)
	}
	if n := min(MarksMax, len(s.Marks)+fresh); n > cap(s.Marks) {
		s.Marks = p.marks.grow(s.Marks, n, p.most)
	}
	p.Pile(s, fresh)
	return fresh
}

// Calm takes the memory of reasons that were forgotten.
func (p *Spares) Calm(s *Suspicion) {
	n := len(s.Reasons)
	if cap(s.Reasons) == n {
		return
	}
	p.textless(s.Reasons[n:])
	if n == 0 {
		p.reasons.give(s.Reasons, p.most)
		s.Reasons = nil
		return
	}
	s.Reasons = p.reasons.grow(s.Reasons, n, p.most)
}

// Pile makes room in a suspicion for some piles more.
func (p *Spares) Pile(s *Suspicion, more int) {
	if n := len(s.Piles) + more; n > cap(s.Piles) {
		s.Piles = p.piles.grow(s.Piles, n, p.most)
	}
}

// upTo is the first multiple of step from n on.
func upTo(n, step int) int { return (n + step - 1) / step * step }

// ring takes the memory of a ring.
func (p *Spares) ring(r *Ring) {
	if p != nil {
		p.hashes.give(r.hashes, p.most)
	}
	*r = Ring{}
}

// Session makes a session one that begins, and keeps what it had.
func (p *Spares) Session(s *Session, key Key, now int64) {
	p.parts(s)
	for i := range s.Walks {
		p.ring(&s.Walks[i].IDs)
	}
	q := &s.Pending
	clear(q.Seen) // They name who was there before.
	p.walks.give(s.Walks, p.most)
	p.seen.give(q.Seen, p.most)
	p.places.give(s.Places, p.most)
	p.piles.give(s.Suspicion.Piles, p.most)
	p.marks.give(s.Suspicion.Marks, p.most)
	p.reasons.give(p.textless(s.Suspicion.Reasons), p.most)
	*s = Session{Key: key, Start: now, Pending: Pending{Since: now, Samples: reuse(q.Samples, keptSamples), Sizes: q.Sizes[:0]}}
}

// textless takes the texts of reasons and of those that were forgotten behind them.
func (p *Spares) textless(list []Reason) []Reason {
	list = list[:cap(list)]
	for i := range list {
		p.texts.give(list[i].Text, p.most)
		list[i] = Reason{}
	}
	return list
}

// parts takes what not every session has.
func (p *Spares) parts(s *Session) {
	if v := s.Scan; v != nil {
		for _, r := range [...]*Ring{&v.Paths, &v.Probes, &v.Flags} {
			p.ring(r)
		}
		*v = Scan{}
		give(&p.scans, v)
	}
	if v := s.Login; v != nil {
		p.ring(&v.Failed)
		p.ring(&v.Passed)
		*v = Login{}
		give(&p.logins, v)
	}
	if v := s.Rotation; v != nil {
		*v = Rotation{}
		give(&p.rotations, v)
	}
	if v := s.rare; v != nil {
		p.parked.give(v.Parked, p.most)
		*v = Rare{Streams: reuse(v.Streams, keptStreams), Tokens: v.Tokens[:0]}
		give(&p.rares, v)
	}
	if v := s.Watch; v != nil {
		*v = sequence.Watch{}
		give(&p.watches, v)
	}
}

// Lists that are short in nearly every entity go with it, as long as they are.
const (
	keptSamples = 16
	keptStreams = 4
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

// Subject makes a subject one that nobody knows, and keeps what he had.
func (p *Spares) Subject(s *Subject) {
	if v := s.Sequence; v != nil {
		v.Reset()
		give(&p.habits, v)
	}
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
