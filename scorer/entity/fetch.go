package entity

import "github.com/vigil-gateway/vigil/scorer/fetch"

// Likely is the number of the entry that an id most likely has, -1 for none: by its
// hash alone, neither tenant nor name are looked at. It is for [Table.Fetch].
func (t *Table[V]) Likely(id string) int32 {
	mask, hash := len(t.index)-1, t.hash(id)
	for place := int(hash) & mask; ; place = (place + 1) & mask {
		e := t.index[place]
		if e == 0 || e.hash() == hash {
			return e.slot()
		}
	}
}

// Fetch reads what [Table.Get] of an entry needs, and the entry's value, which it
// returns; nil for none. See package fetch for the sum.
func (t *Table[V]) Fetch(i int32) (v *V, sum byte) {
	if i < 0 {
		return nil, 0
	}
	s := t.at(i)
	v, sum = s.value, fetch.Text(s.id)+fetch.Value(s.value)
	if s.prev >= 0 {
		sum += fetch.Value(t.at(s.prev))
	}
	if s.next >= 0 {
		sum += fetch.Value(t.at(s.next))
	}
	return v, sum
}

// Fetch reads what an event of the session looks at beside the session itself.
func (s *Session) Fetch() (sum byte) {
	sum = fetch.List(s.Pending.Seen) + fetch.List(s.Places) + fetch.List(s.Walks) + fetch.Value(s.Watch) + fetch.Value(s.Rotation)
	sum += fetch.List(s.Suspicion.Piles) + fetch.List(s.Suspicion.Marks) + fetch.List(s.Suspicion.Reasons) + fetch.List(s.Pending.Samples)
	for i := range s.Walks {
		sum += fetch.List(s.Walks[i].IDs.hashes)
	}
	return sum
}

// Fetch reads what an event of the subject looks at beside the subject itself.
func (s *Subject) Fetch() (sum byte) {
	sum = fetch.List(s.Open) + fetch.Value(s.left) + s.Breadth.Fetch() + s.Rate.Fetch() + s.MinuteBytes.Fetch() + s.HourBytes.Fetch()
	for _, kind := range [...]Kind{Countries, Networks, Families, Devices, Prefixes, JA4s} {
		sum += s.Kinds[kind].Fetch()
	}
	if s.Sequence != nil {
		sum += s.Sequence.Fetch()
	}
	return sum
}

// FetchHabits reads what a session that begins is compared with, and one that teaches
// adds to.
func (s *Subject) FetchHabits() (sum byte) {
	for i := range s.Kinds {
		sum += s.Kinds[i].Fetch()
	}
	for _, n := range s.numbers() {
		sum += n.Fetch()
	}
	return sum + s.Week.Fetch() + fetch.List(s.Candidates)
}
