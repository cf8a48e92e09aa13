package sequence

import (
	"math"
	"math/bits"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// keep is the share of the level that outlasts an event: half of it is gone
// after 150, so that a takeover of some dozens of events stands out and months
// of small strangeness do not add up.
const keep = 0.9953897

// From heldLevel on only one event in heldLeak teaches, so that a thief does
// not become a habit while the evidence gathers; none at all would leave an
// owner with new work a stranger to himself for ever.
const (
	heldLevel = 2.5
	heldLeak  = 4
)

// levelMax bounds the level of a snapshot: at the most an event can gain, it
// rises no higher.
const levelMax = (natsMax - natsMin) / (spreadMin * (1 - keep))

// natsUnit is the step to which the nats of a pending event are rounded, and
// unjudged stands for none: the tenant was not known yet.
const (
	natsUnit = 16
	unjudged = math.MinInt8
)

// strangeNats is from which nats an event counts as unlike its subject.
const strangeNats = 0.7

// Watch are the sequential tests of one session (CUSUM, Page 1954) and the
// events that wait to teach. The zero value is a session that begins. It takes
// 384 B.
type Watch struct {
	// Level is the evidence for a takeover in spreads of the subject's blocks,
	// at least 0; Peak the highest since the session began or rested.
	Level, Peak float64
	// Adaptive and AdaptivePeak are those of the test whose alternative is not what
	// the tenant's people do, but what the session has lately done.
	Adaptive, AdaptivePeak float64
	last                   Symbol
	// The ring of pending events begins at from, and before precedes it.
	before  Symbol
	from, n uint8
	judged  uint16 // Events since the peak began.
	day     int32  // On which it did.
	// strange has a bit for each of the latest events, the newest lowest, that was
	// unlike the subject; told is how many there are.
	strange uint64
	told    uint8
	// ripe is how many of the pending events, the oldest, need not wait any more.
	ripe uint8
	// arriving is the share that the last event kept of what it said.
	arriving float32
	symbols  [PendingMax]Symbol
	nats     [PendingMax]int8 // In 1/natsUnit nats.
}

// Step is what a watch makes of one event.
type Step struct {
	// Nats is the event's own evidence, in [-3, 3].
	Nats float64
	// Gain is what it adds to the level, in spreads of the subject's blocks and
	// before the floor at 0; Level is the session's.
	Gain, Level float64
	// AdaptiveNats, AdaptiveGain and Adaptive are those of the adaptive test.
	AdaptiveNats, AdaptiveGain, Adaptive float64
	// Prev is what was done before, 0 for nothing.
	Prev Symbol
}

// Step judges one event and keeps it to be taught later; if nobody teaches,
// the oldest pending event is forgotten.
func (w *Watch) Step(h *Habit, p *Prior, x Symbol) Step { return w.StepAmong(h, p, x, nil) }

// StepAmong is Step where others have begun to do the same: arriving, where it is
// given, is asked about an event that is unlike the subject, and says how much of
// that it keeps, in [0, 1]. The way on from what is new is new, too.
func (w *Watch) StepAmong(h *Habit, p *Prior, x Symbol, arriving func() float64) Step {
	nats, adaptive := 0.0, 0.0
	if p.Known() {
		own, other, single := h.shares(p, w.last, x)
		nats, adaptive = natsOf(other, own), natsOf(w.recent(x, single), own)
	}
	before := float64(w.arriving)
	if w.last == 0 {
		before = 1
	}
	w.arriving = 1
	if max(nats, adaptive) >= strangeNats && arriving != nil {
		keeps := arriving()
		if adaptive >= strangeNats {
			adaptive *= min(keeps, before)
		}
		if nats >= strangeNats {
			w.arriving = float32(keeps)
			nats *= min(keeps, before)
		}
	}
	s := Step{Nats: nats, AdaptiveNats: adaptive, Prev: w.last}
	w.strange <<= 1
	if nats >= strangeNats {
		w.strange |= 1
	}
	w.told = min(w.told+1, 64)
	if h.Known() && p.Known() {
		w.judged = min(w.judged+1, math.MaxUint16-1)
		s.Gain, s.AdaptiveGain = h.normal(nats), h.normal(adaptive)
		w.Level, w.Adaptive = Advance(w.Level, s.Gain), Advance(w.Adaptive, s.AdaptiveGain)
		w.Peak, w.AdaptivePeak = max(w.Peak, w.Level), max(w.AdaptivePeak, w.Adaptive)
	}
	if w.n == PendingMax {
		w.drop()
	}
	i := (int(w.from) + int(w.n)) % PendingMax
	w.symbols[i] = x
	w.nats[i] = unjudged
	if p.Known() {
		w.nats[i] = int8(math.Round(nats * natsUnit))
	}
	w.n++
	w.last = x
	s.Level, s.Adaptive = w.Level, w.Adaptive
	return s
}

// recent is the probability of x by what the session did last, the pending events,
// and what the tenant's people do: the alternative of the adaptive test. It is made
// of the past alone, so it is an alternative like any other (a predictable plug-in,
// Ramdas et al., Statistical Science 38, 2023).
func (w *Watch) recent(x Symbol, single float64) float64 {
	n, of := w.Recent(x, PendingMax)
	return (float64(n) + float64(toRecent*single)) / (float64(of) + toRecent)
}

// Recent counts x among the pending events, of which the latest most count, and says
// how many there are.
func (w *Watch) Recent(x Symbol, most int) (n, of int) {
	of = min(most, int(w.n))
	for j := range of {
		if w.symbols[(int(w.from)+int(w.n)-1-j)%PendingMax] == x {
			n++
		}
	}
	return n, of
}

// Advance is the level after an event that gains so much: it fades, it adds,
// and it never falls below 0.
func Advance(level, gain float64) float64 { return max(0, float64(keep*level)+gain) }

// Ripen says that all pending events have stayed clean for long enough. They
// teach by [Watch.Due], so that no single event pays for all of them.
func (w *Watch) Ripen() { w.ripe = w.n }

// ripeAtOnce is how many ripe events teach at once.
const ripeAtOnce = 4

// Due is how many of the newest pending events must wait now: the argument of
// [Watch.Teach] with each event.
func (w *Watch) Due() int { return min(Lag, int(w.n-min(w.ripe, ripeAtOnce))) }

// Teach teaches the habit all but the newest of the pending events, and drops
// most of them untaught while the level is high. also, where given, learns with
// it what the tenant shares, at most GivenMax events of a subject a day.
func (w *Watch) Teach(h *Habit, newest int, also *Shared) {
	for int(w.n) > newest {
		i := int(w.from)
		if w.Level < heldLevel || i%heldLeak == 0 {
			h.see(w.before, w.symbols[i])
			if w.nats[i] != unjudged {
				h.settle(float64(w.nats[i]) / natsUnit)
			}
			if also != nil && h.given < GivenMax {
				h.given++
				also.Add(w.before, w.symbols[i])
			}
		}
		w.drop()
	}
}

// Forget drops what is pending: a session with a verdict teaches nothing.
func (w *Watch) Forget() {
	w.n, w.ripe = 0, 0
	w.before = w.last
}

// Strange counts, of the latest most events, at most 64, those that were unlike
// the subject, and says how many there are.
func (w *Watch) Strange(most int) (strange, of int) {
	of = min(most, int(w.told))
	return bits.OnesCount64(w.strange << (64 - of)), of
}

// Day is the day on which the peak began.
func (w *Watch) Day() int32 { return w.day }

// Judged is how many events were judged since then.
func (w *Watch) Judged() int { return int(w.judged) }

// Continue takes over where another session of the same subject and client
// stands, so that a new token washes nothing away.
func (w *Watch) Continue(o *Watch) {
	w.Level, w.Peak, w.last, w.before = o.Level, o.Level, o.last, o.last
	w.Adaptive, w.AdaptivePeak = o.Adaptive, o.Adaptive
	w.strange, w.told, w.arriving = o.strange, o.told, o.arriving
}

// Renew begins another peak, at the present level.
func (w *Watch) Renew(day int32) {
	w.Peak, w.AdaptivePeak, w.judged, w.day = w.Level, w.Adaptive, 0, day
}

// Rest takes the session as begun anew: the person has shown who he is. What
// is pending may still teach.
func (w *Watch) Rest() { w.Level, w.Peak, w.Adaptive, w.AdaptivePeak, w.judged = 0, 0, 0, 0, 0 }

// Fade lets the level fade to the share f, in [0, 1], as the stream clock says.
func (w *Watch) Fade(f float64) {
	f = min(1, max(0, f))
	w.Level *= f
	w.Adaptive *= f
}

func (w *Watch) drop() {
	w.before = w.symbols[w.from]
	w.from = (w.from + 1) % PendingMax
	w.n--
	w.ripe = max(w.ripe, 1) - 1
}

// Code writes or reads the watch.
func (w *Watch) Code(k *snapshot.Codec) {
	k.F64(&w.Level)
	k.F64(&w.Peak)
	k.F64(&w.Adaptive)
	k.F64(&w.AdaptivePeak)
	codeSymbol(k, &w.last)
	codeSymbol(k, &w.before)
	from, judged := uint64(w.from), uint64(w.judged)
	k.U64(&from)
	k.U64(&judged)
	w.judged = uint16(judged)
	day := int64(w.day)
	k.I64(&day)
	w.day = int32(day)
	told := uint64(w.told)
	k.U64(&w.strange)
	k.U64(&told)
	k.F32(&w.arriving)
	ripe := uint64(w.ripe)
	k.U64(&ripe)
	w.told, w.arriving = uint8(min(told, 64)), min(1, max(0, w.arriving))
	n := min(k.Len(int(w.n)), PendingMax)
	w.from, w.n, w.ripe = uint8(from%PendingMax), uint8(n), uint8(min(ripe, uint64(n)))
	w.Level, w.Peak = min(levelMax, max(0, w.Level)), max(0, w.Peak)
	w.Adaptive, w.AdaptivePeak = min(levelMax, max(0, w.Adaptive)), max(0, w.AdaptivePeak)
	for j := range n {
		i := (int(w.from) + j) % PendingMax
		codeSymbol(k, &w.symbols[i])
		u := uint64(uint8(w.nats[i]))
		k.U64(&u)
		w.nats[i] = int8(u)
	}
}

func codeSymbol(k *snapshot.Codec, x *Symbol) {
	u := uint64(*x)
	k.U64(&u)
	*x = Symbol(u)
}
