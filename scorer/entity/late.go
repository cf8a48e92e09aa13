package entity

import (
	"time"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Late learning: what somebody must do to become a habit.
const (
	// bootSessions is how many sessions teach freely: before, there is no habit
	// that anything could be new to.
	bootSessions = 3
	// candidateDays is on how many days a network, country or device must have
	// been shown without a proof, and candidateSpan how many days these must span.
	candidateDays, candidateSpan = 3, 14
	// crowded is the weight of a new value on a day that has brought one already.
	crowded = 0.25
	// Deltas of one subject and of one prefix that count in full for the tenant
	// each day; the n-th beyond weighs as much less.
	subjectDeltas, prefixDeltas = 8, 64
)

// Candidate is a value that a subject has shown and that is not known yet.
type Candidate struct {
	Name        string
	First, Last int32 // Days.
	Kind, Days  uint8
}

func (c *Candidate) code(k *snapshot.Codec) {
	k.Str(&c.Name)
	codeDay(k, &c.First)
	codeDay(k, &c.Last)
	kind, days := uint64(c.Kind), uint64(c.Days)
	k.U64(&kind)
	k.U64(&days)
	c.Kind, c.Days = uint8(min(kind, uint64(KindCount-1))), uint8(days)
}

func codeDay(k *snapshot.Codec, day *int32) {
	d := int64(*day)
	k.I64(&d)
	*day = int32(d)
}

func dayOf(now int64) int32 { return int32(now / int64(24*time.Hour)) }

// Learn adds what a session has to teach, as one bounded delta. A network, a
// country and a device become known by a proof of the person, else on three
// separate days at least 14 apart in all; a prefix with its network. Of other
// values only one a day counts in full (Kloft and Laskov, AISTATS 2010: without
// such a bound whoever is patient moves a habit wherever he wants).
func (s *Subject) Learn(p *Pending, now int64, halfLife time.Duration) {
	booting := s.N < bootSessions
	s.begin(p, now, halfLife, 1)
	p.EachHour(s.Week.Add)
	day := dayOf(now)
	strange := false
	for _, kind := range [...]Kind{Networks, Countries, Devices, Prefixes, Families, Systems, JA4s, Routes} {
		for i := range p.Seen {
			v := &p.Seen[i]
			if !v.Fresh || v.Kind != uint8(kind) {
				continue
			}
			late := kind == Networks || kind == Countries || kind == Devices
			switch {
			case booting || kind == Routes || v.Proven || s.Kinds[kind].Has(v.Name) || s.Kinds[kind].Total() == 0:
				s.know(kind, v.Name, 1)
			case late && !s.matured(kind, v.Name, day):
				strange = strange || kind != Devices
			case kind == Prefixes && strange:
			case kind == Prefixes:
				s.know(kind, v.Name, 1)
			case s.NewDay == day:
				s.know(kind, v.Name, crowded)
			default:
				s.NewDay = day
				s.know(kind, v.Name, 1)
			}
		}
	}
}

func (s *Subject) know(kind Kind, name string, weight float64) {
	limit := subjectValuesMax
	if kind == Routes {
		limit = subjectRoutesMax
	}
	s.Kinds[kind].Add(name, weight, limit)
}

// matured notes that a value was shown on a day, and reports whether it has been
// on enough of them to be known.
func (s *Subject) matured(kind Kind, name string, day int32) bool {
	oldest := 0
	for i := range s.Candidates {
		c := &s.Candidates[i]
		if c.Kind != uint8(kind) || c.Name != name {
			if c.Last < s.Candidates[oldest].Last {
				oldest = i
			}
			continue
		}
		if c.Last < day {
			c.Days, c.Last = min(c.Days+1, 100), day
		}
		if c.Days < candidateDays || c.Last-c.First < candidateSpan {
			return false
		}
		s.Candidates = append(s.Candidates[:i], s.Candidates[i+1:]...)
		return true
	}
	s.Kinds[kind].Pass(1)
	c := Candidate{Name: name, First: day, Last: day, Kind: uint8(kind), Days: 1}
	if len(s.Candidates) < CandidatesMax {
		s.Candidates = append(s.Candidates, c)
	} else {
		s.Candidates[oldest] = c
	}
	return false
}

// Weight is how much the next delta of the subject counts for its tenant: the
// influence of one subject grows with the logarithm of what it sends.
func (s *Subject) Weight(now int64) float64 {
	day := dayOf(now)
	if s.TaughtDay != day {
		s.TaughtDay, s.Taught = day, 0
	}
	s.Taught = min(s.Taught+1, 1<<15)
	return min(1, subjectDeltas/float64(s.Taught))
}

// influenceSlots is the number of counters that prefixes share by hash.
const influenceSlots = 128

// Influence counts the deltas of a day by prefix, in counters that prefixes
// share by hash. The zero value is empty.
type Influence struct {
	day    int32
	counts [influenceSlots]uint16
}

// Weight is how much the next delta from a prefix, by its hash, counts.
func (f *Influence) Weight(prefix uint64, now int64) float64 {
	if day := dayOf(now); f.day != day {
		*f = Influence{day: day}
	}
	n := &f.counts[prefix%influenceSlots]
	*n = min(*n+1, 1<<15)
	return min(1, prefixDeltas/float64(*n))
}

func (f *Influence) code(k *snapshot.Codec) {
	codeDay(k, &f.day)
	for i := range f.counts {
		n := uint64(f.counts[i])
		k.U64(&n)
		f.counts[i] = uint16(n)
	}
}
