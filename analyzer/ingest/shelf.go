package ingest

import (
	"context"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/analyzer/state/cold"
	"github.com/vigil-gateway/vigil/scorer/entity"
)

// shelving is the part of an engine that keeps elsewhere whom it has no room for.
type shelving interface {
	Shelve(c entity.Cold)
}

// shelve gives a new engine its partition's cold store, as it was at a mark. A store
// that cannot be had costs what was on it, and a disk that fails the store: scoring
// goes on without.
func (w *worker) shelve(ctx context.Context, e Engine, mark string) {
	engine, keeps := e.(shelving)
	if !keeps {
		return
	}
	w.unshelve(ctx) // There is one at a time.
	shelf, err := w.ingest.o.State.Cold(w.ingest.o.Stage.Topic, w.partition, mark)
	if err != nil {
		w.ingest.fault(ctx, "cold", err)
	}
	if shelf == nil {
		return
	}
	w.shelf, w.counted = shelf, cold.Counts{}
	engine.Shelve(shelf)
}

// reshelve takes over the cold store of an engine that was parked.
func (w *worker) reshelve(shelf *cold.Shelf) {
	w.shelf, w.idle = shelf, nil
	if shelf != nil {
		w.counted = shelf.Counts()
	}
}

// unshelve closes the cold stores that the worker has.
func (w *worker) unshelve(ctx context.Context) {
	w.ingest.closeShelves(ctx, w.shelf, w.idle)
	w.shelf, w.idle = nil, nil
}

// closeShelves closes cold stores, nil among them, for no longer than a disk may hang.
func (i *Ingest) closeShelves(ctx context.Context, list ...*cold.Shelf) {
	var open []*cold.Shelf
	for _, s := range list {
		if s != nil {
			open = append(open, s)
		}
	}
	if len(open) == 0 {
		return
	}
	i.patiently(ctx, "close cold stores", func() {
		var all sync.WaitGroup
		for _, s := range open {
			all.Go(s.Close)
		}
		all.Wait()
	})
}

// mark notes in the header of a snapshot where the cold store is; secure brings it
// to the disk before the snapshot is there.
func (w *worker) mark(h *state.Header) (secure func() error) {
	if w.shelf == nil || w.shelf.Fault() != nil {
		return func() error { return nil } // Whoever restores it begins with an empty one.
	}
	mark, sync := w.shelf.Mark()
	h.Cold = mark
	return func() error {
		err := sync()
		if err != nil {
			return fmt.Errorf("cold store: %w", err)
		}
		return nil
	}
}

// count tells the metrics what the cold store has done.
func (w *worker) count(ctx context.Context) {
	if w.shelf == nil {
		return
	}
	now, before := w.shelf.Counts(), w.counted
	if now == before {
		return
	}
	w.counted = now
	for result, n := range map[string]uint64{
		"put": now.Put - before.Put, "taken": now.Taken - before.Taken, "cleared": now.Cleared - before.Cleared, "dropped": now.Dropped - before.Dropped,
		"lost": now.Lost - before.Lost, "damaged": now.Damaged - before.Damaged,
	} {
		w.ingest.metrics.cold.Add(ctx, int64(n), metric.WithAttributes(attribute.String("result", result)))
	}
	err := w.shelf.Fault()
	if err != nil && before.Lost == 0 && now.Lost > 0 {
		w.ingest.fault(ctx, "cold", err)
	}
}
