package state

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of this package.
type metrics struct {
	saves   metric.Int64Counter     // Files written.
	damaged metric.Int64Counter     // Files that were refused on load.
	bytes   metric.Int64Histogram   // Size of a file.
	seconds metric.Float64Histogram // Time to write a file.

	archived       metric.Int64Counter     // Snapshots offered to the archive, by result.
	archiveSeconds metric.Float64Histogram // Time to write one there.
}

func newMetrics(m metric.Meter) (*metrics, error) {
	var x metrics
	var errs [6]error
	x.saves, errs[0] = m.Int64Counter("vigil.analyzer.state_saves", metric.WithUnit("{file}"), metric.WithDescription("State files written."))
	x.damaged, errs[1] = m.Int64Counter("vigil.analyzer.state_damaged", metric.WithUnit("{file}"), metric.WithDescription("State files refused because they are damaged."))
	// From an idle partition to a million entities.
	x.bytes, errs[2] = m.Int64Histogram("vigil.analyzer.state_size", metric.WithUnit("By"), metric.WithDescription("Size of a state file."),
		metric.WithExplicitBucketBoundaries(1<<10, 1<<14, 1<<18, 1<<22, 1<<26, 1<<30))
	x.seconds, errs[3] = m.Float64Histogram("vigil.analyzer.state_save_duration", metric.WithUnit("s"), metric.WithDescription("Time to write a state file."),
		metric.WithExplicitBucketBoundaries(0.001, 0.01, 0.1, 1, 10))
	x.archived, errs[4] = m.Int64Counter("vigil.analyzer.state_archived", metric.WithUnit("{snapshot}"), metric.WithDescription("Snapshots for the archive in ClickHouse, by result."))
	x.archiveSeconds, errs[5] = m.Float64Histogram("vigil.analyzer.state_archive_duration", metric.WithUnit("s"), metric.WithDescription("Time to write a snapshot to the archive."),
		metric.WithExplicitBucketBoundaries(0.01, 0.1, 1, 10, 60))
	return &x, errors.Join(errs[:]...)
}
