package release

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of this package.
type metrics struct {
	wait metric.Float64Histogram // How long responses waited, by result; what was turned away has waited for nothing.
}

// Results of a wait.
const (
	resultScored = "scored"
	resultLate   = "late"
	resultFull   = "full"
	resultUnsent = "unsent"
	resultEnded  = "ended" // Cut by a verdict, or its client is gone.
)

func newMetrics(m metric.Meter, p *Positions) (metrics, error) {
	var x metrics
	var errs [7]error
	// Two hops through Kafka take 5 to 10 ms; routes allow 50 ms by default.
	x.wait, errs[0] = m.Float64Histogram("vigil.release.wait", metric.WithUnit("s"),
		metric.WithDescription("How long responses were held back until they were scored, by result."),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .0075, .01, .015, .02, .03, .05, .1, .25, .5, 1, 2, 5))
	gauge := func(name, unit, text string, read func(Stats) int64) error {
		_, err := m.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(text),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				o.Observe(read(p.Stats(p.now())))
				return nil
			}))
		return err //nolint:wrapcheck // Below.
	}
	errs[1] = gauge("vigil.release.depth", "{response}", "Responses that wait to be scored.", func(s Stats) int64 { return s.Waiting })
	errs[2] = gauge("vigil.release.capacity", "{response}", "Responses that may wait.", func(s Stats) int64 { return s.WaitingMax })
	errs[3] = gauge("vigil.release.held", "By", "What the gateway may have to hold of them.", func(s Stats) int64 { return s.HeldBytes })
	errs[4] = gauge("vigil.release.held.capacity", "By", "What it may hold.", func(s Stats) int64 { return s.HeldBytesMax })
	errs[5] = gauge("vigil.release.lanes.lagging", "{lane}", "Lanes whose oldest unscored record is older than five seconds.",
		func(s Stats) int64 { return int64(s.Lagging) })
	_, errs[6] = m.Float64ObservableGauge("vigil.release.staleness", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest record of this gateway that is not scored."),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			o.Observe(p.Stats(p.now()).Oldest.Seconds())
			return nil
		}))
	err := errors.Join(errs[:]...)
	if err != nil {
		return x, fmt.Errorf("make instruments: %w", err)
	}
	return x, nil
}

// byResult is made for each wait: a millisecond's wait does not feel it.
func byResult(result string) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("result", result))
}
