package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/analyzer/state"
)

// Where a partition's state came from.
const (
	fromParked = "memory"
	fromDisk   = "disk"
	fromWarm   = "warm_start"
	fromReplay = "replay"
	fromEmpty  = "nothing"
)

// start brings the engine to a known offset and takes the verdicts partition
// over. State comes from this process's memory or its disk, whichever is
// further; else from the warm start; and what is missing up to the present is
// scored again from the topic.
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
	w.sure = w.ingest.doubts.Load()
	w.topicID, err = o.Writer.TopicID(ctx, o.Stage.Topic)
	if err != nil {
		return err
	}
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
	}
	w.place(ctx, from, first, end, at)
	w.committed, w.acked = w.effective, max(w.effective, w.next)
	w.target, w.saved, w.savedAt = end, w.next, o.Now()
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
		if from == fromParked || from == fromDisk {
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
	if from == fromReplay || from == fromWarm || from == fromEmpty {
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

// restore gives w an engine and next; it says where from, and of which topic the
// offset is.
func (w *worker) restore(ctx context.Context) (from, of string, err error) {
	w.model = w.ingest.model.Load()
	kept, inMemory := w.ingest.takeParked(w.partition)
	head, onDisk := w.ingest.o.State.Load(ctx, w.ingest.o.Stage.Topic, w.partition, func(h state.Header, r io.Reader) error {
		if inMemory && kept.next >= h.Next {
			return nil // Ours is at least as far.
		}
		return w.fresh(func(e Engine) error { return e.Restore(r, nil) })
	})
	switch {
	case inMemory && (!onDisk || kept.next >= head.Next):
		w.engine, w.next = kept.engine, kept.next
		w.engine.SwapModel(w.model)
		return fromParked, kept.topicID, nil
	case onDisk:
		w.next = head.Next
		return fromDisk, head.TopicID, nil
	}
	from, err = w.warm(ctx)
	if err != nil {
		return "", "", err
	}
	if from == fromEmpty && w.effective > 0 {
		from = fromReplay
	}
	return from, "", nil
}

// fresh makes a new engine and lets load fill it; it stays only if that works.
func (w *worker) fresh(load func(Engine) error) error {
	e, err := w.ingest.o.NewEngine(w.model)
	if err != nil {
		return fmt.Errorf("new engine: %w", err)
	}
	err = load(e)
	if err != nil {
		return fmt.Errorf("restore engine: %w", err)
	}
	w.engine = e
	return nil
}

// warm begins from the warm start file, of which it keeps the keys that belong
// to this partition; or from nothing where there is no such file.
func (w *worker) warm(ctx context.Context) (from string, err error) {
	path := w.ingest.o.Keep.WarmStart
	if path == "" {
		return fromEmpty, w.fresh(func(Engine) error { return nil })
	}
	f, err := os.Open(path) //nolint:gosec // The operator names the file.
	if err != nil {
		return "", fmt.Errorf("state.warm_start: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := w.ingest.o.Writer.Partitions(ctx, w.ingest.o.Stage.Topic)
	if err != nil {
		return "", fmt.Errorf("state.warm_start: %w", err)
	}
	err = w.fresh(func(e Engine) error { return w.warmed(e, f, n) })
	if err != nil {
		return "", fmt.Errorf("state.warm_start: %w", err)
	}
	return fromWarm, nil
}

// restart parks nothing: the offset to read has been deleted, and the next
// generation begins where the topic now begins.
func (w *worker) restart(ctx context.Context, err error) error {
	w.ingest.fault(ctx, "fetch", err)
	w.ingest.mu.Lock()
	defer w.ingest.mu.Unlock()
	if w.engine != nil && w.acked == w.next {
		w.ingest.parked[w.partition] = parked{w.engine, w.next, w.topicID}
	}
	return err
}
