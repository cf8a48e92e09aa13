package entity_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

const second = int64(time.Second)

// TestClock moves the stream clock by ticks.
func TestClock(t *testing.T) {
	day := int64(1e18)
	tests := map[string]struct {
		move func(c *entity.Clock)
		want int64
	}{
		"one gateway is the clock":                              {func(c *entity.Clock) { c.Tick("a", day) }, day},
		"a clock never runs backwards":                          {func(c *entity.Clock) { c.Tick("a", day); c.Tick("a", day-5*second) }, day},
		"one of three far ahead moves nothing":                  {func(c *entity.Clock) { three(c, day); c.Tick("c", day+int64(time.Hour)) }, day},
		"one of three far behind moves nothing":                 {func(c *entity.Clock) { three(c, day); c.Tick("c", 0); c.Tick("a", day+second); c.Tick("b", day+second) }, day + second},
		"a jump is capped":                                      {func(c *entity.Clock) { c.Tick("a", day); c.Tick("a", day+int64(300*time.Hour)) }, day + int64(entity.JumpMax)},
		"events are the clock before any tick":                  {func(c *entity.Clock) { c.Event(day); c.Event(day - second) }, day},
		"events are nothing after a tick":                       {func(c *entity.Clock) { c.Tick("a", day); c.Event(day + 9*second) }, day},
		"ticks go on from where history ended":                  {func(c *entity.Clock) { c.Event(day); c.Tick("a", day-second); c.Tick("a", day+second) }, day + second},
		"a gateway that went away holds nothing":                {func(c *entity.Clock) { three(c, day); a(c, day, 100) }, day + 100*second},
		"a first gateway in 2099 is set back by two that agree": {func(c *entity.Clock) { c.Tick("c", y2099); c.Tick("a", day); c.Tick("b", day+second) }, day + second},
		"a first gateway in 2099 is outvoted by the second":     {func(c *entity.Clock) { c.Tick("c", y2099); c.Tick("a", day) }, day},
		"a first event in 2099 is corrected by the first tick":  {func(c *entity.Clock) { c.Event(y2099); c.Tick("a", day) }, day},
		"a first event in 1970 is corrected by the first tick":  {func(c *entity.Clock) { c.Event(second); c.Tick("a", day) }, day},
		"a lone gateway that learns the time is followed":       {func(c *entity.Clock) { c.Tick("a", y2099); c.Tick("a", day) }, day},
		"a machine without a battery is no gateway's clock":     {func(c *entity.Clock) { c.Tick("c", second); c.Tick("a", day); c.Tick("c", 2*second) }, day},
		"who comes when two agree sets nothing back": {func(c *entity.Clock) {
			three(c, day)
			c.Tick("d", day-int64(time.Hour))
			c.Tick("e", day-int64(time.Hour))
		}, day},
		"a lone gateway is believed for good after a day of it": {func(c *entity.Clock) { lone(c, day); c.Tick("b", day-int64(time.Hour)) }, day + entity.AloneMax*second},
		"a first line in 2099 is outvoted by those that follow": {func(c *entity.Clock) { c.Event(y2099); lines(c, day, entity.BackLeast) }, day + entity.BackLeast*second},
		"a line in 2099 moves nothing":                          {func(c *entity.Clock) { lines(c, day, 2); c.Event(y2099); c.Event(day + 3*second) }, day + 3*second},
		"a month without a line is caught up with":              {func(c *entity.Clock) { lines(c, day, 2); lines(c, day+2*int64(entity.FarMax), entity.FarLeast) }, day + 2*int64(entity.FarMax) + entity.FarLeast*second},
		"old lines set no file back":                            {func(c *entity.Clock) { lines(c, day, 2); lines(c, day-2*int64(entity.FarMax), 99) }, day + 2*second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := entity.NewClock(false)
			tt.move(&c)
			if c.Now() != tt.want {
				t.Errorf("clock is %d, want %d: off by %s", c.Now(), tt.want, time.Duration(c.Now()-tt.want))
			}
		})
	}
	off := entity.NewClock(true)
	off.Tick("a", day)
	off.Event(day - second)
	if off.Now() != day-second {
		t.Errorf("offline clock took a tick: %d", off.Now())
	}
}

// y2099 is a time in 2099.
const y2099 = int64(4_070_908_800e9)

// lone lets one gateway tick for a day.
func lone(c *entity.Clock, from int64) {
	for i := range int64(entity.AloneMax) {
		c.Tick("a", from+(i+1)*second)
	}
}

// lines lets events come one a second.
func lines(c *entity.Clock, from int64, n int) {
	for i := range int64(n) {
		c.Event(from + (i+1)*second)
	}
}

func three(c *entity.Clock, at int64) {
	for _, g := range []string{"a", "b", "c"} {
		c.Tick(g, at)
	}
}

// a lets gateways a and b tick on for n seconds while c is silent.
func a(c *entity.Clock, from int64, n int) {
	for i := range n {
		c.Tick("a", from+int64(i+1)*second)
		c.Tick("b", from+int64(i+1)*second)
	}
}

