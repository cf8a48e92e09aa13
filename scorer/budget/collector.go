package budget

import (
	"container/heap"
	"maps"
	"slices"
	"time"
)

// Day is what counts as one day of a subject.
const Day = 24 * time.Hour

// Collector gathers the maxima of clean subject-days.
type Collector struct {
	rungs int
	open  map[string]*day
	kinds map[string]*Kind
}

// Kind is what was gathered about one kind of actor.
type Kind struct {
	// Days is how many subject-days ended.
	Days int
	// Rungs has one entry per rung of the kind's ladder.
	Rungs []Rung
}

// Rung is what was gathered for one rung.
type Rung struct {
	// Reached is on how many subject-days the rung's action was asked for.
	Reached int
	// Maxima are the largest of the days' maxima, in no order, in nats.
	Maxima []float64
}

// day is one subject's open day.
type day struct {
	kind    string
	number  int64
	maxima  []float64
	reached int // Rungs reached, as a bit each.
}

// NewCollector returns a collector for ladders of at most rungs rungs, 1 to 32.
func NewCollector(rungs int) *Collector {
	return &Collector{rungs: rungs, open: make(map[string]*day), kinds: make(map[string]*Kind)}
}

// Observe notes an actor's suspicion at stream time now, in nanoseconds:
// supports[i] is what supports rung i, reached the rung that was asked for, -1
// for none.
func (c *Collector) Observe(kind, subject string, supports []float64, reached int, now int64) {
	number := now / int64(Day)
	d := c.open[subject]
	switch {
	case d == nil:
		if len(c.open) >= SubjectsMax {
			c.Close()
		}
		d = &day{kind: kind, number: number, maxima: make([]float64, c.rungs)}
		c.open[subject] = d
	case number > d.number:
		c.end(d)
		clear(d.maxima)
		d.kind, d.number, d.reached = kind, number, 0
	}
	if reached >= 0 {
		d.reached |= 1 << reached
	}
	for i := range min(len(supports), c.rungs) {
		d.maxima[i] = max(d.maxima[i], supports[i])
	}
}

// Close ends every open day.
func (c *Collector) Close() {
	for _, subject := range slices.Sorted(maps.Keys(c.open)) {
		c.end(c.open[subject])
	}
	clear(c.open)
}

// end files a day.
func (c *Collector) end(d *day) {
	k := c.kinds[d.kind]
	if k == nil {
		k = &Kind{Rungs: make([]Rung, c.rungs)}
		c.kinds[d.kind] = k
	}
	k.Days++
	for i := range k.Rungs {
		r := &k.Rungs[i]
		if d.reached&(1<<i) != 0 {
			r.Reached++
		}
		r.keep(d.maxima[i])
	}
}

// keep keeps the largest maxima.
func (r *Rung) keep(x float64) {
	h := (*smallestFirst)(&r.Maxima)
	switch {
	case len(r.Maxima) < MaximaMax:
		heap.Push(h, x)
	case x > r.Maxima[0]:
		r.Maxima[0] = x
		heap.Fix(h, 0)
	}
}

// Clear forgets all days, as after a history that only teaches.
func (c *Collector) Clear() {
	clear(c.open)
	clear(c.kinds)
}

// Kinds returns what was gathered, by kind of actor.
func (c *Collector) Kinds() map[string]*Kind { return c.kinds }

type smallestFirst []float64

func (h smallestFirst) Len() int           { return len(h) }
func (h smallestFirst) Less(i, j int) bool { return h[i] < h[j] }
func (h smallestFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *smallestFirst) Push(x any)        { *h = append(*h, x.(float64)) } //nolint:forcetypeassert // Only keep pushes.
func (h *smallestFirst) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
