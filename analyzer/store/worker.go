package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/vigil-gateway/vigil/schemas/fetch"
	"github.com/vigil-gateway/vigil/schemas/seal"
)

// committer is the part of a group's generation that a worker needs. It
// refuses a commit of a generation that has ended.
type committer interface {
	CommitOffsets(offsets map[string]map[int]int64) error
}

// worker stores one partition for one generation of the group. Everything but
// the counters belongs to its goroutine.
type worker struct {
	store     *Store
	kind      kind
	partition int
	group     committer
	committed int64 // As assigned; negative for never.

	memory   *memory
	topicID  string    // Of the topic that is read, "" where the broker gives none.
	doubt    bool      // It may have been made anew since, and is asked for its id.
	fresh    bool      // The topic is another one than the ledger knows.
	declared time.Time // When the last cut was.
	first    int64     // Where the next cut begins.
	next     int64     // The offset behind the last record of pending.
	reached  int64     // That to read next, where records beyond next wait for the rest of their batch.
	sealed   *sealed   // Nil where no batch is verified.
	pending  []item    // Read, and of no cut yet.
	bytes    int64
	held     int64 // Bytes of the cut that is being stored.
	misses   int
	shrunk   int // How often what a cut may hold is halved.
	calm     int // Cuts in time since then.

	lag      atomic.Int64 // Records that are not stored yet.
	gathered atomic.Int64 // Bytes of pending and held.
}

// run stores cut after cut until ctx ends, or until only a new generation helps.
func (w *worker) run(ctx context.Context) error {
	err := w.begin(ctx)
	for err == nil && ctx.Err() == nil {
		err = w.gather(ctx)
		if err == nil && len(w.pending) > 0 && ctx.Err() == nil {
			err = w.advance(ctx)
		}
	}
	return err
}

// begin finds out where the last holder of the partition stopped, does again
// what it may have left half done, and recovers the memory.
func (w *worker) begin(ctx context.Context) error {
	var first, end int64
	var last cut
	var known bool
	err := w.store.again(ctx, "begin", nil, func() (err error) {
		first, end, err = w.store.broker.bounds(ctx, w.kind.topic, w.partition)
		if err == nil {
			w.topicID, err = w.store.broker.topicID(ctx, w.kind.topic)
		}
		if err == nil {
			last, known, err = w.store.ledger.last(ctx, w.kind.topic, w.partition)
		}
		return err
	})
	if err != nil {
		return err
	}
	if w.committed > end || known && (last.Last >= end || another(last.TopicID, w.topicID)) {
		w.store.o.Logger.WarnContext(ctx, "topic is another one than before: begins again", "topic", w.kind.topic,
			"partition", w.partition, "end", end, "committed", w.committed)
		w.committed, known, w.fresh = -1, false, true
	}
	w.first = max(w.committed, first)
	w.next = w.first
	if !known {
		w.memory = newMemory(nil)
		w.memory.from = 0
		if w.first > 0 {
			w.memory.from = w.store.o.Now().UnixNano() // What is before is gone, or not ours.
		}
		w.missed(ctx, w.committed, first)
		return nil
	}
	w.memory, w.declared = newMemory(&last), last.Time
	w.next = max(last.First, first)
	if w.committed < 0 || last.First >= w.committed {
		w.missed(ctx, last.First, first)
		w.first = w.next
		return w.apply(ctx, last, true)
	}
	w.missed(ctx, w.committed, first)
	return w.recall(ctx)
}

// errAnew means that the topic was made anew while its partition was read.
var errAnew = errors.New("the topic was made anew")

// another reports whether two ids are known and of two topics.
func another(a, b string) bool { return a != "" && b != "" && a != b }

// same reports, after a fault or a long wait, errAnew where the topic is another one by
// now: that has other records at the same offsets.
func (w *worker) same(ctx context.Context) error {
	if !w.doubt {
		return nil
	}
	id, err := w.store.broker.topicID(ctx, w.kind.topic)
	if err == nil && another(id, w.topicID) {
		err = errAnew
	}
	w.doubt = err != nil
	return err
}

// recall takes what was stored since the last cut was declared into the memory.
func (w *worker) recall(ctx context.Context) error {
	for w.next < w.first && ctx.Err() == nil {
		err := w.read(ctx, fetchWait)
		if err != nil {
			return err
		}
		known := w.take(w.below(w.first))
		to := w.kind.collect(w.memory, len(known))
		for _, i := range known {
			to.add(i, position{})
		}
	}
	return nil
}

