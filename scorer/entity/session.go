package entity

import (
	"math"
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/sequence"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Session is what is known about one actor: a session, a subject that shows no
// session, or an address that shows neither. It takes 632 B by itself, and 8 more
// would cost the next size of the allocator.
type Session struct {
	Key Key
	// Subject, or else Address, makes the request key of the actor's records.
	Subject string
	Address *string // nil where there is a subject.
	// Start and Last are stream times; LastEvent is the latest event time.
	Start, Last, LastEvent int64
	Requests               uint64
	Suspicion              Suspicion
	Places                 []Place
	Here                   uint16 // Index of the place of the latest event.
	// Tainted says that the session had a verdict and never teaches.
	Tainted bool
	// OddPeak is the most that Odd has stood at since the session last taught.
	OddPeak float32
	rare    *Rare // nil for most.
	// Worst is the most that it was suspected of since it began or its person last
	// proved who he is, in nats, and WorstDay when.
	Worst    float32
	WorstDay int32
	// Minute and Hour count what the session did lately.
	Minute, Hour Window
	// Spread is how many different things the session has seen this hour.
	Spread Spread
	Beat   Beat
	Walks  []Walk
	// Scan is nil until there is something to follow.
	Scan  *Scan
	Login *Login
	// Rotation is nil until the session has shown a token.
	Rotation *Rotation
	// Odd is the state of the sequential test over requests that are unlike clean
	// ones, in nats.
	Odd     Fading
	Pending Pending
	// Watch compares the order of events with the subject's, nil where that is not
	// followed.
	Watch *sequence.Watch
	// Watched is the stream time of the latest event that it saw.
	Watched int64
}

// Place is a network, country and client that a session was used from.
type Place struct {
	Network, Country, Family profile.Name
	// Address is the hash of the latest, and Prefix that of its /24 or /48, 0 for
	// none.
	Address, Prefix uint64
	// Last is the event time of the latest request; Alive also counts the ticks of
	// open streams.
	Last, Alive int64
	// Since is when it came into use, after it had been quiet for a while.
	Since    int64
	Requests uint32
	// Degrees, to a metre.
	Latitude, Longitude, RadiusKM float32
	Open                          uint16
	HasLocation                   bool
	// Veiled says that the network hides where its users are: a VPN or relay.
	Veiled bool
	// Mobile says that it is a carrier's, whose customers are anywhere.
	Mobile bool
}

// Window counts within the current minute or hour of the stream clock.
type Window struct {
	Start           int64
	Requests, Bytes float64
	// Errors are the answers from status 400 on.
	Errors float64
}

// Walk follows the ids of one path template.
type Walk struct {
	Template uint64
	LastID   int64
	Stride   int64
	// Run is how many ids in a row had the same stride.
	Run int32
	// Climb is how many ids in a row went the same way in small steps.
	Climb int32
	// Held is the longest run that another id came into, and Longest the longest
	// of all since the session last taught.
	Held    Run
	Longest int32
	// Best is the widest walk since the session last taught.
	Best float64
	// Refused is the number of distinct ids that were refused, each by how far that
	// was not to be expected.
	Refused float64
	Last    int64
	IDs     Ring
}

// Run is a run of ids at one stride, and the id that it has come to.
type Run struct {
	LastID         int64
	Stride, Length int32
}

// runMax is the longest run that a habit of runs tells from a longer one.
const runMax = profile.Buckets - 2

// StrideOdds is how a run of ids at one stride is counted in habits: by the odds
// against it, each further id a coin that fell the same way.
func StrideOdds(run int) float64 { return math.Ldexp(1, min(run, runMax)) }

// Scan follows probing.
type Scan struct {
	// Missing is the state of the sequential test of 404 answers, in nats.
	Missing float64
	Paths   Ring // Distinct paths answered 404.
	Probes  Ring // Distinct probes.
	// Probed is the decayed weight of the probes, in nats.
	Probed float64
	Last   int64
	// Flagged is the decayed evidence of the gateway's firewall, in nats, and Flags
	// what it was found in.
	Flagged Fading
	Flags   Ring
}

// Login follows sign-ins.
type Login struct {
	// Test is the state of the sequential test over distinct accounts, in nats.
	Test float64
	// Repeats is the decayed number of failures on accounts already counted.
	Repeats  float64
	Failed   Ring
	Passed   Ring
	Failures uint64
	Accounts int
	// Posts is the decayed evidence of sign-in posts by status.
	Posts      float64
	PostCount  uint64
	LastClient uint64
	Last       int64
	// Again is the decayed evidence of failures that follow one another on
	// accounts that failed before, in nats, and FailedAt is when the last one was.
	Again    float64
	FailedAt int64
}

// Ring is a bounded set of hashes that forgets the oldest.
type Ring struct {
	hashes []uint32 // Half of each: with some hundred of them, one in a million is taken for another.
	next   int
}

// Add notes a hash and reports whether it was not there.
func (r *Ring) Add(h uint64, limit int) bool {
	var none *Spares
	return none.Add(r, h, limit)
}

// Has reports whether a hash is there.
func (r *Ring) Has(h uint64) bool { return slices.Contains(r.hashes, uint32(h>>32)^uint32(h)) }

// Len is the number of hashes.
func (r *Ring) Len() int { return len(r.hashes) }

// Roll closes the minute and the hour where the clock has passed them, and
// keeps what was in them as observations.
func (s *Session) Roll(now int64) {
	if s.Minute.over(now, time.Minute) {
		if s.Minute.Requests > 0 {
			s.Pending.Samples.Add(Rate, profile.Bucket(s.Minute.Requests))
		}
		if s.Minute.Bytes > 0 {
			s.Pending.Samples.Add(MinuteBytes, profile.Bucket(s.Minute.Bytes))
		}
		s.Minute = Window{Start: now}
	}
	if s.Hour.over(now, time.Hour) {
		if most := s.HourMost(); most > 0 {
			s.Pending.Samples.Add(HourBytes, profile.Bucket(most))
		}
		if s.rare != nil {
			s.rare.Promised = 0
		}
		if s.Spread.Weight > 0 {
			s.Pending.Samples.Add(Breadths, profile.Bucket(s.Spread.Weight))
			s.Spread = Spread{}
		}
		s.Hour = Window{Start: now}
	}
}

// over reports whether the window has lasted its span; one that has not begun
// begins now.
func (w *Window) over(now int64, span time.Duration) bool {
	if w.Start == 0 {
		w.Start = now
	}
	return now-w.Start >= int64(span)
}

// Code writes or reads the session.
func (s *Session) Code(k *snapshot.Codec) {
	CodeKey(k, &s.Key)
	k.Str(&s.Subject)
	has := s.Address != nil
	k.Bool(&has)
	if has {
		if s.Address == nil {
			s.Address = new(string)
		}
		k.Str(s.Address)
	}
	k.I64(&s.Start)
	k.I64(&s.Last)
	k.I64(&s.LastEvent)
	k.U64(&s.Requests)
	s.Suspicion.Code(k)
	k.Bool(&s.Tainted)
	snapshot.List(k, &s.Places, func(p *Place) { p.code(k) })
	here := uint64(s.Here)
	k.U64(&here)
	s.Here = uint16(here)
	s.codeRare(k)
	s.Minute.code(k)
	s.Hour.code(k)
	s.Spread.code(k)
	s.Beat.code(k)
	snapshot.List(k, &s.Walks, func(w *Walk) { w.code(k) })
	has = s.Scan != nil
	k.Bool(&has)
	if has {
		if s.Scan == nil {
			s.Scan = new(Scan)
		}
		s.Scan.code(k)
	}
	has = s.Login != nil
	k.Bool(&has)
	if has {
		if s.Login == nil {
			s.Login = new(Login)
		}
		s.Login.code(k)
	}
	has = s.Rotation != nil
	k.Bool(&has)
	if has {
		if s.Rotation == nil {
			s.Rotation = new(Rotation)
		}
		s.Rotation.code(k)
	}
	s.Odd.code(k)
	s.Pending.code(k)
	has = s.Watch != nil
	k.Bool(&has)
	if has {
		if s.Watch == nil {
			s.Watch = new(sequence.Watch)
		}
		s.Watch.Code(k)
	}
	k.I64(&s.Watched)
	k.F32(&s.Worst)
	codeDay(k, &s.WorstDay)
	k.F32(&s.OddPeak)
	if k.Reading() && int(s.Here) >= max(1, len(s.Places)) {
		s.Here = 0
	}
}

func (p *Place) code(k *snapshot.Codec) {
	open, requests := uint64(p.Open), uint64(p.Requests)
	p.Network.Code(k)
	p.Country.Code(k)
	k.U64(&p.Address)
	k.U64(&p.Prefix)
	p.Family.Code(k)
	k.F32(&p.Latitude)
	k.F32(&p.Longitude)
	k.F32(&p.RadiusKM)
	k.Bool(&p.HasLocation)
	k.Bool(&p.Veiled)
	k.Bool(&p.Mobile)
	k.I64(&p.Last)
	k.I64(&p.Alive)
	k.U64(&open)
	k.U64(&requests)
	p.Open, p.Requests = uint16(open), uint32(requests)
	k.I64(&p.Since)
}

func (w *Window) code(k *snapshot.Codec) {
	k.I64(&w.Start)
	k.F64(&w.Requests)
	k.F64(&w.Bytes)
	k.F64(&w.Errors)
}

func (w *Walk) code(k *snapshot.Codec) {
	k.U64(&w.Template)
	k.I64(&w.LastID)
	k.I64(&w.Stride)
	run, climb := int64(w.Run), int64(w.Climb)
	k.I64(&run)
	k.I64(&climb)
	w.Run, w.Climb = int32(run), int32(climb)
	k.F64(&w.Best)
	k.F64(&w.Refused)
	k.I64(&w.Last)
	w.IDs.code(k)
	k.I64(&w.Held.LastID)
	stride, length, longest := int64(w.Held.Stride), int64(w.Held.Length), int64(w.Longest)
	k.I64(&stride)
	k.I64(&length)
	k.I64(&longest)
	w.Held.Stride, w.Held.Length, w.Longest = int32(stride), int32(length), int32(longest)
}

func (s *Scan) code(k *snapshot.Codec) {
	k.F64(&s.Missing)
	s.Paths.code(k)
	s.Probes.code(k)
	k.F64(&s.Probed)
	k.I64(&s.Last)
	s.Flagged.code(k)
	s.Flags.code(k)
}

func (l *Login) code(k *snapshot.Codec) {
	k.F64(&l.Test)
	k.F64(&l.Repeats)
	l.Failed.code(k)
	l.Passed.code(k)
	k.U64(&l.Failures)
	k.Int(&l.Accounts)
	k.F64(&l.Posts)
	k.U64(&l.PostCount)
	k.U64(&l.LastClient)
	k.I64(&l.Last)
	k.F64(&l.Again)
	k.I64(&l.FailedAt)
}

func (r *Ring) code(k *snapshot.Codec) {
	snapshot.List(k, &r.hashes, func(h *uint32) {
		u := uint64(*h)
		k.U64(&u)
		*h = uint32(u)
	})
	k.Int(&r.next)
	if k.Reading() && (r.next < 0 || r.next >= max(1, len(r.hashes))) {
		r.next = 0
	}
}
