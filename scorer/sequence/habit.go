package sequence

import (
	"math"
	"slices"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/fetch"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// What an event may say, in nats: a new thing at most natsMax against the
// subject, a usual one at most natsMin for him.
const (
	natsMin = -3
	natsMax = 3
)

// How a subject's normal is followed.
const (
	// A subject's normal fades by half in 500 events that were taught: people
	// change what they work on within days. eventRate is 1 - 2^(-1/500) and
	// blockRate 1 - 2^(-100/500).
	eventRate = 0.0013853339
	blockRate = 0.1294494367
	// block is the number of events whose sum is compared with its like.
	block = 100
	// share of the subject's mean that is subtracted. All of it would make who is
	// very regular as suspicious in a dull hour as who never is in a bad one.
	share = 0.7
	// spreadMin is the least spread of a block, in nats: a subject whose blocks
	// have all been alike may still have a new one.
	spreadMin = 60
	// strayMax is how many spreads a block may stray to widen the spread.
	strayMax = 3
	// vMax bounds the mean square of a snapshot: no block can be further off.
	vMax = block * block * (natsMax - natsMin) * (natsMax - natsMin)
)

// Habit is what a subject does: decayed counts of symbols and pairs, and the
// mean and spread of his own evidence. The zero value knows nothing. It takes
// 176 B and 3 B for each symbol and pair, 2,480 B at most.
type Habit struct {
	slots sparse
	total uint32  // Sum of the symbols' counts.
	mean  float64 // Of the nats of an event.
	v     float64 // Mean square of the sums of blocks about share of the mean.
	sum   float64 // Of the block that is being filled.
	// taught events in all, blocks that were filled, events in sum, and how often
	// the counts have been decayed.
	taught, blocks, filled, decays uint32
	// day is that on which the counts last faded, and given how many events went
	// into the tenant's prior since.
	day   int32
	given uint32
}

// Reset makes the habit one that knows nothing, in its own memory unless that is
// much.
func (h *Habit) Reset() {
	cells := h.slots.cells[:0]
	if cap(cells) > resetMax {
		cells = nil
	}
	*h = Habit{slots: sparse{cells: cells}}
}

// Known is whether the habit has been taught enough to judge by.
func (h *Habit) Known() bool { return h.taught >= HabitEventsMin }

// Nats is ln p(x | prev, tenant) - ln p(x | prev, subject), in [-3, 3]: how
// much more likely another of the tenant's people is to do x after prev. It is
// 0 while the prior knows too little.
func (h *Habit) Nats(p *Prior, prev, x Symbol) float64 {
	if !p.Known() {
		return 0
	}
	own, other, _ := h.shares(p, prev, x)
	return natsOf(other, own)
}

// shares are the probabilities of x after prev for the subject and for the tenant's
// people, and that of x after anything for them.
func (h *Habit) shares(p *Prior, prev, x Symbol) (own, other, single float64) {
	other, single = p.shares(prev, x)
	own = (h.slots.count(symbolKey(x)) + float64(toTenant*other)) / (float64(h.total) + toTenant)
	if prev != 0 {
		pair := h.slots.count(pairKey(prev, x))
		n := max(pair, h.slots.count(symbolKey(prev))) // It may have given way to a newer one.
		own = (pair + float64(toSubject*own)) / (n + toSubject)
	}
	return own, other, single
}

// natsOf is the log-likelihood ratio of two probabilities, cut to what an event may say.
func natsOf(other, own float64) float64 { return min(natsMax, max(natsMin, exact.Ln(other/own))) }

// Share is how much of what the subject does x is, in [0, 1].
func (h *Habit) Share(x Symbol) float64 {
	if h.total == 0 {
		return 0
	}
	return min(1, h.slots.count(symbolKey(x))/float64(h.total))
}

// normal is an event's nats about the subject's own, in spreads of his blocks.
func (h *Habit) normal(nats float64) float64 {
	return (nats - float64(share*h.mean)) / h.spread()
}

func (h *Habit) spread() float64 { return math.Sqrt(h.v + spreadMin*spreadMin) }

// Learn adds an event that has stayed clean, with the nats it had when it
// happened.
func (h *Habit) Learn(prev, x Symbol, nats float64) {
	h.see(prev, x)
	h.settle(nats)
}

// see counts that x followed prev.
func (h *Habit) see(prev, x Symbol) {
	h.count(symbolKey(x))
	h.total = min(h.total+1, math.MaxUint32-1)
	if prev != 0 {
		h.count(pairKey(prev, x))
	}
}

func (h *Habit) count(key uint64) {
	for h.slots.add(key) {
		h.halve()
	}
}

// settle lets the subject's normal follow what was taught. Early events say
// little about him, since everything is new.
func (h *Habit) settle(nats float64) {
	h.taught = min(h.taught+1, math.MaxUint32-1)
	if h.taught <= HabitEventsMin/2 {
		return
	}
	n := float64(h.taught - HabitEventsMin/2)
	f := max(eventRate, 1/n)
	h.mean += float64(f * (nats - h.mean))
	h.sum += nats
	h.filled++
	if h.filled < block {
		return
	}
	excess := h.sum - float64(block*share*h.mean)
	h.sum, h.filled = 0, 0
	h.blocks = min(h.blocks+1, math.MaxUint32-1)
	f = max(blockRate, 1/float64(h.blocks+1))
	most := float64(strayMax * strayMax * (h.v + spreadMin*spreadMin))
	h.v += float64(f * (min(float64(excess*excess), most) - h.v))
}

// Decay lets the counts fade to num/256 of themselves; the rarest vanish. The
// engine calls it as the stream clock says, a day at a time.
func (h *Habit) Decay(num uint8) {
	h.decays++
	h.slots.scale(num, h.decays)
	h.total = uint32(uint64(h.total) * uint64(num) >> 8)
}

// Day lets the counts fade to a day of the stream clock, by half in halfLife
// days. It is cheap to call with each event.
func (h *Habit) Day(day int32, halfLife float64) {
	if day <= h.day {
		return
	}
	if h.day != 0 {
		h.Decay(fadeOf(float64(day-h.day), halfLife))
	}
	h.day, h.given = day, 0
}

// fadeOf is the share, in 256ths, that outlasts some time.
func fadeOf(time, halfLife float64) uint8 {
	return uint8(min(255, math.Round(256*exact.Decay(time, halfLife))))
}

func (h *Habit) halve() { h.Decay(128) }

// Fetch reads the habit ahead of its use, see package fetch.
func (h *Habit) Fetch() byte { return fetch.Value(h) + fetch.List(h.slots.cells) }

// Clone returns a habit that learns on its own.
func (h *Habit) Clone() Habit {
	c := *h
	c.slots.cells = slices.Clone(h.slots.cells)
	return c
}

// Code writes or reads the habit.
func (h *Habit) Code(k *snapshot.Codec) {
	h.slots.code(k)
	for _, v := range []*uint32{&h.total, &h.taught, &h.blocks, &h.filled, &h.decays} {
		u := uint64(*v)
		k.U64(&u)
		*v = uint32(u)
	}
	day, given := int64(h.day), uint64(h.given)
	k.I64(&day)
	k.U64(&given)
	h.day, h.given = int32(day), uint32(given)
	k.F64(&h.mean)
	k.F64(&h.v)
	k.F64(&h.sum)
	h.mean = min(natsMax, max(natsMin, h.mean))
	h.v = min(vMax, max(0, h.v))
	h.sum = min(block*natsMax, max(block*natsMin, h.sum))
	h.taught, h.filled = min(h.taught, math.MaxUint32-1), min(h.filled, block-1)
}
