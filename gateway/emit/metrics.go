package emit

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of this package: the four figures of a queue,
// and how long Kafka takes. The only attributes are the topic and the reason.
type metrics struct {
	lag metric.Float64Histogram // From emitted to acknowledged, of the oldest record of a batch, in seconds.

	// Read from the counters when somebody looks, so that a request pays nothing for them.
	depth    metric.Int64ObservableGauge   // Records that wait, in flight included.
	spooled  metric.Int64ObservableGauge   // Of them, those that are on the disk alone.
	capacity metric.Int64ObservableGauge   // Records that may wait.
	failing  metric.Int64ObservableGauge   // Partitions whose last attempt failed.
	dropped  metric.Int64ObservableCounter // Records that were given up, by reason.
	acked    metric.Int64ObservableCounter // Records that Kafka has stored.
	resent   metric.Int64ObservableCounter // Records that were sent again.
	recover  metric.Int64ObservableCounter // Events that earlier runs have left, and numbers that they lost.
}

func newMetrics(m metric.Meter, streams ...*stream) (metrics, error) {
	var (
		ms   metrics
		errs [9]error
	)
	ms.lag, errs[0] = m.Float64Histogram("vigil.emit.lag", metric.WithUnit("s"),
		metric.WithDescription("From emitted to acknowledged by Kafka, of the oldest record of each batch."),
		// Linger and one round trip are 5 ms; a restarting broker takes seconds; beyond a minute it is an outage.
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60))
	ms.depth, errs[1] = m.Int64ObservableGauge("vigil.emit.depth", metric.WithUnit("{record}"),
		metric.WithDescription("Records that wait for Kafka, in flight included."))
	ms.capacity, errs[2] = m.Int64ObservableGauge("vigil.emit.capacity", metric.WithUnit("{record}"),
		metric.WithDescription("Records that may wait for Kafka."))
	ms.failing, errs[3] = m.Int64ObservableGauge("vigil.emit.failing", metric.WithUnit("{partition}"),
		metric.WithDescription("Partitions whose last attempt failed."))
	ms.dropped, errs[4] = m.Int64ObservableCounter("vigil.emit.dropped", metric.WithUnit("{record}"),
		metric.WithDescription("Records that were given up, by reason."))
	ms.acked, errs[5] = m.Int64ObservableCounter("vigil.emit.acked", metric.WithUnit("{record}"),
		metric.WithDescription("Records that Kafka has acknowledged."))
	ms.resent, errs[6] = m.Int64ObservableCounter("vigil.emit.resent", metric.WithUnit("{record}"),
		metric.WithDescription("Records that were sent again after an attempt without acknowledgement."))
	ms.spooled, errs[7] = m.Int64ObservableGauge("vigil.emit.spooled", metric.WithUnit("{record}"),
		metric.WithDescription("Records that wait for Kafka on the disk alone."))
	ms.recover, errs[8] = m.Int64ObservableCounter("vigil.emit.recovered", metric.WithUnit("{record}"),
		metric.WithDescription("Events that earlier runs have left in the spool, and numbers that they lost."))
	err := errors.Join(errs[:]...)
	if err != nil {
		return ms, fmt.Errorf("make instruments: %w", err)
	}
	_, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, s := range streams {
			ms.observe(o, s)
		}
		return nil
	}, ms.depth, ms.capacity, ms.failing, ms.dropped, ms.acked, ms.resent, ms.spooled, ms.recover)
	if err != nil {
		return ms, fmt.Errorf("register instruments: %w", err)
	}
	return ms, nil
}

func (ms *metrics) observe(o metric.Observer, s *stream) {
	topic := attribute.String("topic", s.topic)
	records, _ := s.queue.depth()
	o.ObserveInt64(ms.depth, records, metric.WithAttributes(topic))
	o.ObserveInt64(ms.capacity, s.capacity, metric.WithAttributes(topic))
	o.ObserveInt64(ms.failing, s.count.failing.Load(), metric.WithAttributes(topic))
	o.ObserveInt64(ms.acked, int64(s.count.acked.Load()), metric.WithAttributes(topic))
	o.ObserveInt64(ms.resent, int64(s.count.resent.Load()), metric.WithAttributes(topic))
	o.ObserveInt64(ms.spooled, s.queue.spooled.Load(), metric.WithAttributes(topic))
	o.ObserveInt64(ms.recover, int64(s.count.recovered.Load()), metric.WithAttributes(topic))
	for i, reason := range reasons() {
		o.ObserveInt64(ms.dropped, int64(s.count.dropped[i].Load()),
			metric.WithAttributes(topic, attribute.String("reason", reason)))
	}
}
