package proxy

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of this package.
type metrics struct {
	faults  metric.Int64Counter       // Requests that failed, by code and whose fault it was.
	streams metric.Int64UpDownCounter // Streams that are open, by kind.
	wait    metric.Float64Histogram   // Time to the upstream's response header.
	goodbye metric.Float64Histogram   // From a verdict's arrival to the last byte.
}

func newMetrics(m metric.Meter) (metrics, error) {
	var x metrics
	var errs [4]error
	x.faults, errs[0] = m.Int64Counter("vigil.proxy.faults", metric.WithUnit("{request}"),
		metric.WithDescription("Forwarded requests that failed, by code; side is client or upstream."))
	x.streams, errs[1] = m.Int64UpDownCounter("vigil.proxy.streams", metric.WithUnit("{stream}"),
		metric.WithDescription("Streams that are open, by kind."))
	x.wait, errs[2] = m.Float64Histogram("vigil.proxy.upstream.wait", metric.WithUnit("s"),
		metric.WithDescription("From forwarding a request to its upstream's response header."),
		metric.WithExplicitBucketBoundaries(.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60))
	// From 50 µs, a cut without a goodbye, to the goodbye timeout.
	x.goodbye, errs[3] = m.Float64Histogram("vigil.proxy.cut.duration", metric.WithUnit("s"),
		metric.WithDescription("From a verdict's arrival at the gateway to the last byte for the client, by stream."),
		metric.WithExplicitBucketBoundaries(.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1))
	err := errors.Join(errs[:]...)
	if err != nil {
		return x, fmt.Errorf("register metrics: %w", err)
	}
	return x, nil
}