// missed counts the records in [from, first) that the broker has deleted
// before they were stored. A group that begins, from negative, has missed nothing.
func (w *worker) missed(ctx context.Context, from, first int64) {
	if from < 0 || first <= from {
		return
	}
	w.store.metrics.missed.Add(ctx, first-from, metric.WithAttributes(attribute.String("topic", w.kind.topic)))
	w.store.o.Logger.ErrorContext(ctx, "records were deleted before they were stored", "topic", w.kind.topic,
		"partition", w.partition, "records", first-from)
}

// gather reads until a cut is full, or its first record has waited for the linger.
func (w *worker) gather(ctx context.Context) error {
	c := w.store.o.Config
	records, size := max(1, c.RecordsMax>>w.shrunk), c.BatchBytes>>w.shrunk // Of none nothing would ever be stored.
	var due time.Time
	for len(w.pending) < records && w.bytes < size && ctx.Err() == nil {
		wait := fetchWait
		if len(w.pending) > 0 {
			now := w.store.o.Now()
			if due.IsZero() {
				due = now.Add(c.Linger)
			}
			wait = min(wait, due.Sub(now))
			if wait <= 0 {
				return nil
			}
		}
		err := w.read(ctx, wait)
		if err != nil {
			return err
		}
	}
	return nil
}

// read adds what one fetch gives to pending. Faults of the broker are waited
// out; an error means that the partition has to be begun again.
func (w *worker) read(ctx context.Context, wait time.Duration) error {
	var got fetch.Answer
	from := max(w.next, w.reached)
	var anew error
	err := w.store.again(ctx, "fetch", kafka.OffsetOutOfRange, func() (err error) {
		got, err = w.store.broker.fetch(ctx, w.kind.topic, w.partition, from, wait, w.fallBehind)
		if err != nil {
			w.doubt = true
			return err
		}
		err = w.same(ctx)
		if errors.Is(err, errAnew) {
			anew, err = err, nil
		}
		return err
	})
	if err != nil {
		return w.outOfRange(ctx, err)
	}
	if anew != nil {
		return anew
	}
	if got.Broken != nil {
		w.store.fault(ctx, "fetch", fmt.Errorf("%s/%d: passed over: %w", w.kind.topic, w.partition, got.Broken))
	}
	for i := range got.Records {
		r := record{&got.Records[i], w.kind.topic, w.partition}
		w.sealed.add(r, w.gathers)
		w.reached = r.Offset + 1
	}
	w.reached = max(w.reached, got.Next)
	w.misses++
	if got.Next > from || got.End <= from {
		w.misses = 0
	}
	if w.misses >= missMax { // A hole at the end of what compaction left, or a control record.
		w.reached, w.misses = from+1, 0
	}
	if !w.sealed.waits() {
		w.next = max(w.next, w.reached)
	}
	w.lag.Store(max(0, got.End-w.first))
	w.gathered.Store(w.bytes)
	return nil
}

// gathers adds a record to pending; head is its batch, nil where none is verified.
func (w *worker) gathers(head *seal.Head, r record) {
	i := w.kind.item(r)
	i.head = head
	w.bytes += i.size
	w.pending = append(w.pending, i)
	w.next = r.Offset + 1
}

// outOfRange goes on where the partition now begins, if it has been deleted
// up to there. Otherwise the topic is another one.
func (w *worker) outOfRange(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	first, _, boundsErr := w.store.broker.bounds(ctx, w.kind.topic, w.partition)
	if boundsErr != nil {
		return errors.Join(err, boundsErr)
	}
	if first <= max(w.next, w.reached) {
		return err
	}
	w.missed(ctx, w.next, first)
	w.next = first
	return nil
}

// below is how many items of pending lie below an offset.
func (w *worker) below(offset int64) int {
	n := 0
	for n < len(w.pending) && w.pending[n].Offset < offset {
		n++
	}
	return n
}

// take removes the first n items of pending.
func (w *worker) take(n int) []item {
	taken := w.pending[:n:n]
	w.pending = append(make([]item, 0, n), w.pending[n:]...) // So that what was taken can be freed; the next cut is about as long.
	for _, i := range taken {
		w.bytes -= i.size
	}
	w.gathered.Store(w.bytes)
	return taken
}

