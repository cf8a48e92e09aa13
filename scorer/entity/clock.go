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
// files, which have none, it is the running maximum of the events' own times.
type Clock struct {
	now     int64
	ticked  bool
	ticks   []tick // In the order in which the gateways appeared.
	offline bool
}

type tick struct {
	Gateway string
	Time    int64
}

// NewClock returns a clock at zero. offline ignores ticks for good.
func NewClock(offline bool) Clock { return Clock{offline: offline} }

// Now is the time in nanoseconds since 1970.
func (c *Clock) Now() int64 { return c.now }

// Tick notes a gateway's tick record.
func (c *Clock) Tick(gateway string, at int64) {
	if c.offline {
		return
	}
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
	m := c.median()
	if !c.ticked && c.now == 0 {
		c.now = m // Nothing to compare with yet.
	}
	c.ticked = true
	c.now = max(c.now, min(m, c.now+int64(JumpMax)))
}

// Event notes an event's own time.
func (c *Clock) Event(at int64) {
	if c.offline || !c.ticked {
		c.now = max(c.now, at)
	}
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
}

// Seconds is a duration of the clock in seconds.
func Seconds(from, to int64) float64 { return float64(to-from) / float64(time.Second) }
