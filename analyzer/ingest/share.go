package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/epoch"
)

// leader is the partition whose owner builds the shared epochs.
const leader = 0

// publishEvery is after how much stream time a partition says again what it has
// learned.
const publishEvery = int64(10 * time.Minute)

// errNoEpochs means that a control record names a shared epoch where nobody has any.
var errNoEpochs = errors.New("this analyzer takes no part in shared epochs")

// lead says whether this worker's process builds the epochs.
func (w *worker) lead(leads bool) {
	if w.partition == leader && w.ingest.o.Epochs != nil {
		w.ingest.o.Epochs.Lead(leads)
	}
}

// believeEpoch reports why a control record for a shared epoch must have no effect.
func (w *worker) believeEpoch(ctx context.Context) error {
	if w.event.Kind != event.KindControl || w.event.Reason != event.ReasonEpoch {
		return nil
	}
	if w.ingest.o.Epochs == nil {
		return errNoEpochs
	}
	return w.ingest.o.Epochs.Believe(ctx, &w.event)
}

// fetchEpoch gets the epoch that w.event, which is believed, is about to put in
// force. An error ends the worker: without it the partition would score
// otherwise than it will when it is replayed.
func (w *worker) fetchEpoch(ctx context.Context, offset int64) error {
	engine, shares := w.engine.(sharing)
	if !shares {
		return nil
	}
	ref, lacks := engine.Lacks(&w.event)
	if !lacks {
		return nil
	}
	e, err := w.ingest.o.Epochs.Find(ctx, ref)
	if err != nil {
		return fmt.Errorf("partition %d stops at the control record at offset %d: %w", w.partition, offset, err)
	}
	engine.Offer(e)
	return nil
}

// publish says what the partition has learned, now and then, and raises an alarm
// where that is no longer what the epoch in force knows. The alarm changes nothing.
func (w *worker) publish(ctx context.Context) {
	engine, shares := w.engine.(sharing)
	if !shares || w.ingest.o.Epochs == nil {
		return
	}
	at := w.published
	shifted := 0
	engine.Summaries(int32(w.partition), func(s *epoch.Summary) bool {
		if s.At-w.published < publishEvery {
			return false // The clock is one for all tenants.
		}
		at = s.At
		if s.Shift >= epoch.ShiftAlarm {
			shifted++
		}
		w.ingest.o.Epochs.Publish(s)
		return true
	})
	if shifted > 0 {
		w.ingest.metrics.shifted.Add(ctx, int64(shifted))
		w.ingest.o.Logger.WarnContext(ctx, "alarm: what is done has moved away from the shared epoch", "partition", w.partition, "tenants", shifted)
	}
	w.published = at
}
