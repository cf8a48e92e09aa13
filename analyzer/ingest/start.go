package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// begin starts until it works or ctx ends. A partition that cannot be begun, because a
// broker is away that only it needs, must not take the others from their workers, as the
// end of the generation would.
func (w *worker) begin(ctx context.Context) error {
	wait := startBackoff
	for {
		err := w.start(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		w.unshelve(ctx)
		w.ingest.fault(ctx, "start", fmt.Errorf("partition %d: %w", w.partition, err))
		pause(ctx, wait)
		wait = min(2*wait, startBackoffMax)
	}
}

// start brings the engine to a known offset and takes the verdicts partition
// over. State comes from this process's memory, its disk or the archive, whichever
// is furthest; else from the partition that its keys were in before, or the warm
// start; and what is missing up to the present is scored again from the topic.
func (w *worker) start(ctx context.Context) error {
	o := w.ingest.o
	since := time.Time{}
	if o.Keep.Replay > 0 {
		since = o.Now().Add(-o.Keep.Replay)
	}
	first, end, at, err := w.bounds(ctx, since)
	if err != nil {
		return err
	}
	if o.Keep.Replay == 0 {
		at = first
	}
	w.first = first
	w.sure = w.ingest.doubts.Load()
	w.topicID, err = o.Writer.TopicID(ctx, o.Stage.Topic)
	if err != nil {
		return err
	}
	w.partitions, err = o.Writer.Partitions(ctx, o.Stage.Topic)
	if err == nil && w.partition >= w.partitions {
		err = fmt.Errorf("partition %d of %d: %w", w.partition, w.partitions, kafka.UnknownTopicOrPartition) // What is known is older than the partition.
	}
	if err != nil {
		return err
	}
	w.askAhead(ctx)
	w.verdict, err = o.Announcer.Adopt(ctx, o.Stage, w.partition, w.topicID, end)
	if err != nil {
		return err
	}
	w.epoch.Store(w.verdict.Epoch())
	from, of, err := w.restore(ctx)
	if err != nil {
		return err
	}
	if of != "" && w.topicID != "" && of != w.topicID {
		w.ingest.fault(ctx, "start", fmt.Errorf("partition %d: the topic is another one than before, its offsets begin anew", w.partition))
		from, w.next = fromWarm, 0
		w.proof.resume(nil)
	}
	restored := w.next
	w.place(ctx, from, first, end, at)
	if w.next != restored {
		w.proof.resume(nil) // Batches in between are not missing, they are not read.
	}
	w.committed, w.acked = w.effective, max(w.effective, w.next)
	w.target, w.saved, w.savedAt = end, w.next, o.Now()
	w.archived, w.archivedAt = -1, w.savedAt // Whoever had it before has archived it not long ago.
	if from == fromEmpty || from == fromParked && w.next == 0 {
		w.archived = w.next // An empty engine is not worth a snapshot, nor is one that has read nothing since.
	}
	w.seen.Store(w.next)
	w.end.Store(end)
	w.ready.Store(w.next >= end)
	w.ingest.metrics.restored.Add(ctx, 1, metric.WithAttributes(attribute.String("from", from)))
	o.Logger.InfoContext(ctx, "partition begun", "partition", w.partition, "state", from, "offset", w.next,
		"committed", w.effective, "end", end, "epoch", w.verdict.Epoch())
	return nil
}

// place decides where to read from: next, and from where on records have effect.
func (w *worker) place(ctx context.Context, from string, first, end, at int64) {
	if w.effective < 0 {
		w.effective = first // The group has never committed: every record has its effect.
		if from == fromParked || from == fromDisk || from == fromArchive {
			w.effective = max(first, w.next) // Its offsets have expired; we know better.
		}
	}
	if w.effective > end || w.next > end {
		// The topic is another one than before, or its end was lost. What the
		// engine has seen before it recognises by lane and sequence number.
		w.ingest.fault(ctx, "start", fmt.Errorf("partition %d ends at %d, scored up to %d: begins again at %d", w.partition, end, w.next, first))
		w.next, w.effective = first, first
		return
	}
	if from != fromParked && from != fromDisk && from != fromArchive {
		w.next = w.effective
		if at >= 0 {
			w.next = min(at, w.effective)
		}
	}
	lost := first - max(w.next, 0)
	if lost > 0 && w.next > 0 {
		w.ingest.metrics.missed.Add(ctx, lost)
		w.ingest.fault(ctx, "start", fmt.Errorf("partition %d: %d records were deleted before they were scored", w.partition, lost))
	}
	w.next = max(w.next, first)
	w.effective = max(w.effective, first)
}

// restart parks nothing: the offset to read has been deleted, and the next
// generation begins where the topic now begins.
func (w *worker) restart(ctx context.Context, err error) error {
	w.ingest.fault(ctx, "fetch", err)
	w.ingest.mu.Lock()
	defer w.ingest.mu.Unlock()
	if w.engine != nil && w.acked == w.next {
		w.ingest.parked[w.partition] = w.park()
	}
	return err
}
