package entity

import (
	"time"

	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// crowded is the weight of a new value on a day that has brought as many
// already as count in full.
const crowded = 0.25

const (
	// passing is how much of an observation a new value counts that is not known
	// yet: only so far is it usual that something is new.
	passing = 0.5
	// growthLeast is how many observations make a habit that can be bounded, and
	// topLeast how many of its largest make that known.
	growthLeast, topLeast = 30, 0.5
)

// Learning says how habits come about, and with that how hard it is to teach
// them something false.
type Learning struct {
	// Quarantine is how long a session must stay clean before it teaches.
	Quarantine time.Duration
	// CleanBelow is the suspicion in nats below which a session is clean.
	CleanBelow float64
	// Confidence is n0 in n/(n+n0), in taught sessions.
	Confidence float64
	// Concentration is the weight of the peers' habit in taught sessions, of a peer
	// group against a subject and of the tenant against a peer group, as long as it
	// was not learned.
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
	// GrowthSpan is in what time the largest number of a habit doubles at most, 0
	// for no limit.
	GrowthSpan time.Duration
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
	// CommonAbove is from which share of the subjects' days on a signal is common,
	// and says less; 1 for never. What is below, or one subject's, may be an
	// attacker's doing.
	CommonAbove float64
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

// Day is the number of the day (UTC) of a stream time, or of days in a span.
func Day(now int64) int32 { return int32(now / int64(24*time.Hour)) }

// Learn adds what a session has to teach, as one bounded delta, and reports
// whether it came from where the subject is known to be: if not, it teaches
// nothing at all, and is no more than a day on which its values were shown. A
// network, a country and a device become known by a proof of the person, else on
// separate days that span long enough; so does a client that was shown while the
// session was doubted. A prefix becomes known with its network. Of other values
// only so many a day count in full (Kloft and Laskov, AISTATS 2010: without such
// a bound whoever is patient moves a habit wherever he wants).
func (s *Subject) Learn(p *Pending, now int64, l *Learning, doubted bool) bool {
	day := Day(now)
	booting := s.N < float64(l.FreeSessions)
	known := s.visit(p, day, l, booting, doubted)
	if !known {
		s.decay(now, l.HalfLife)
	} else {
		if !booting {
			s.grow(now, l)
		}
		s.begin(p, now, l.HalfLife, 1, &s.Tops)
		s.bound(p)
		p.EachHour(s.Week.Add)
	}
	for _, kind := range [...]Kind{Devices, Prefixes, Families, Systems, JA4s, Routes} {
		for i := range p.Seen {
			v := &p.Seen[i]
			if !v.Fresh || v.Kind != uint8(kind) {
				continue
			}
			habit := &s.Kinds[kind]
			teaches := v.Proven || booting || known
			switch {
			case teaches && habit.Repeat(v.Name, 1):
			case v.Proven || booting || known && habit.Total() == 0:
				s.know(kind, v.Name, 1)
			case !teaches && habit.Has(v.Name):
			case kind == Routes || kind == Prefixes:
				if known {
					s.know(kind, v.Name, 1)
				}
			case kind == Devices || doubted || !known:
				if s.matured(kind, v.Name, day, l, doubted) {
					s.know(kind, v.Name, 1)
				}
			default:
				s.know(kind, v.Name, s.weigh(day, l))
			}
		}
	}
	return known
}

// visit lets the networks and countries of a delta become known, and reports
// whether all of them are. Where all prefixes are known nobody has moved but the
// GeoIP file.
func (s *Subject) visit(p *Pending, day int32, l *Learning, booting, doubted bool) bool {
	known, moved := true, s.home(p)
	for _, kind := range [...]Kind{Networks, Countries} {
		for i := range p.Seen {
			v := &p.Seen[i]
			switch {
			case !v.Fresh || v.Kind != uint8(kind):
			case booting || moved || v.Proven || s.Kinds[kind].Has(v.Name) || s.Kinds[kind].Total() == 0 || s.matured(kind, v.Name, day, l, doubted):
				s.know(kind, v.Name, 1)
			default:
				known = false
			}
		}
	}
	return known
}

// home reports whether the prefixes of a delta, of which there are some, are all
// known.
func (s *Subject) home(p *Pending) bool {
	some := false
	for i := range p.Seen {
		v := &p.Seen[i]
		if !v.Fresh || v.Kind != uint8(Prefixes) {
			continue
		}
		if !s.Kinds[Prefixes].Has(v.Name) {
			return false
		}
		some = true
	}
	return some
}

// weigh is how much the next new value of a day counts.
func (s *Subject) weigh(day int32, l *Learning) float64 {
	if s.NewDay == day && int(s.News) >= l.ValuesPerDay {
		return crowded
	}
	if s.NewDay != day {
		s.NewDay, s.News = day, 0
	}
	s.News = min(s.News+1, 1<<15)
	return 1
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
func (s *Subject) matured(kind Kind, name string, day int32, l *Learning, doubted bool) bool {
	if l.PlaceDays <= 1 && l.PlaceSpan <= 0 {
		return true
	}
	oldest, passed := 0, false
	for i := range s.Candidates {
		c := &s.Candidates[i]
		if c.Kind != uint8(kind) || c.Name != name {
			passed = passed || c.Kind == uint8(kind) && c.First == day
			if c.Last < s.Candidates[oldest].Last {
				oldest = i
			}
			continue
		}
		if c.Last < day {
			c.Days, c.Last = min(c.Days+1, 100), day
		}
		if int(c.Days) < l.PlaceDays || c.Last-c.First < Day(int64(l.PlaceSpan)) {
			return false
		}
		s.Candidates = append(s.Candidates[:i], s.Candidates[i+1:]...)
		return true
	}
	if !passed && !doubted {
		s.Kinds[kind].Pass(passing)
	}
	c := Candidate{Name: name, First: day, Last: day, Kind: uint8(kind), Days: 1}
	if len(s.Candidates) < CandidatesMax {
		s.Candidates = append(s.Candidates, c)
	} else {
		s.Candidates[oldest] = c
	}
	return false
}

// grow fixes the largest buckets that deltas may teach in this span: one more
// than the subject was known for when it began, so that a habit grows by one
// bucket a span however fast somebody wants it to (the bounded displacement of
// Kloft and Laskov). A habit of few observations is not bounded: there is none
// yet.
func (s *Subject) grow(now int64, l *Learning) {
	if l.GrowthSpan <= 0 {
		s.Tops, s.GrownDay = [MeasureCount]uint8{}, 0
		return
	}
	over := s.GrownDay == 0 || Day(now)-int32(s.GrownDay) >= Day(int64(l.GrowthSpan))
	if over {
		s.GrownDay, s.Exceeded = uint16(Day(now)), 0
	}
	for m, n := range s.numbers() {
		if (over || s.Tops[m] == 0) && n.Total() >= growthLeast {
			s.Tops[m] = uint8(min(n.Top(topLeast)+1, profile.Buckets-1))
		}
	}
}

// bound leaves in a delta, for the tenant, one observation a span and measure
// that is beyond what the subject is known for: rare downloads are many people's,
// a growing habit is one's.
func (s *Subject) bound(p *Pending) {
	for i := range p.Samples {
		b := &p.Samples[i]
		top := s.Tops[b.Measure]
		if top == 0 || b.Bucket <= top {
			continue
		}
		if s.Exceeded&(1<<b.Measure) != 0 {
			b.Bucket = top
			continue
		}
		s.Exceeded |= 1 << b.Measure
		b.N = 1
	}
}

// Weight is how much the next delta of the subject counts for its tenant: the
// influence of one subject grows with the logarithm of what it sends.
func (s *Subject) Weight(now int64, l *Learning) float64 {
	day := Day(now)
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
	if day := Day(now); f.day != day {
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
