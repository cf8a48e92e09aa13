package revoke

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/vigil-gateway/vigil/gateway/bus"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/fetch"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// unknown is an offset that has to be asked for.
const unknown = -1

// reader follows one partition.
type reader struct {
	f         *Follower
	partition int
	offset    int64 // The next to read; unknown at the start and when the broker no longer has it.
	head      int64 // Where the partition ended when it was located.
	heard     int64 // Behind the last record that was ever taken.
	caughtUp  bool
	skipped   map[string][]byte // The last heartbeat of each stage that was skipped on the way to head.
	holes     int               // Polls in a row that had nothing where something should be.
	again     uint64            // Which of the follower's calls to read again this one has followed.
	reread    time.Time         // When it was last read again because something was missing.
}

// follow runs a reader for each partition, also for those that appear later.
func (f *Follower) follow(ctx context.Context) {
	var readers sync.WaitGroup
	defer readers.Wait()
	wait := f.backoff()
	running, warned := 0, false
	for ctx.Err() == nil {
		n, err := f.client.Partitions(ctx, topic.Verdicts)
		if err != nil {
			if !warned && ctx.Err() == nil {
				warned = true
				f.log.WarnContext(ctx, "verdicts not reachable", "topic", topic.Verdicts, "error", err)
			}
			wait.Pause(ctx)
			continue
		}
		warned = false
		f.expect(n)
		for ; running < min(n, PartitionsMax); running++ {
			r := &reader{f: f, partition: running, offset: unknown, head: unknown, skipped: make(map[string][]byte)}
			f.beats.expect(int32(running))
			readers.Go(func() { r.run(ctx) })
		}
		bus.Sleep(ctx, watchInterval)
	}
}

// expect notes how many partitions have to be caught up with. Partitions that
// appear later do not make a gateway that was ready unready.
func (f *Follower) expect(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.behind < 0 {
		f.behind = min(n, PartitionsMax)
	}
}

// arrived notes that one more partition is caught up.
func (f *Follower) arrived() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.behind--
	if f.behind == 0 {
		f.caughtUp.Store(true)
		f.log.Info("caught up with verdicts", "topic", topic.Verdicts)
	}
}

// run reads the partition until ctx ends.
func (r *reader) run(ctx context.Context) {
	wait, failing := r.f.backoff(), false
	for ctx.Err() == nil {
		err := r.poll(ctx)
		switch {
		case ctx.Err() != nil:
		case err == nil && failing:
			failing = false
			r.f.log.InfoContext(ctx, "verdicts are followed again", "topic", topic.Verdicts, "partition", r.partition)
			wait.Reset()
		case err == nil:
			wait.Reset()
		default:
			if !failing {
				failing = true
				r.f.log.WarnContext(ctx, "verdicts not followed", "topic", topic.Verdicts, "partition", r.partition, "error", err)
			}
			wait.Pause(ctx)
		}
	}
}

// poll asks for records once and takes what comes.
func (r *reader) poll(ctx context.Context) error {
	if again := r.f.again.Load(); again != r.again {
		r.again, r.offset = again, unknown
	}
	if r.offset == unknown {
		r.f.gaps.forget(r.partition)
		err := r.locate(ctx)
		if err != nil {
			return err
		}
		r.check(ctx)
	}
	got, err := r.f.client.Read(ctx, fetch.Request{
		Topic: topic.Verdicts, Partition: r.partition, Offset: r.offset, BytesMax: fetchBytesMax, Wait: r.f.cfg.PollWait,
	})
	if anew(err) {
		r.offset = unknown
	}
	if err != nil {
		return r.f.client.Explain(err, access.Read, topic.Verdicts)
	}
	if got.Throttle > 0 {
		r.f.throttle.Wait(ctx, topic.Verdicts, r.partition, got.Throttle)
		return nil
	}
	if got.Broken != nil {
		r.f.counts.refused[reasonOf(errBroken)].Add(1)
		r.f.log.ErrorContext(ctx, "alarm: what stands in the topic cannot be read and is passed over; it may hold verdicts",
			"topic", topic.Verdicts, "partition", r.partition, "error", got.Broken)
	}
	err = r.take(ctx, &got)
	r.check(ctx)
	return err
}

// anew reports whether the topic may be another one than before: made anew, or cleaned
// while nobody read it. One that is not there may come back with other records at the
// same offsets.
func anew(err error) bool {
	return errors.Is(err, kafka.OffsetOutOfRange) || errors.Is(err, kafka.UnknownTopicOrPartition) || errors.Is(err, protocol.ErrNoTopic)
}

// locate finds the partition's beginning, and its end where that is not known.
func (r *reader) locate(ctx context.Context) error {
	first, end, err := r.f.client.Bounds(ctx, topic.Verdicts, r.partition)
	if err != nil {
		return r.f.client.Explain(err, access.Describe, topic.Verdicts)
	}
	r.offset, r.head = first, end
	return nil
}

