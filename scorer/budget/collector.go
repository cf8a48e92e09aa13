package budget

import (
	"container/heap"
	"maps"
	"slices"
	"time"
)

// Day is what counts as one day of a subject.
const Day = 24 * time.Hour

// Collector gathers the maxima of clean subject-days that were seen whole.
type Collector struct {
	rungs       int
	subjectsMax int
	open        map[string]*day
	kinds       map[string]*Kind
	begun, last int64 // Stream time of the first and of the latest note, -1 for none.
	full        int64 // The latest day on which no subject more was taken, -1 for none.
}

// Kind is what was gathered about one kind of actor.
type Kind struct {
	// Days is how many subject-days were seen whole.
	Days int
	// LeftOut is how many were not: the history began or ended in the middle of them.
	LeftOut int
	// Rungs has one entry per rung of the kind's ladder.
	Rungs []Rung
}

// Rung is what was gathered for one rung.
type Rung struct {
	// Reached is on how many subject-days the rung's action was asked for.
	Reached int
	// Maxima are the largest of the days' maxima, in no order.
	Maxima []Maximum
}

// Maximum is the largest suspicion of a subject-day.
type Maximum struct {
	Nats float64
	// Cut says that a verdict was in force in the day: what its suspicion would have
	// come to without is at least this.
	Cut bool
}

// day is one subject's open day.
type day struct {
	kind    string
	number  int64
	maxima  []float64
	reached int // Rungs reached, as a bit each.
	cut     bool
}

// NewCollector returns a collector for ladders of at most rungs rungs, 1 to 32.
func NewCollector(rungs int) *Collector {
	return &Collector{rungs: rungs, subjectsMax: SubjectsMax, open: make(map[string]*day), kinds: make(map[string]*Kind), begun: -1, last: -1, full: -1}
}

// Observe notes an actor's suspicion at stream time now, in nanoseconds:
// supports[i] is what supports rung i, reached the rung that was asked for, -1
// for none. cut says that a verdict keeps the actor from showing more of it, or that
// he has answered one.
func (c *Collector) Observe(kind, subject string, supports []float64, reached int, cut bool, now int64) {
	number := now / int64(Day)
	if c.begun < 0 {
		c.begun = now
	}
	c.last = max(c.last, now)
	d := c.open[subject]
	switch {
	case d == nil:
		if !c.room(number) {
			return
		}
		d = &day{kind: kind, number: number, maxima: make([]float64, c.rungs)}
		c.open[subject] = d
	case number > d.number:
		c.end(d)
		clear(d.maxima)
		d.kind, d.number, d.reached, d.cut = kind, number, 0, false
	}
	d.cut = d.cut || cut
	if reached >= 0 {
		d.reached |= 1 << reached
	}
	for i := range min(len(supports), c.rungs) {
		d.maxima[i] = max(d.maxima[i], supports[i])
	}
}

// room reports whether there is room for a subject more, after the days that are over
// were filed. Who finds none is not taken for the rest of the day, so that every day
// that counts is a whole one.
func (c *Collector) room(number int64) bool {
	if len(c.open) < c.subjectsMax {
		return number != c.full
	}
	if number != c.full {
		c.file(func(d *day) bool { return d.number < number })
	}
	if len(c.open) < c.subjectsMax {
		return true
	}
	c.full = number
	return false
}

// Close ends every open day: those of the history's last day, too, unless it ended
// early on it.
func (c *Collector) Close() {
	c.file(func(*day) bool { return true })
}

// file ends the open days that are over.
func (c *Collector) file(over func(*day) bool) {
	for _, subject := range slices.Sorted(maps.Keys(c.open)) {
		if d := c.open[subject]; over(d) {
			c.end(d)
			delete(c.open, subject)
		}
	}
}

// whole reports whether all of a day lies between the first and the latest note, but
// for what is left at either end of a day on which many are noted.
func (c *Collector) whole(number int64) bool {
	from := number * int64(Day)
	return c.begun < from+edge && c.last >= from+int64(Day)-edge
}

// end files a day.
func (c *Collector) end(d *day) {
	k := c.kinds[d.kind]
	if k == nil {
		k = &Kind{Rungs: make([]Rung, c.rungs)}
		c.kinds[d.kind] = k
	}
	if !c.whole(d.number) {
		k.LeftOut++
		return
	}
	k.Days++
	for i := range k.Rungs {
		r := &k.Rungs[i]
		if d.reached&(1<<i) != 0 {
			r.Reached++
		}
		r.keep(Maximum{d.maxima[i], d.cut})
	}
}

// keep keeps the largest maxima.
func (r *Rung) keep(x Maximum) {
	h := (*smallestFirst)(&r.Maxima)
	switch {
	case len(r.Maxima) < MaximaMax:
		heap.Push(h, x)
	case x.Nats > r.Maxima[0].Nats:
		r.Maxima[0] = x
		heap.Fix(h, 0)
	}
}

// Clear forgets all days, as after a history that only teaches.
func (c *Collector) Clear() {
	clear(c.open)
	clear(c.kinds)
	c.begun, c.last, c.full = -1, -1, -1
}

// Kinds returns what was gathered, by kind of actor.
func (c *Collector) Kinds() map[string]*Kind { return c.kinds }

type smallestFirst []Maximum

func (h smallestFirst) Len() int           { return len(h) }
func (h smallestFirst) Less(i, j int) bool { return h[i].Nats < h[j].Nats }
func (h smallestFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *smallestFirst) Push(x any)        { *h = append(*h, x.(Maximum)) } //nolint:forcetypeassert // Only keep pushes.
func (h *smallestFirst) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
