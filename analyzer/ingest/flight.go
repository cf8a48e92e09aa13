package ingest

import (
	"context"
	"fmt"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// cargo is what reads have brought about and nobody waits for: cuts for the facet
// stage and assessments, in the order of the reads.
type cargo struct {
	cuts        []addressed // By partition.
	assessments []announce.Record
	bytes       int
	next        int64 // The first offset that is not in it, 0 where nothing waits.
}

// load adds what a read has brought about.
func (c *cargo) load(cuts []addressed, assessments []announce.Record, next int64) {
	for _, a := range cuts {
		at := 0
		for at < len(c.cuts) && c.cuts[at].partition != a.partition {
			at++
		}
		if at == len(c.cuts) {
			c.cuts = append(c.cuts, addressed{partition: a.partition})
		}
		c.cuts[at].records = append(c.cuts[at].records, a.records...)
		for _, r := range a.records {
			c.bytes += len(r.Value)
		}
	}
	c.assessments = append(c.assessments, assessments...)
	for _, r := range assessments {
		c.bytes += len(r.Value)
	}
	c.next = next
}

// ship sends cuts and assessments of a read on their way. One write is under way at
// a time, so that they stay in order; what comes meanwhile goes with the next one. It
// waits only where too much is there: as long as it does, no verdict is found in the
// records that come next.
func (w *worker) ship(ctx context.Context, first int64, fx *effects) error {
	records, err := w.pack(first, fx.assessments)
	if err != nil {
		return err
	}
	cuts, err := w.packCuts(ctx, fx.cuts)
	if err != nil {
		return err
	}
	w.waiting.load(cuts, records, w.next)
	for w.flight != nil && w.waiting.bytes > waitingBytesMax {
		err = w.landed(ctx, <-w.flight)
		if err != nil {
			return err
		}
	}
	if w.flight == nil {
		w.depart(ctx)
	}
	return nil
}

// depart begins to write what waits.
func (w *worker) depart(ctx context.Context) {
	c := w.waiting
	w.waiting = cargo{}
	switch {
	case c.next == 0:
		return
	case len(c.cuts) == 0 && len(c.assessments) == 0:
		w.acked = max(w.acked, c.next)
		return
	}
	done := make(chan error, 1)
	w.flight, w.flying = done, c.next
	go func() {
		err := w.writeCuts(ctx, c.cuts) // First: somebody may wait for what they bring about.
		if err == nil {
			err = w.ingest.o.Writer.Write(ctx, topic.Assessments, w.partition, c.assessments...)
		}
		done <- err
	}()
}

// landed takes note of how the write under way has ended, and begins the next one.
func (w *worker) landed(ctx context.Context, err error) error {
	w.flight = nil
	if err != nil {
		return fmt.Errorf("assessments: %w", err)
	}
	w.acked = max(w.acked, w.flying)
	w.depart(ctx)
	return nil
}

// land waits until nothing waits or is under way.
func (w *worker) land(ctx context.Context) error {
	for w.flight != nil {
		err := w.landed(ctx, <-w.flight)
		if err != nil {
			return err
		}
	}
	return nil
}
