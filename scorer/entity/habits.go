package entity

import (
	"time"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Habits is what clean sessions have taught about a subject or a tenant.
type Habits struct {
	// N is the decayed number of deltas that were taught.
	N float64
	// At is when the numbers were last decayed.
	At    int64
	Kinds [KindCount]profile.Categorical
	// Rate counts requests and MinuteBytes bytes per active minute, HourBytes
	// bytes per active hour, Runs the widest walk over ids.
	Rate, MinuteBytes, HourBytes, Runs profile.Numeric
	// Breadth counts distinct resources, by weight, per active hour.
	Breadth profile.Numeric
	// Strides counts the longest run of ids at one stride, see [StrideOdds].
	Strides profile.Numeric
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
	for i := range h.Kinds {
		h.Kinds[i].Decay(f)
	}
	for _, n := range []*profile.Numeric{&h.Rate, &h.MinuteBytes, &h.HourBytes, &h.Runs, &h.Breadth, &h.Strides} {
		n.Decay(f)
	}
}

// Learn adds what a session has to teach, as one bounded delta of the given
// weight, in (0, 1], to the habits of a tenant. A subject learns by
// [Subject.Learn].
func (h *Habits) Learn(p *Pending, now int64, halfLife time.Duration, weight float64) {
	h.begin(p, now, halfLife, weight, nil)
	for i := range p.Seen {
		v := &p.Seen[i]
		kind := Kind(v.Kind)
		if !v.Fresh || !taughtToPeers(kind) {
			continue
		}
		limit := tenantValuesMax
		if kind == Routes {
			limit = tenantRoutesMax
		}
		h.Kinds[kind].Add(v.Name, weight, limit)
	}
}

// begin counts a delta and adds its numbers, none in a bucket beyond that of its
// measure in tops, where there is one.
func (h *Habits) begin(p *Pending, now int64, halfLife time.Duration, weight float64, tops *[MeasureCount]uint8) {
	h.decay(now, halfLife)
	h.N += weight
	numbers := h.numbers()
	for _, b := range p.Samples {
		if tops != nil && tops[b.Measure] > 0 {
			b.Bucket = min(b.Bucket, tops[b.Measure])
		}
		numbers[b.Measure].Add(int(b.Bucket), float64(weight*float64(b.N)))
	}
}

// numbers are the numeric habits by measure.
func (h *Habits) numbers() [MeasureCount]*profile.Numeric {
	return [MeasureCount]*profile.Numeric{Rate: &h.Rate, MinuteBytes: &h.MinuteBytes, HourBytes: &h.HourBytes, Runs: &h.Runs, Breadths: &h.Breadth, Strides: &h.Strides}
}

// Code writes or reads the habits.
func (h *Habits) Code(k *snapshot.Codec) {
	k.F64(&h.N)
	k.I64(&h.At)
	for i := range h.Kinds {
		h.Kinds[i].Code(k)
	}
	for _, n := range []*profile.Numeric{&h.Rate, &h.MinuteBytes, &h.HourBytes, &h.Runs, &h.Breadth, &h.Strides} {
		n.Code(k)
	}
}
