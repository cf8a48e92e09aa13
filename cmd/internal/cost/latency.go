package cost

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// chunkEvents is how many events are made before they are scored.
const chunkEvents = 4096

// Latency is what an operation took over many events, in nanoseconds, reading
// the clock included.
type Latency struct {
	Events                   int
	P50, P90, P99, P999, Max int64
	// Busy is the processor time of all events together, that of the garbage
	// collector included.
	Busy time.Duration
	// Allocations and Bytes are of all events together.
	Allocations, Bytes uint64
}

// PerSecond is how many events are done in a second of processor time.
func (l *Latency) PerSecond() float64 { return float64(l.Events) / l.Busy.Seconds() }

// String is one line for a person.
func (l *Latency) String() string {
	n := float64(max(1, l.Events))
	return fmt.Sprintf("p50 %d ns  p90 %d ns  p99 %d ns  p99.9 %d ns  max %d µs  %.3f allocations  %.0f B  %.0f events/s of processor time",
		l.P50, l.P90, l.P99, l.P999, l.Max/1000, float64(l.Allocations)/n, float64(l.Bytes)/n, l.PerSecond())
}

// timing gathers single times.
type timing struct {
	took    []int64
	latency Latency
}

// chunk times do on n events, numbered from 0.
func (t *timing) chunk(n int, do func(i int)) {
	var before, after runtime.MemStats
	t.took = slices.Grow(t.took, n)
	runtime.ReadMemStats(&before)
	busy, last := CPU(), time.Now()
	for i := range n {
		do(i)
		now := time.Now()
		t.took = append(t.took, now.Sub(last).Nanoseconds())
		last = now
	}
	t.latency.Busy += CPU() - busy
	runtime.ReadMemStats(&after)
	t.latency.Allocations += after.Mallocs - before.Mallocs
	t.latency.Bytes += after.TotalAlloc - before.TotalAlloc
}

// done is the distribution.
func (t *timing) done() *Latency {
	l := new(t.latency) // Not a part of t, whose times nobody needs any more.
	slices.Sort(t.took)
	n := len(t.took)
	l.Events = n
	if n == 0 {
		return l
	}
	at := func(perMille int) int64 { return t.took[min(n-1, n*perMille/1000)] }
	l.P50, l.P90, l.P99, l.P999, l.Max = at(500), at(900), at(990), at(999), t.took[n-1]
	return l
}

// Stream are the options of [Assess].
type Stream struct {
	Life life.Options
	// Model is required.
	Model *model.Model
	// Warmup is how many events only teach, and Events how many are measured.
	Warmup, Events int
	// Operations are timed beside the engine, each on the same events.
	Operations []Operation
}

// Operation is something that an event costs.
type Operation struct {
	Name string
	Do   func(*event.RequestEvent)
}

// Assess scores a history and returns what an event took once it is warm, and
// beside it what each of the operations took.
func Assess(o Stream) (engine *Latency, operations []*Latency, err error) {
	world, err := life.New(o.Life)
	if err != nil {
		return nil, nil, fmt.Errorf("cost: %w", err)
	}
	e, err := scorer.New(scorer.Options{Model: o.Model, OfflineClock: true})
	if err != nil {
		return nil, nil, fmt.Errorf("cost: %w", err)
	}
	ev := new(event.RequestEvent)
	offset := int64(0)
	for range o.Warmup {
		_, more := world.Next(ev)
		if !more {
			return nil, nil, fmt.Errorf("cost: the history ends after %d events", offset)
		}
		e.Assess(scorer.Record{Event: ev, Topic: topic.Requests, Offset: offset})
		offset++
	}
	var scored timing
	others := make([]timing, len(o.Operations))
	events := make([]*event.RequestEvent, 0, chunkEvents)
	for left := o.Events; left > 0; left -= len(events) {
		events = events[:0]
		for range min(left, chunkEvents) {
			_, more := world.Next(ev)
			if !more {
				return nil, nil, fmt.Errorf("cost: the history ends after %d events", offset)
			}
			events = append(events, proto.CloneOf(ev))
		}
		scored.chunk(len(events), func(i int) {
			e.Assess(scorer.Record{Event: events[i], Topic: topic.Requests, Offset: offset + int64(i)})
		})
		offset += int64(len(events))
		for j, op := range o.Operations {
			others[j].chunk(len(events), func(i int) { op.Do(events[i]) })
		}
	}
	for i := range others {
		operations = append(operations, others[i].done())
	}
	return scored.done(), operations, nil
}
