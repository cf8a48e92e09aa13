package entity

import (
	"time"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// crowded is the weight of a new value on a day that has brought as many
// already as count in full.
const crowded = 0.25

// Learning says how habits come about, and with that how hard it is to teach
// them something false.
type Learning struct {
	// Quarantine is how long a session must stay clean before it teaches.
	Quarantine time.Duration
	// CleanBelow is the suspicion in nats below which a session is clean.
	CleanBelow float64
	// Confidence is n0 in n/(n+n0), in taught sessions.
	Confidence float64
	// Concentration is the weight of the peers' habit in taught sessions.
	Concentration float64
	// HalfLife is after how long an observation counts half.
	HalfLife time.Duration
	// FreeSessions is how many sessions of a subject teach freely: before, there
	// is no habit that anything could be new to.
	FreeSessions int
	// PlaceDays is on how many days a network, country or device must have been
	// shown without a proof to become known, and PlaceSpan how long these days
	// must span, in whole days.
	PlaceDays int
	PlaceSpan time.Duration
	// ValuesPerDay is how many new values of a subject count in full on one day.
	ValuesPerDay int
	// SubjectDeltas, PrefixDeltas and NetworkDeltas are how many deltas of one
	// subject, of one /24 or /48 and of one network count in full for the tenant
	// on one day; the n-th beyond weighs as much less.
	SubjectDeltas, PrefixDeltas, NetworkDeltas int
	// GatewayExcess is how many times the mean of the other gateways' deltas of a
	// day those of one gateway count in full.
	GatewayExcess float64
	// Releases says that what arrives across many subjects and networks at once is
	// less of a novelty.
	Releases bool
}

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
// country and a device become known by a proof of the person, else on separate
// days that span long enough; a prefix with its network. Of other values only
// so many a day count in full (Kloft and Laskov, AISTATS 2010: without
// such a bound whoever is patient moves a habit wherever he wants).
func (s *Subject) Learn(p *Pending, now int64, l *Learning) {
	booting := s.N < float64(l.FreeSessions)
	s.begin(p, now, l.HalfLife, 1)
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
			case late && !s.matured(kind, v.Name, day, l):
				strange = strange || kind != Devices
			case kind == Prefixes && strange:
			case kind == Prefixes:
				s.know(kind, v.Name, 1)
			case s.NewDay == day && int(s.News) >= l.ValuesPerDay:
				s.know(kind, v.Name, crowded)
			default:
				if s.NewDay != day {
					s.NewDay, s.News = day, 0
				}
				s.News = min(s.News+1, 1<<15)
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
func (s *Subject) matured(kind Kind, name string, day int32, l *Learning) bool {
	if l.PlaceDays <= 1 && l.PlaceSpan <= 0 {
		return true
	}
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
		if int(c.Days) < l.PlaceDays || c.Last-c.First < dayOf(int64(l.PlaceSpan)) {
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
func (s *Subject) Weight(now int64, l *Learning) float64 {
	day := dayOf(now)
	if s.TaughtDay != day {
		s.TaughtDay, s.Taught = day, 0
	}
	s.Taught = min(s.Taught+1, 1<<15)
	return min(1, float64(l.SubjectDeltas)/float64(s.Taught))
}

// influenceSlots is the number of counters that prefixes, or networks, share
// by hash.
const influenceSlots = 128

// Influence counts the deltas of a day by prefix and by network, in counters
// that they share by hash. The zero value is empty.
type Influence struct {
	day                int32
	prefixes, networks [influenceSlots]uint16
}

// Weight is how much the next delta from a prefix and a network, by their
// hashes, counts.
func (f *Influence) Weight(prefix, network uint64, now int64, l *Learning) float64 {
	if day := dayOf(now); f.day != day {
		*f = Influence{day: day}
	}
	p, n := &f.prefixes[prefix%influenceSlots], &f.networks[network%influenceSlots]
	*p, *n = min(*p+1, 1<<15), min(*n+1, 1<<15)
	return min(1, float64(l.PrefixDeltas)/float64(*p), float64(l.NetworkDeltas)/float64(*n))
}

func (f *Influence) code(k *snapshot.Codec) {
	codeDay(k, &f.day)
	for _, counts := range [...]*[influenceSlots]uint16{&f.prefixes, &f.networks} {
		for i := range counts {
			n := uint64(counts[i])
			k.U64(&n)
			counts[i] = uint16(n)
		}
	}
}
