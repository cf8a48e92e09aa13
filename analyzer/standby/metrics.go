package standby

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of this package. Ages are observed by partition, which
// is bounded.
type metrics struct {
	looks metric.Int64Counter // Looks at partitions, by what came of them.
	bytes metric.Int64Counter // Bytes that were copied.

	age      metric.Float64ObservableGauge // Of each partition's copy.
	behind   metric.Int64ObservableGauge   // Partitions whose newest snapshot is not here.
	size     metric.Int64ObservableGauge
	capacity metric.Int64ObservableGauge
}

func newMetrics(m metric.Meter) (*metrics, error) {
	var x metrics
	var errs [6]error
	x.looks, errs[0] = m.Int64Counter("vigil.analyzer.standby_looks", metric.WithUnit("{look}"), metric.WithDescription("Looks at the archive for a partition's newest snapshot, by what came of them."))
	x.bytes, errs[1] = m.Int64Counter("vigil.analyzer.standby_copied", metric.WithUnit("By"), metric.WithDescription("Bytes of snapshots that were copied to this disk."))
	x.age, errs[2] = m.Float64ObservableGauge("vigil.analyzer.standby_copy_age", metric.WithUnit("s"), metric.WithDescription("Time since the copy of a partition's state on this disk was taken by its owner."))
	x.behind, errs[3] = m.Int64ObservableGauge("vigil.analyzer.standby_behind", metric.WithUnit("{partition}"), metric.WithDescription("Partitions whose newest snapshot in the archive is not on this disk, or not known."))
	x.size, errs[4] = m.Int64ObservableGauge("vigil.analyzer.standby_size", metric.WithUnit("By"), metric.WithDescription("What state files take on this disk."))
	x.capacity, errs[5] = m.Int64ObservableGauge("vigil.analyzer.standby_capacity", metric.WithUnit("By"), metric.WithDescription("What state files may take on this disk before nothing more is copied."))
	return &x, errors.Join(errs[:]...)
}
