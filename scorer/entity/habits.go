package entity

import (
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Habits is what clean sessions have taught about a subject or a tenant.
type Habits struct {
	// N is the decayed number of deltas that were taught, Requests that of the
	// requests in them.
	N, Requests float64
	// At is when the numbers were last decayed.
	At    int64
	Kinds [KindCount]profile.Categorical
	// Rate counts requests and MinuteBytes bytes per active minute, HourBytes
	// bytes per active hour, Runs the longest run of ids at one stride.
	Rate, MinuteBytes, HourBytes, Runs profile.Numeric
}

// decay lets habits fade to now.
func (h *Habits) decay(now int64, halfLife time.Duration) {
	if h.At == 0 || now <= h.At {
		h.At = max(h.At, now)
		return
	}
	f := exact.Decay(float64(now-h.At), float64(halfLife))
	h.At = now
	h.N *= f
	h.Requests *= f
	for i := range h.Kinds {
		h.Kinds[i].Decay(f)
	}
	for _, n := range []*profile.Numeric{&h.Rate, &h.MinuteBytes, &h.HourBytes, &h.Runs} {
		n.Decay(f)
	}
}

// Learn adds what a session has to teach, as one bounded delta. tenant says
// that the habits are a tenant's, which keep more values.
func (h *Habits) Learn(p *Pending, now int64, halfLife time.Duration, tenant bool) {
	h.decay(now, halfLife)
	h.N++
	h.Requests += p.Requests
	values, routes := subjectValuesMax, subjectRoutesMax
	if tenant {
		values, routes = tenantValuesMax, tenantRoutesMax
	}
	for kind := range p.Seen {
		if tenant && Kind(kind) == Devices {
			continue // No two people share a device key.
		}
		limit := values
		if Kind(kind) == Routes {
			limit = routes
		}
		for _, s := range p.Seen[kind] {
			if s.Fresh {
				h.Kinds[kind].Add(s.Name, 1, limit)
			}
		}
	}
	p.Rate.into(&h.Rate)
	p.MinuteBytes.into(&h.MinuteBytes)
	p.HourBytes.into(&h.HourBytes)
	p.Runs.into(&h.Runs)
}

// Code writes or reads the habits.
func (h *Habits) Code(k *snapshot.Codec) {
	k.F64(&h.N)
	k.F64(&h.Requests)
	k.I64(&h.At)
	for i := range h.Kinds {
		h.Kinds[i].Code(k)
	}
	for _, n := range []*profile.Numeric{&h.Rate, &h.MinuteBytes, &h.HourBytes, &h.Runs} {
		n.Code(k)
	}
}

// Subject is what is known about who acts, over all sessions.
type Subject struct {
	Key Key
	Habits
	// Total counts every request, whether or not it taught.
	Total uint64
	// LastPlace is where the subject last sent a request from, and LastSession
	// in which session.
	LastPlace   Place
	LastSession string
	// Open are the sessions that wait to teach, oldest first.
	Open []string
	// Carried is the suspicion that a new session of the same client inherits.
	Carried []Carried
	// Refusals is the decayed number of second factors that were refused.
	Refusals Fading
}

// Carried is suspicion left behind by a session.
type Carried struct {
	Client string
	Nats   float64
	At     int64
}

// Watch notes a session that may have something to teach.
func (s *Subject) Watch(session string) {
	if slices.Contains(s.Open, session) {
		return
	}
	if len(s.Open) >= OpenSessionsMax {
		copy(s.Open, s.Open[1:])
		s.Open = s.Open[:len(s.Open)-1]
	}
	s.Open = append(s.Open, session)
}

// Carry notes the suspicion of a session by its client.
func (s *Subject) Carry(client string, nats float64, now int64) {
	for i := range s.Carried {
		if s.Carried[i].Client == client {
			s.Carried[i].Nats, s.Carried[i].At = nats, now
			return
		}
	}
	if nats < 0.5 {
		return
	}
	if len(s.Carried) >= CarriedMax {
		copy(s.Carried, s.Carried[1:])
		s.Carried = s.Carried[:len(s.Carried)-1]
	}
	s.Carried = append(s.Carried, Carried{Client: client, Nats: nats, At: now})
}

// Inherit is the decayed suspicion that a client left behind.
func (s *Subject) Inherit(client string, now int64, halfLife time.Duration) float64 {
	for _, c := range s.Carried {
		if c.Client == client {
			return c.Nats * exact.Decay(float64(now-c.At), float64(halfLife))
		}
	}
	return 0
}

// Absolve forgets what every client has left behind.
func (s *Subject) Absolve() { s.Carried = nil }

// Code writes or reads the subject.
func (s *Subject) Code(k *snapshot.Codec) {
	codeKey(k, &s.Key)
	s.Habits.Code(k)
	k.U64(&s.Total)
	s.LastPlace.code(k)
	k.Str(&s.LastSession)
	snapshot.List(k, &s.Open, func(o *string) { k.Str(o) })
	snapshot.List(k, &s.Carried, func(c *Carried) {
		k.Str(&c.Client)
		k.F64(&c.Nats)
		k.I64(&c.At)
	})
	s.Refusals.code(k)
}

// Tenant is what all subjects of a tenant share in this partition, and apart
// from it what its anonymous addresses do.
type Tenant struct {
	Key                 Key
	Subjects, Addresses Habits
	Arrivals            Arrivals
}

// Code writes or reads the tenant.
func (t *Tenant) Code(k *snapshot.Codec) {
	codeKey(k, &t.Key)
	t.Subjects.Code(k)
	t.Addresses.Code(k)
	t.Arrivals.code(k)
}
