package ingest

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of this package. Lag is observed by partition,
// which is bounded; no attribute names a subject.
type metrics struct {
	records  metric.Int64Counter     // Records read, by result.
	batches  metric.Int64Counter     // Reads that held records.
	errors   metric.Int64Counter     // Faults, by stage.
	duration metric.Float64Histogram // Time to score one read and announce what follows.
	missing  metric.Int64Counter     // Sequence numbers missing in lanes.
	missed   metric.Int64Counter     // Records deleted before they were scored.
	restored metric.Int64Counter     // Partitions begun, by where their state came from.
	refused  metric.Int64Counter     // Records that are not believed, by gateway and cause.
	closed   metric.Int64Counter     // Epochs of gateways that have ended, by how.
	fenced   metric.Int64Counter     // States that were not believed.
	shifted  metric.Int64Counter     // Summaries that have moved away from the epoch in force.
	cold     metric.Int64Counter     // Entities that the cold stores took and gave, by what became of them.
	limited  metric.Int64Counter     // What the engines' limits have cost, by limit.
	held     metric.Int64UpDownCounter
	lag      metric.Int64ObservableGauge
	owned    metric.Int64ObservableGauge
	depth    metric.Int64ObservableGauge
	capacity metric.Int64ObservableGauge
}

func newMetrics(m metric.Meter) (*metrics, error) {
	var x metrics
	var errs []error
	counter := func(name, unit, what string) metric.Int64Counter {
		c, err := m.Int64Counter("vigil.analyzer."+name, metric.WithUnit(unit), metric.WithDescription(what))
		errs = append(errs, err)
		return c
	}
	gauge := func(name, unit, what string) metric.Int64ObservableGauge {
		g, err := m.Int64ObservableGauge("vigil.analyzer."+name, metric.WithUnit(unit), metric.WithDescription(what))
		errs = append(errs, err)
		return g
	}
	x.records = counter("records", "{record}", "Records of vigil.requests, by result.")
	x.batches = counter("batches", "{batch}", "Reads of vigil.requests that held records.")
	x.errors = counter("ingest_errors", "{error}", "Faults of the scoring path, by stage.")
	x.missing = counter("events_missing", "{event}", "Sequence numbers of gateways' lanes that are no events: gaps, and those dropped on purpose.")
	x.missed = counter("records_missed", "{record}", "Records that the broker deleted before they were scored.")
	x.restored = counter("partitions_begun", "{partition}", "Partitions taken over, by where their state came from.")
	x.refused = counter("records_refused", "{record}", "Records of vigil.requests that are not believed to be of the gateway they name, by gateway and cause.")
	x.closed = counter("gateway_epochs_closed", "{epoch}", "Epochs of gateways that have ended in a partition: closed by the gateway, by a successor or by timeout.")
	x.fenced = counter("states_fenced", "{state}", "States of partitions that were not believed: whoever had them may have gone on after the partition was lost.")
	x.shifted = counter("epoch_shifts", "{summary}", "Summaries of partitions that have moved away from the shared epoch in force.")
	x.cold = counter("cold_entities", "{entity}", "Entities for which the scorer has no room in memory: put on disk, taken back, dropped at the bound, lost to a fault, damaged.")
	x.limited = counter("engine_limited", "{case}", "What limits of the scorer have cost, by limit: entities pushed out, events without a detector, rules without an answer, epochs that nobody offered, peer groups forgotten, events of a time too far from the stream clock.")
	var held error
	x.held, held = m.Int64UpDownCounter("vigil.analyzer.engine_entities", metric.WithUnit("{entity}"), metric.WithDescription("What the engines of the owned partitions hold, by kind."))
	errs = append(errs, held)
	x.lag = gauge("lag", "{record}", "Records of a partition that are not scored yet.")
	x.owned = gauge("partitions", "{partition}", "Partitions that this analyzer owns.")
	x.depth = gauge("queue_depth", "{batch}", "Reads that wait for a worker.")
	x.capacity = gauge("queue_capacity", "{batch}", "Reads that may wait for the workers.")
	var err error
	// One record is 10 µs; a full read with a verdict is tens of milliseconds.
	x.duration, err = m.Float64Histogram("vigil.analyzer.batch_duration", metric.WithUnit("s"),
		metric.WithDescription("Time to score one read and announce what follows from it."),
		metric.WithExplicitBucketBoundaries(0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 10))
	errs = append(errs, err)
	return &x, errors.Join(errs...)
}