// TestClockBoundsItsGateways lets more gateways tick than are weighed.
func TestClockBoundsItsGateways(t *testing.T) {
	c := entity.NewClock(false)
	for i := range 3 * entity.GatewaysMax {
		c.Tick(fmt.Sprint("g", i), int64(1e18)+int64(i))
	}
	w := snapshot.Writer()
	c.Code(w)
	if len(w.Bytes()) > 20*entity.GatewaysMax {
		t.Errorf("the clock remembers %d B", len(w.Bytes()))
	}
}

// TestTableDropsTheLeastRecentlyUsed fills a table beyond its limit.
func TestTableDropsTheLeastRecentlyUsed(t *testing.T) {
	tab := entity.NewTable[int](3)
	put := func(id string, v int) { tab.Put(entity.Key{ID: id}, &v) }
	put("a", 1)
	put("b", 2)
	put("c", 3)
	tab.Get(entity.Key{ID: "a"})
	tab.Peek(entity.Key{ID: "b"}) // Does not count as use.
	put("d", 4)
	if tab.Peek(entity.Key{ID: "b"}) != nil || tab.Peek(entity.Key{ID: "a"}) == nil || tab.Len() != 3 || tab.Evicted != 1 {
		t.Errorf("a %v, b %v, len %d, evicted %d", tab.Peek(entity.Key{ID: "a"}), tab.Peek(entity.Key{ID: "b"}), tab.Len(), tab.Evicted)
	}
	w := snapshot.Writer()
	tab.Code(w, w.Int, nil)
	back := entity.NewTable[int](2)
	r := snapshot.Reader(w.Bytes())
	back.Code(r, r.Int, nil)
	if r.Err() != nil || back.Len() != 2 || back.Peek(entity.Key{ID: "c"}) != nil || *back.Peek(entity.Key{ID: "d"}) != 4 {
		t.Errorf("restored into a smaller table: err %v, len %d", r.Err(), back.Len())
	}
}

// TestListsAreBounded gives one session and subject more than they remember.
func TestListsAreBounded(t *testing.T) {
	var p entity.Pending
	var s entity.Subject
	var r entity.Ring
	for i := range 1000 {
		p.Note(entity.Countries, fmt.Sprint(i))
		p.Samples.Add(entity.Rate, i%40)
		s.Watch(fmt.Sprint(i), -1)
		s.Carry(entity.Carried{Session: fmt.Sprint(i), Nats: 5, At: 1})
		r.Add(uint64(i), entity.RecentMax)
	}
	if p.Count(entity.Countries) > entity.SeenMax || p.Samples.Total(entity.Rate) > 200 || len(s.Open) > entity.OpenSessionsMax || len(s.Carried()) > entity.CarriedMax || r.Len() > entity.RecentMax {
		t.Errorf("seen %d, samples %d, open %d, carried %d, ring %d", p.Count(entity.Countries), p.Samples.Total(entity.Rate), len(s.Open), len(s.Carried()), r.Len())
	}
	if !r.Has(999) || r.Has(1) {
		t.Error("the ring forgot the newest or kept the oldest")
	}
}

// TestSuspicionFades halves what is held in one half-life, and never backwards.
func TestSuspicionFades(t *testing.T) {
	var s entity.Suspicion
	pace := entity.Pace{HalfLife: time.Minute, Block: time.Minute}
	s.Decay(second, &pace)
	s.Hold(3, 0, 8)
	s.Decay(61*second, &pace)
	if got := s.Total(0); got < 3.999 || got > 4.001 {
		t.Errorf("held after one half-life: %g, want 4", got)
	}
	s.Decay(second, &pace)
	if got := s.Total(0); got > 4.001 || got < 3.999 || s.Total(9) != 9 {
		t.Errorf("held after a step back: %g, with floor 9: %g", got, s.Total(9))
	}
}

// TestSuspicionPaysRent lets suspicion fade at a half-life of ten minutes and a
// rent of a nat a minute in group 1, which is more than the decay below 14.4.
func TestSuspicionPaysRent(t *testing.T) {
	tests := map[string]struct {
		group   int
		nats    float64
		minutes int64
		want    float64
	}{
		"a group without rent halves":          {0, 8, 10, 4},
		"little pays rent":                     {1, 8, 3, 5},
		"and is gone soon":                     {1, 8, 9, 0},
		"much halves":                          {1, 40, 10, 20},
		"and pays rent once the decay is less": {1, 28.853900817779268, 12, 12.426950408889634},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			pace := entity.Pace{HalfLife: 10 * time.Minute, Block: time.Minute}
			pace.Rents[1] = 1
			for _, steps := range []int64{1, 60} {
				var s entity.Suspicion
				s.Decay(1, &pace)
				s.Hold(3, tt.group, tt.nats)
				for i := range steps {
					s.Decay(1+(i+1)*tt.minutes*60/steps*second, &pace)
				}
				if got := s.Total(0); math.Abs(got-tt.want) > 1e-9 {
					t.Errorf("in %d steps: %g is left, want %g", steps, got, tt.want)
				}
			}
		})
	}
}