// advance stores what was gathered: as a cut, or by the offset alone where
// nothing of it is a row and the last cut is not long ago.
func (w *worker) advance(ctx context.Context) error {
	now := w.store.o.Now()
	c := newCut(w.kind.topic, w.partition, w.first, w.next-1, now, w.memory)
	c.TopicID, c.Fresh = w.topicID, w.fresh
	blank := !w.fresh && now.Sub(w.declared) < stateEvery
	for _, i := range w.pending {
		blank = blank && i.blank
	}
	if blank {
		to := w.kind.collect(w.memory, len(w.pending))
		for _, i := range w.pending {
			to.add(i, position{})
		}
		if len(to.blocks()) == 0 {
			w.release(w.take(len(w.pending)))
			return w.commit(w.next)
		}
		w.memory = newMemory(&c) // A number that is missing before a blank record is a row after all.
	}
	var winner cut
	err := w.store.again(ctx, "declare", errFenced, func() (err error) {
		winner, err = w.store.ledger.declare(ctx, c)
		return err
	})
	if err != nil {
		return err
	}
	w.fresh, w.declared = false, winner.Time
	if winner.ID != c.ID || c.short(winner) {
		w.memory = newMemory(&winner)
	}
	return w.apply(ctx, winner, false)
}

// apply inserts one declared cut and commits it. The memory is that before the cut.
func (w *worker) apply(ctx context.Context, c cut, redone bool) error {
	for w.next <= c.Last && ctx.Err() == nil {
		err := w.read(ctx, fetchWait)
		if err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	items := w.take(w.below(c.Last + 1))
	for _, i := range items {
		w.held += i.size
	}
	w.gathered.Store(w.bytes + w.held)
	defer func() {
		w.held = 0
		w.gathered.Store(w.bytes)
	}()
	ctx, span := w.store.o.Tracer.Start(ctx, "store "+w.kind.topic, trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithLinks(links(ctx, items)...), trace.WithAttributes(
			attribute.String("messaging.system", "kafka"), attribute.String("messaging.destination.name", w.kind.topic),
			attribute.Int("messaging.batch.message_count", len(items)), attribute.Bool("vigil.cut.redone", redone)))
	defer span.End()
	to := w.kind.collect(w.memory, len(items))
	err := w.store.bury(ctx, w.topicID, items)
	if err != nil {
		return err
	}
	for _, i := range items {
		if i.poison == nil {
			to.add(i, position{topic: w.kind.topic, partition: int32(w.partition), offset: i.Offset, at: c.Time})
		}
	}
	lates := false
	for _, b := range to.blocks() {
		err := w.store.insert(ctx, b, c.token(b.table), func(late bool) {
			lates, w.doubt = lates || late, true
			w.fallBehind(ctx)
		})
		if err != nil {
			return err
		}
	}
	w.pace(lates)
	w.release(items)
	err = w.commit(c.Last + 1)
	if err != nil {
		return err
	}
	w.store.metrics.cuts.Add(ctx, 1, metric.WithAttributes(attribute.String("topic", w.kind.topic), attribute.Bool("redone", redone)))
	if n := len(items); n > 0 {
		w.store.metrics.delay.Record(ctx, w.store.o.Now().Sub(items[n-1].Time()).Seconds(),
			metric.WithAttributes(attribute.String("topic", w.kind.topic)))
	}
	return nil
}

// pace decides how large the next cuts are, after one that was late or was not. That
// one itself was declared as it is, and stays so for everybody.
func (w *worker) pace(late bool) {
	switch {
	case late:
		w.shrunk, w.calm = min(w.shrunk+1, shrunkMax), 0
	case w.shrunk > 0:
		w.calm++
		if w.calm == calmCuts {
			w.shrunk, w.calm = w.shrunk-1, 0
		}
	}
}

// release gives the messages of items back, of which every row is stored.
func (w *worker) release(items []item) {
	if w.kind.release == nil {
		return
	}
	for i := range items {
		w.kind.release(items[i].message)
		items[i].message = nil
	}
}

// fallBehind looks how far the partition has gone on while its worker, which reads
// nothing then, waits for ClickHouse or for a quota: else the lag would stand still.
func (w *worker) fallBehind(ctx context.Context) {
	_, end, err := w.store.broker.bounds(ctx, w.kind.topic, w.partition)
	if err == nil {
		w.lag.Store(max(0, end-w.first))
	}
}

// commit tells the group how far the partition is stored. It fails where the
// partition has gone to another member.
func (w *worker) commit(next int64) error {
	err := w.group.CommitOffsets(map[string]map[int]int64{w.kind.topic: {w.partition: next}})
	if err != nil {
		return fmt.Errorf("commit offset %d: %w", next, err)
	}
	w.lag.Add(w.first - next)
	w.first = next
	return nil
}

// links are the traces that the items came from, no more than LinksMax.
func links(ctx context.Context, items []item) []trace.Link {
	var out []trace.Link
	for _, i := range items {
		parent, _ := i.Header("traceparent")
		if len(parent) == 0 {
			continue
		}
		span := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": string(parent)}))
		if span.IsValid() {
			out = append(out, trace.Link{SpanContext: span})
		}
		if len(out) == LinksMax {
			return out
		}
	}
	return out
}
