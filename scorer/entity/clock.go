package entity

import (
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Clock is the stream clock: the running maximum of the median of the live
// gateways' latest ticks, each jump capped, so that one gateway with a wrong
// clock moves nothing where there are others. Until the first tick, and in
// files, which have none, it is the running maximum of the events' own times,
// of which one that is more than FarMax from the others moves nothing.
//
// A clock that nobody has confirmed may be wrong: where it begins with one
// gateway or one event in 2099, it is set back by the first that agree with one
// another, or that is more than FarMax away. Once it is confirmed it never runs
// backwards.
type Clock struct {
	now     int64
	ticked  bool
	ticks   []tick // In the order in which the gateways appeared.
	offline bool
	// settled says that two gateways, or a day of one, stand behind the ticks, and
	// agreed that two events stand behind the events' times.
	settled, agreed bool
	// alone counts the ticks of a clock that is not settled.
	alone int64
	// far is the latest of the events, farCount in a row, that agree with one
	// another and not with the clock.
	far      int64
	farCount int64
}

type tick struct {
	Gateway string
	Time    int64
}

// NewClock returns a clock at zero. offline ignores ticks for good.
func NewClock(offline bool) Clock { return Clock{offline: offline} }

// Now is the time in nanoseconds since 1970.
func (c *Clock) Now() int64 { return c.now }

// Tick notes a gateway's tick record. It reports whether it set the clock back:
// what was seen until now was seen at a wrong time. A tick from before
// TicksFrom is of a machine that has not learned the time yet, and is none.
func (c *Clock) Tick(gateway string, at int64) (back bool) {
	if c.offline || at < TicksFrom {
		return false
	}
	c.note(gateway, at)
	first := !c.ticked
	c.ticked = true
	m := c.median()
	if c.settled {
		c.now = max(c.now, min(m, c.now+int64(JumpMax)))
		return false
	}
	c.alone++
	agreed := c.agree(gateway, at)
	c.settled = agreed || c.alone >= AloneMax
	switch {
	case agreed && !near(at, c.now, SkewMax), first && !near(m, c.now, FarMax):
		back, c.now = at < c.now, at // Better than what nobody has confirmed.
	case m < c.now && !near(m, c.now, FarMax):
		back, c.now = true, m // What is less is waited for.
	default:
		c.now = max(c.now, min(m, c.now+int64(JumpMax)))
	}
	return back
}

// note keeps a gateway's latest tick.
func (c *Clock) note(gateway string, at int64) {
	i := slices.IndexFunc(c.ticks, func(t tick) bool { return t.Gateway == gateway })
	switch {
	case i >= 0:
		c.ticks[i].Time = at
	case len(c.ticks) >= GatewaysMax:
		oldest := 0
		for j := range c.ticks {
			if c.ticks[j].Time < c.ticks[oldest].Time {
				oldest = j
			}
		}
		c.ticks[oldest] = tick{strings.Clone(gateway), at}
	default:
		c.ticks = append(c.ticks, tick{strings.Clone(gateway), at})
	}
}

// agree reports whether another gateway's clock shows about the same.
func (c *Clock) agree(gateway string, at int64) bool {
	return slices.ContainsFunc(c.ticks, func(t tick) bool {
		return t.Gateway != gateway && near(t.Time, at, SkewMax)
	})
}

// Event notes an event's own time. It reports whether it set the clock back, as
// [Clock.Tick] does.
func (c *Clock) Event(at int64) (back bool) {
	switch {
	case c.ticked && !c.offline:
		return false
	case c.now == 0:
		c.now = at
		return false
	case near(at, c.now, FarMax):
		c.agreed, c.farCount = true, 0
		c.now = max(c.now, at)
		return false
	case c.agreed && at < c.now:
		return false // Late.
	}
	if c.farCount == 0 || !near(at, c.far, FarMax) {
		c.farCount = 0
	}
	c.far = at
	c.farCount++
	back = at < c.now
	if c.farCount < FarLeast || back && c.farCount < BackLeast {
		return false
	}
	c.now, c.agreed, c.farCount = at, true, 0
	return back
}

// near reports whether two times are within a span of each other. Times may be
// anything, also further apart than a duration can be.
func near(a, b int64, within time.Duration) bool {
	return uint64(max(a, b))-uint64(min(a, b)) <= uint64(within)
}

// Clamp is an event's own time, cut to within SkewMax of the clock.
func (c *Clock) Clamp(at int64) int64 {
	return max(c.now-int64(SkewMax), min(at, c.now+int64(SkewMax)))
}

// median is the lower median of the gateways that have ticked within LiveFor
// of the latest but one: a lone gateway far in the future cannot make the
// others look dead.
func (c *Clock) median() int64 {
	times := make([]int64, 0, 16)
	for _, t := range c.ticks {
		times = append(times, t.Time)
	}
	slices.Sort(times)
	latest := times[max(0, len(times)-2)]
	for len(times) > 1 && times[0] < latest-int64(LiveFor) {
		times = times[1:]
	}
	return times[(len(times)-1)/2]
}

// Code writes or reads the clock.
func (c *Clock) Code(k *snapshot.Codec) {
	k.I64(&c.now)
	k.Bool(&c.ticked)
	snapshot.List(k, &c.ticks, func(t *tick) {
		k.Str(&t.Gateway)
		k.I64(&t.Time)
	})
	k.Bool(&c.settled)
	k.Bool(&c.agreed)
	k.I64(&c.alone)
	k.I64(&c.far)
	k.I64(&c.farCount)
}

// Seconds is a duration of the clock in seconds.
func Seconds(from, to int64) float64 { return float64(to-from) / float64(time.Second) }
