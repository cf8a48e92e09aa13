package store

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// silentAfter is for how long nothing may come of a gateway's lane, in which it ticks
// every second, before its life counts as over.
const silentAfter = 30 * time.Second

// How a life of a gateway ends in a lane. What has timed out may be heard again.
const (
	endClosed    = "closed"    // Its last tick has come.
	endSucceeded = "succeeded" // A later life of the gateway is heard in the partition.
	endTimeout   = "timeout"   // Nothing came for silentAfter while others were heard.
	endResumed   = "resumed"   // It is heard again after a timeout.
)

// life is what is known of a lane's life.
type life struct {
	heard int64  // The stream's time when it was heard last, in Unix milliseconds.
	end   string // Empty while it goes on.
}

// lives follow which lanes of a partition are heard. Their clock is the newest time
// of its records, so that whoever reads the same records finds the same ends.
type lives struct {
	of    map[event.Lane]life
	clock int64 // When the last of them was heard.
}

// endRow is one row of gateway_epochs.
type endRow struct {
	time time.Time
	lane event.Lane
	last uint64
	end  string
	position
}

// hear notes a record of a lane that was written at a time, and tells which lives
// end by it; closing is the last record of the lane's life.
func (v *lives) hear(l event.Lane, closing bool, at time.Time, tell func(l event.Lane, end string)) {
	before := v.clock
	v.advance(at.UnixMilli())
	now, known := v.of[l]
	if !known {
		l, now = v.meet(l, tell)
	}
	now.heard = v.clock
	switch {
	case closing && now.end != endClosed:
		now.end = endClosed
		tell(l, endClosed)
	case now.end == endTimeout:
		now.end = ""
		tell(l, endResumed)
	}
	v.set(l, now)
	if v.clock/1000 != before/1000 {
		v.silent(tell)
	}
}

// set notes what is known of a lane; used to restore a cut's memory, too.
func (v *lives) set(l event.Lane, now life) {
	if v.of == nil {
		v.of = make(map[event.Lane]life)
	}
	v.of[l] = now
	v.clock = max(v.clock, now.heard)
}

// advance moves the clock. Where the whole partition was silent this says nothing of
// any one lane: the pause counts for none.
func (v *lives) advance(now int64) {
	pause := now - v.clock
	if v.clock > 0 && pause >= silentAfter.Milliseconds() {
		for l, of := range v.of {
			of.heard += pause
			v.of[l] = of
		}
	}
	v.clock = max(v.clock, now)
}

// meet begins to follow a lane, and ends the lives before it of the same gateway. A
// life that is over already, as a later one is known, is succeeded at once.
func (v *lives) meet(l event.Lane, tell func(l event.Lane, end string)) (event.Lane, life) {
	var before []event.Lane
	var now life
	for other, of := range v.of {
		switch {
		case other.Gateway != l.Gateway:
		case other.Epoch > l.Epoch:
			now.end = endSucceeded
		case other.Epoch < l.Epoch && of.end != endClosed && of.end != endSucceeded:
			before = append(before, other)
		}
	}
	slices.SortFunc(before, event.Lane.Compare)
	for _, other := range before {
		v.over(other, endSucceeded, tell)
	}
	l.Gateway = strings.Clone(l.Gateway) // The event is used again.
	if now.end != "" {
		tell(l, now.end)
	}
	return l, now
}

// silent ends the lives of which nothing came for silentAfter.
func (v *lives) silent(tell func(l event.Lane, end string)) {
	var silent []event.Lane
	for l, of := range v.of {
		if of.end == "" && v.clock-of.heard >= silentAfter.Milliseconds() {
			silent = append(silent, l)
		}
	}
	slices.SortFunc(silent, event.Lane.Compare)
	for _, l := range silent {
		v.over(l, endTimeout, tell)
	}
}

func (v *lives) over(l event.Lane, end string, tell func(l event.Lane, end string)) {
	of := v.of[l]
	of.end = end
	v.of[l] = of
	tell(l, end)
}

// keep forgets the lanes that positions have forgotten. It is called where a cut is
// made, so that the memory of its author is that which the cut's record gives.
func (v *lives) keep(lanes *event.Positions) {
	maps.DeleteFunc(v.of, func(l event.Lane, _ life) bool { return lanes.Last(l) == 0 })
}

func endColumns() []column[endRow] {
	type row = endRow
	return slices.Concat([]column[row]{
		col("time", func(r *row) time.Time { return r.time }),
		col("gateway", func(r *row) string { return r.lane.Gateway }),
		col("epoch", func(r *row) uint64 { return r.lane.Epoch }),
		col("lane", func(r *row) uint32 { return r.lane.Lane }),
		col("seq", func(r *row) uint64 { return r.last }),
		col("ended", func(r *row) string { return r.end }),
	}, positions(func(r *row) *position { return &r.position }))
}
