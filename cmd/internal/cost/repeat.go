package cost

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/scorer"
)

// settled is how many events are scored after each restore and not counted: an engine
// that was just restored has no memory to use again.
const settled = 20_000

// Repeat scores the events after a warm-up several times, each time by an engine restored
// from the same state, and takes of each event the least time and the middle one. What
// an event has to do is the same every time, and other processes only ever add to it.
// Allocations and processor time are not counted.
func Repeat(o Stream, runs int) (least, middle *Latency, err error) {
	world, err := life.New(o.Life)
	if err != nil {
		return nil, nil, fmt.Errorf("cost: %w", err)
	}
	e, err := scorer.New(scorer.Options{Model: o.Model, OfflineClock: true})
	if err != nil {
		return nil, nil, fmt.Errorf("cost: %w", err)
	}
	ev := new(event.RequestEvent)
	var records []scorer.Record
	for i := range o.Warmup + settled + o.Events {
		_, more := world.Next(ev)
		if !more {
			return nil, nil, fmt.Errorf("cost: the history ends after %d events", i)
		}
		r := scorer.Record{Event: ev, Topic: topic.Requests, Offset: int64(i)}
		if i < o.Warmup {
			e.Assess(r)
			continue
		}
		r.Event = proto.CloneOf(ev)
		records = append(records, r)
	}
	var state bytes.Buffer
	err = e.Snapshot(&state)
	if err != nil {
		return nil, nil, fmt.Errorf("cost: %w", err)
	}
	took := make([][]int64, o.Events)
	for range runs {
		e, err = scorer.New(scorer.Options{Model: o.Model, OfflineClock: true})
		if err != nil {
			return nil, nil, fmt.Errorf("cost: %w", err)
		}
		err = e.Restore(bytes.NewReader(state.Bytes()), nil)
		if err != nil {
			return nil, nil, fmt.Errorf("cost: %w", err)
		}
		for _, r := range records[:settled] {
			e.Assess(r)
		}
		runtime.GC()
		for i, r := range records[settled:] {
			began := time.Now()
			e.Assess(r)
			took[i] = append(took[i], time.Since(began).Nanoseconds())
		}
	}
	var low, mid timing
	for _, t := range took {
		slices.Sort(t)
		low.took, mid.took = append(low.took, t[0]), append(mid.took, t[len(t)/2])
	}
	return low.done(), mid.done(), nil
}
