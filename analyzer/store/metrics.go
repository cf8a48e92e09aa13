package store

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of this package. Attributes name tables and
// topics, never a subject.
type metrics struct {
	rows      metric.Int64Counter     // Rows stored, by table.
	cuts      metric.Int64Counter     // Cuts stored, by topic; redone says that a start repeated one.
	retries   metric.Int64Counter     // Tries that failed, by stage.
	dead      metric.Int64Counter     // Records sent to vigil.dead, by topic.
	missed    metric.Int64Counter     // Records deleted before they were stored, by topic.
	incidents metric.Int64Counter     // Incidents that began, and that gave way to others, by result.
	insert    metric.Float64Histogram // Time of one successful insert.
	delay     metric.Float64Histogram // From a record's time to its row.
	lag       metric.Int64ObservableGauge
	depth     metric.Int64ObservableGauge
	capacity  metric.Int64ObservableGauge
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
	histogram := func(name, what string, buckets ...float64) metric.Float64Histogram {
		h, err := m.Float64Histogram("vigil.analyzer."+name, metric.WithUnit("s"), metric.WithDescription(what),
			metric.WithExplicitBucketBoundaries(buckets...))
		errs = append(errs, err)
		return h
	}
	x.rows = counter("stored_rows", "{row}", "Rows stored in ClickHouse, by table.")
	x.cuts = counter("stored_cuts", "{cut}", "Cuts stored, by topic.")
	x.retries = counter("storing_retries", "{try}", "Tries of the storing path that failed, by stage.")
	x.dead = counter("dead_records", "{record}", "Records sent to vigil.dead, by topic.")
	x.missed = counter("storing_missed", "{record}", "Records that the broker deleted before they were stored, by topic.")
	x.incidents = counter("incidents", "{incident}", "Incidents that began, and that take no more findings because there are too many, by result.")
	x.lag = gauge("storing_lag", "{record}", "Records that are not stored yet, by topic.")
	x.depth = gauge("storing_queue_depth", "By", "Bytes gathered for the next cuts.")
	x.capacity = gauge("storing_queue_capacity", "By", "Bytes that the partitions owned may gather.")
	// An insert of a few rows is milliseconds, one at the limits is seconds.
	x.insert = histogram("insert_duration", "Time of one insert that succeeded.", 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30)
	// About the linger in good days; hours after an outage.
	x.delay = histogram("storing_delay", "From a record's time to its row in ClickHouse.", 0.1, 0.5, 1, 2, 5, 10, 60, 600, 3600)
	return &x, errors.Join(errs...)
}