// take applies the records of an answer and moves the offset behind them.
func (r *reader) take(ctx context.Context, got *fetch.Answer) error {
	start := r.offset
	_, records := got.Split(start)
	for i := range records {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		rec := &records[i]
		r.pass(rec.Offset, got.Broken)
		r.record(ctx, rec)
		r.offset = rec.Offset + 1
		r.heard = max(r.heard, r.offset)
	}
	r.pass(got.Next, got.Broken)
	if r.offset > start || got.End <= start {
		r.holes = 0
		return nil
	}
	// The broker says that there is something and gives nothing, not even an empty batch.
	// Feel the way past it, but not at the first sight.
	r.holes++
	if r.holes < holesMax {
		return errHole
	}
	r.offset++
	return nil
}

// pass goes on to an offset over what compaction has left out, which was replaced by what
// comes. What cannot be read is missing, however.
func (r *reader) pass(to int64, broken error) {
	if to <= r.offset {
		return
	}
	if broken == nil {
		r.f.gaps.forget(r.partition)
	}
	r.offset = to
}

// voicesMax bounds the keys of heartbeats that are told apart in a partition: two are the
// analyzer's, others may be anybody's.
const voicesMax = 8

// holesMax is how often an answer may be empty before an offset is skipped.
const holesMax = 3

// errHole means that nothing came where the broker says that there is something.
var errHole = errors.New("no records below the high watermark")

// check takes the last heartbeats that were skipped once the partition's old end has
// been reached, and notes the first time.
func (r *reader) check(ctx context.Context) {
	if r.offset == unknown || r.offset < r.head || ctx.Err() != nil {
		return
	}
	first := !r.caughtUp
	r.caughtUp = true
	for _, key := range slices.Sorted(maps.Keys(r.skipped)) {
		r.open(ctx, nil, r.skipped[key], true)
	}
	clear(r.skipped)
	if first {
		r.f.arrived()
	}
}

// record takes one record. Whatever is kept of it is copied: it lies in the memory of all
// that came with it.
func (r *reader) record(ctx context.Context, rec *fetch.Record) {
	key, value := rec.Key, rec.Value
	switch {
	case max(len(key), len(value)) > verdict.EnvelopeBytesMax:
		r.f.refuse(originTopic, nil, fmt.Errorf("%d B: %w", max(len(key), len(value)), errTooLarge))
	case len(value) == 0:
		// A compaction marker: unsigned, so it lifts nothing.
	case rec.Offset < r.head && isHeartbeat(rec):
		// The header is not signed, but a lie about it only hides the liar's own record.
		if rec.Offset >= r.heard && (len(r.skipped) < voicesMax || r.skipped[string(key)] != nil) {
			r.skipped[string(key)] = bytes.Clone(value)
		}
		r.f.gaps.forget(r.partition)
	case r.f.ledger.has(key, value):
		r.f.counts.repeated.Add(1) // Known from the file: its signature was checked there.
		r.f.gaps.forget(r.partition)
	default:
		r.open(ctx, key, bytes.Clone(value), false)
	}
}

// open verifies a record and takes what it holds.
func (r *reader) open(ctx context.Context, key, value []byte, old bool) {
	r.f.trust.RLock()
	defer r.f.trust.RUnlock()
	m, err := r.f.keys.Open(value)
	now := r.f.now()
	if err == nil && !old {
		r.miss(ctx, m)
	}
	switch {
	case err != nil:
	case m.Verdict != nil:
		err = r.f.take(m.Verdict, value, now)
		if err == nil && r.caughtUp {
			r.f.metrics.lag.Record(ctx, now.Sub(m.Verdict.GetTime().AsTime()).Seconds())
		}
	default:
		at := now
		if said := m.Heartbeat.GetTime().AsTime(); old && said.Before(at) {
			at = said
		}
		err = r.f.beats.note(m.Heartbeat, int32(r.partition), at)
	}
	if err != nil {
		r.f.refuse(originTopic, key, err)
	}
}

// miss notices what was left out before a record, and has the partition read again
// from its beginning: all that the broker gives is enforced, and that it gives less
// than was said is on record.
func (r *reader) miss(ctx context.Context, m verdict.Message) {
	n := r.f.gaps.note(r.partition, m)
	if n == 0 || !r.caughtUp || r.offset < r.head {
		return
	}
	r.f.counts.missing.Add(n)
	r.f.log.ErrorContext(ctx, "alarm: the analyzer has written records that did not come; somebody may withhold verdicts",
		"topic", topic.Verdicts, "partition", r.partition, "missing", n)
	now := r.f.now()
	if now.Sub(r.reread) < rereadGap {
		return
	}
	r.reread = now
	r.again-- // Whatever the follower's call is, it differs.
}

func isHeartbeat(rec *fetch.Record) bool {
	typ, _ := rec.Header("ce_type")
	return string(typ) == cloudevent.TypeHeartbeat
}

func (f *Follower) backoff() *bus.Backoff { return bus.NewBackoff(f.cfg.RetryMin, f.cfg.RetryMax) }
