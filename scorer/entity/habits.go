package entity

import (
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
	// Breadth counts distinct resources, by weight, per active hour.
	Breadth profile.Numeric
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
	for _, n := range []*profile.Numeric{&h.Rate, &h.MinuteBytes, &h.HourBytes, &h.Runs, &h.Breadth} {
		n.Decay(f)
	}
}

// Learn adds what a session has to teach, as one bounded delta of the given
// weight, in (0, 1], to the habits of a tenant. A subject learns by
// [Subject.Learn].
func (h *Habits) Learn(p *Pending, now int64, halfLife time.Duration, weight float64) {
	h.begin(p, now, halfLife, weight)
	for kind := range p.Seen {
		if Kind(kind) == Devices || Kind(kind) == Prefixes {
			continue // No two people share a device key, and few a prefix.
		}
		limit := tenantValuesMax
		if Kind(kind) == Routes {
			limit = tenantRoutesMax
		}
		for _, s := range p.Seen[kind] {
			if s.Fresh {
				h.Kinds[kind].Add(s.Name, weight, limit)
			}
		}
	}
}

// begin counts a delta and adds its numbers.
func (h *Habits) begin(p *Pending, now int64, halfLife time.Duration, weight float64) {
	h.decay(now, halfLife)
	h.N += weight
	h.Requests += float64(weight * p.Requests)
	p.Rate.into(&h.Rate, weight)
	p.MinuteBytes.into(&h.MinuteBytes, weight)
	p.HourBytes.into(&h.HourBytes, weight)
	p.Runs.into(&h.Runs, weight)
	p.Breadth.into(&h.Breadth, weight)
}

// Code writes or reads the habits.
func (h *Habits) Code(k *snapshot.Codec) {
	k.F64(&h.N)
	k.F64(&h.Requests)
	k.I64(&h.At)
	for i := range h.Kinds {
		h.Kinds[i].Code(k)
	}
	for _, n := range []*profile.Numeric{&h.Rate, &h.MinuteBytes, &h.HourBytes, &h.Runs, &h.Breadth} {
		n.Code(k)
	}
}
