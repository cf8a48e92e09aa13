package spool

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// counts count what happened to a spool.
type counts struct {
	refused     atomic.Uint64 // Records without room.
	uncovered   atomic.Uint64 // Requests without a place.
	evicted     atomic.Uint64 // Records that gave way.
	starved     atomic.Uint64 // Segments that could not be made.
	syncsFailed atomic.Uint64
	faults      atomic.Uint64 // Writes that the disk has not taken.
	damaged     atomic.Uint64 // Segments set aside.
	torn        atomic.Uint64 // Segments and places that end in the middle.
}

// metrics are the instruments of this package. Their attribute is the stream that is kept.
type metrics struct {
	stream metric.MeasurementOption
	window metric.Float64Histogram
	took   metric.Float64Histogram
}

func newMetrics(m metric.Meter, s *Spool, stream string) (metrics, error) {
	var (
		ms   = metrics{stream: metric.WithAttributeSet(attribute.NewSet(attribute.String("stream", stream)))}
		errs []error
	)
	seconds := metric.WithUnit("s")
	// From the group commit of milliseconds to a disk that hangs.
	buckets := metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10)
	var err error
	ms.window, err = m.Float64Histogram("vigil.spool.window", seconds, buckets,
		metric.WithDescription("From the first record that is not synced to the sync: what a power loss would have taken."))
	errs = append(errs, err)
	ms.took, err = m.Float64Histogram("vigil.spool.commit", seconds, buckets,
		metric.WithDescription("How long a sync of the spool takes."))
	errs = append(errs, err)
	for _, g := range []struct {
		name, unit, text string
		read             func() int64
	}{
		{"bytes", "By", "What the spool's segments take.", s.bytes},
		{"capacity", "By", "What they may take.", func() int64 { return s.cfg.BytesMax }},
		{"broken", "", "1 while the last sync failed.", func() int64 { return flag(s.Broken()) }},
	} {
		_, err = m.Int64ObservableGauge("vigil.spool."+g.name, metric.WithUnit(g.unit), metric.WithDescription(g.text),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				o.Observe(g.read(), ms.stream)
				return nil
			}))
		errs = append(errs, err)
	}
	for _, c := range []struct {
		name, unit, text string
		count            *atomic.Uint64
	}{
		{"refused", "{record}", "Records for which the spool had no room; they wait in memory alone.", &s.counts.refused},
		{"uncovered", "{request}", "Requests that a crash would leave no event of: more are under way than in_flight_max.", &s.counts.uncovered},
		{"evicted", "{record}", "Records that gave way to others or grew too old.", &s.counts.evicted},
		{"starved", "{segment}", "Segments that could not be made: the spool or the disk is full.", &s.counts.starved},
		{"syncs_failed", "{sync}", "Syncs that the disk has refused.", &s.counts.syncsFailed},
		{"faults", "{write}", "Writes that the disk has not taken: it fails or is read-only.", &s.counts.faults},
		{"damaged", "{segment}", "Segments whose content was not what had been written.", &s.counts.damaged},
		{"torn", "{segment}", "Segments and places that a power loss has left half written.", &s.counts.torn},
	} {
		_, err = m.Int64ObservableCounter("vigil.spool."+c.name, metric.WithUnit(c.unit), metric.WithDescription(c.text),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				o.Observe(int64(c.count.Load()), ms.stream)
				return nil
			}))
		errs = append(errs, err)
	}
	err = errors.Join(errs...)
	if err != nil {
		return ms, fmt.Errorf("make instruments: %w", err)
	}
	return ms, nil
}

// committed notes a sync and how old the oldest record was that it saved.
func (ms *metrics) committed(window, took float64) {
	ctx := context.Background() //nolint:forbidigo // A measurement belongs to no request.
	ms.window.Record(ctx, window+took, ms.stream)
	ms.took.Record(ctx, took, ms.stream)
}

func flag(on bool) int64 {
	if on {
		return 1
	}
	return 0
}

// Broken reports that the last sync failed, or that nothing can be written.
func (s *Spool) Broken() bool {
	s.mu.Lock()
	failing := !s.failing.IsZero()
	s.mu.Unlock()
	return failing || s.chains[Plain].lacks() || s.chains[Vital].lacks()
}

// Figures are a spool's counts at one moment.
type Figures struct {
	// Bytes is what its segments take, Capacity what they may.
	Bytes, Capacity int64
	// Broken says that the last sync failed, or that nothing can be written.
	Broken bool
	// Refused are records without room, Uncovered requests without a place,
	// Evicted records that gave way.
	Refused, Uncovered, Evicted uint64
	// SyncsFailed are syncs that the disk refused, Damaged segments that were
	// set aside, Torn those that end in the middle of a record.
	SyncsFailed, Damaged, Torn uint64
	// Faults are writes that the disk has not taken.
	Faults uint64
}

// Figures returns the counts.
func (s *Spool) Figures() Figures {
	return Figures{
		Bytes: s.bytes(), Capacity: s.cfg.BytesMax, Broken: s.Broken(), Refused: s.counts.refused.Load(), Uncovered: s.counts.uncovered.Load(), Evicted: s.counts.evicted.Load(),
		SyncsFailed: s.counts.syncsFailed.Load(), Damaged: s.counts.damaged.Load(), Torn: s.counts.torn.Load(), Faults: s.counts.faults.Load(),
	}
}
