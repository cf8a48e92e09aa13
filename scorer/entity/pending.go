package entity

import (
	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Seen is a value that a session has shown.
type Seen struct {
	Name string
	Kind uint8
	// Fresh says that it has been shown since the session last taught.
	Fresh bool
	// Proven says that the person has proven who he is while he showed it.
	Proven bool
	// Settled says that the person has proven who he is since he first showed it, or
	// that an operator has cleared the session: nobody holds it against him any more.
	Settled bool
}

// Kind numbers the categorical habits.
type Kind int

// The categorical habits.
const (
	Countries Kind = iota
	Networks
	Families
	Systems
	Devices
	Routes
	Prefixes
	JA4s
	// KindCount is their number.
	KindCount int = iota
)

// Flagged are path templates at which the gateway's firewall raised its score:
// a habit of tenants alone.
const Flagged = Kind(KindCount)

// Pending is what a session would teach: one bounded delta.
type Pending struct {
	// Since is when the delta began, 0 for none.
	Since int64
	Seen  []Seen
	// Samples are of finished minutes and hours, and of walks.
	Samples Samples
	Sizes   []Size
	// Hours are the hours of the week in which there was a request, as bits.
	Hours    [3]uint64
	Requests float64
	// Gateway is the one through which most of the delta came, and Lead by how
	// many events (Boyer and Moore's majority vote).
	Gateway profile.Name
	Lead    int32
	// Share is how much the delta counts for the tenant once it has taught the
	// subject and not yet the tenant, 0 before that.
	Share float32
}

// Through notes the gateway of an event.
func (p *Pending) Through(gateway profile.Name) {
	switch {
	case p.Gateway == gateway:
		p.Lead = min(p.Lead+1, 1<<30)
	case p.Lead <= 0:
		p.Gateway, p.Lead = gateway, 1
	default:
		p.Lead--
	}
}

// Size is the size of one answer: a bucket in the lowest bits, and above them
// the hash of its template, as [Sizes] tells templates apart.
type Size uint64

// sizeBits hold a bucket of [profile.Buckets].
const sizeBits = 6

// templateOf is what is left of the hash of a template.
func templateOf(hash uint64) uint64 { return hash &^ (1<<sizeBits - 1) }

// Template is the hash of the answer's template.
func (s Size) Template() uint64 { return templateOf(uint64(s)) }

// Bucket is the bucket of its size.
func (s Size) Bucket() int { return int(s & (1<<sizeBits - 1)) }

// Hour notes an hour of the week and reports whether it is the first time.
func (p *Pending) Hour(hour int) bool {
	bit := uint64(1) << (hour % 64)
	first := p.Hours[hour/64]&bit == 0
	p.Hours[hour/64] |= bit
	return first
}

// Answer notes the size of an answer.
func (p *Pending) Answer(template uint64, bucket int) {
	if len(p.Sizes) < sizesPerDelta {
		p.Sizes = add(p.Sizes, Size(templateOf(template)|uint64(max(0, min(bucket, profile.Buckets-1)))))
	}
}

// Measure numbers the numeric habits.
type Measure uint8

// The numeric habits.
const (
	Rate Measure = iota
	MinuteBytes
	HourBytes
	Runs
	Breadths
	Strides
	// MeasureCount is their number.
	MeasureCount int = iota
)

// Samples are small histograms, at most samplesPerDelta observations of each
// measure.
type Samples []Sample

// samplesLeast are the buckets that a minute and an hour of work fill.
const samplesLeast = 8

// Sample is how often a bucket of a measure was hit.
type Sample struct {
	Measure Measure
	Bucket  uint8
	N       uint16
}

// Add counts one observation, as long as the delta is not full.
func (s *Samples) Add(m Measure, bucket int) {
	total, at := 0, -1
	for i, b := range *s {
		if b.Measure != m {
			continue
		}
		total += int(b.N)
		if int(b.Bucket) == bucket {
			at = i
		}
	}
	switch {
	case total >= samplesPerDelta:
	case at >= 0:
		(*s)[at].N++
	default:
		if cap(*s) == 0 {
			*s = make(Samples, 0, samplesLeast)
		}
		*s = add(*s, Sample{Measure: m, Bucket: uint8(bucket), N: 1})
	}
}

// Total is how many observations of a measure there are.
func (s Samples) Total(m Measure) int {
	total := 0
	for _, b := range s {
		if b.Measure == m {
			total += int(b.N)
		}
	}
	return total
}

// Note notes a value of a session and reports whether the session had not
// shown it before.
func (p *Pending) Note(kind Kind, name string) bool {
	var none *Spares
	return none.Note(p, kind, name)
}

// Shows reports whether the session remembers a value.
func (p *Pending) Shows(kind Kind, name string) bool {
	for i := range p.Seen {
		if p.Seen[i].Kind == uint8(kind) && p.Seen[i].Name == name {
			return true
		}
	}
	return false
}

// seenRoom is for how many values there is room where so many are known: a session
// on one device shows a dozen; each more is rare.
func seenRoom(n int) int { return max(12, n+4) }

// Count is how many values of a kind the session remembers.
func (p *Pending) Count(kind Kind) int {
	n := 0
	for i := range p.Seen {
		if p.Seen[i].Kind == uint8(kind) {
			n++
		}
	}
	return n
}

// Prove notes that the person has proven who he is while he showed a value.
func (p *Pending) Prove(kind Kind, name string) {
	for i := range p.Seen {
		if p.Seen[i].Kind == uint8(kind) && p.Seen[i].Name == name {
			p.Seen[i].Fresh, p.Seen[i].Proven, p.Seen[i].Settled = true, true, true
		}
	}
}

// Settle notes that the session has been answered for, with all that it has shown.
func (p *Pending) Settle() {
	for i := range p.Seen {
		p.Seen[i].Settled = true
	}
}

// Settled reports whether the session has been answered for since it first showed a
// value.
func (p *Pending) Settled(kind Kind, name string) bool {
	for i := range p.Seen {
		if p.Seen[i].Kind == uint8(kind) && p.Seen[i].Name == name {
			return p.Seen[i].Settled
		}
	}
	return false
}

// Taught begins the next delta. What the session has shown stays known to it.
func (p *Pending) Taught(now int64) {
	for i := range p.Seen {
		p.Seen[i].Fresh, p.Seen[i].Proven = false, false
	}
	p.Since, p.Requests = now, 0
	p.Samples, p.Sizes, p.Hours = p.Samples[:0], p.Sizes[:0], [3]uint64{}
	p.Gateway, p.Lead, p.Share = profile.Name{}, 0, 0
}

func (p *Pending) code(k *snapshot.Codec) {
	k.I64(&p.Since)
	snapshot.List(k, &p.Seen, func(s *Seen) {
		kind := uint64(s.Kind)
		k.Name(&s.Name)
		k.U64(&kind)
		k.Bool(&s.Fresh)
		k.Bool(&s.Proven)
		k.Bool(&s.Settled)
		s.Kind = uint8(min(kind, uint64(Flagged)))
	})
	samples := []Sample(p.Samples)
	snapshot.List(k, &samples, func(b *Sample) {
		measure, bucket, n := uint64(b.Measure), uint64(b.Bucket), uint64(b.N)
		k.U64(&measure)
		k.U64(&bucket)
		k.U64(&n)
		b.Measure, b.Bucket, b.N = Measure(min(measure, uint64(MeasureCount-1))), uint8(min(bucket, profile.Buckets-1)), uint16(n)
	})
	p.Samples = samples
	snapshot.List(k, &p.Sizes, func(s *Size) {
		u := uint64(*s)
		k.U64(&u)
		*s = Size(u)
	})
	for i := range p.Hours {
		k.U64(&p.Hours[i])
	}
	p.Hours[len(p.Hours)-1] &= 1<<(profile.WeekHours%64) - 1
	k.F64(&p.Requests)
	p.Gateway.Code(k)
	lead := int64(p.Lead)
	k.I64(&lead)
	p.Lead = int32(lead)
	k.F32(&p.Share)
}
