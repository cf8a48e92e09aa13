package origin

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of this package. No attribute may hold an address.
type metrics struct {
	faults metric.Int64Counter // Look-ups that a broken database could not answer.
}

func newMetrics(meter metric.Meter) (metrics, error) {
	faults, err := meter.Int64Counter("vigil.gateway.origin.faults", metric.WithUnit("{lookup}"),
		metric.WithDescription("Look-ups that a network database could not answer because it is damaged."))
	if err != nil {
		return metrics{}, fmt.Errorf("register metrics: %w", err)
	}
	return metrics{faults: faults}, nil
}

func (m metrics) fault(ctx context.Context) { m.faults.Add(ctx, 1) }
