package listen

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of this package.
type metrics struct {
	refused metric.Int64Counter // Connections closed because there were too many.
	reloads metric.Int64Counter // Reads of a changed certificate, by result.
}

func newMetrics(meter metric.Meter) (metrics, error) {
	refused, err := meter.Int64Counter("vigil.gateway.connections.refused", metric.WithUnit("{connection}"),
		metric.WithDescription("Connections closed at once because connections_max were open."))
	reloads, err2 := meter.Int64Counter("vigil.gateway.certificate.reloads", metric.WithUnit("{reload}"),
		metric.WithDescription("Reads of changed certificate files, by result."))
	err = errors.Join(err, err2)
	if err != nil {
		return metrics{}, fmt.Errorf("register metrics: %w", err)
	}
	return metrics{refused: refused, reloads: reloads}, nil
}

func (m metrics) reload(ctx context.Context, err error) {
	result := "ok"
	if err != nil {
		result = "fault"
	}
	m.reloads.Add(ctx, 1, metric.WithAttributes(attribute.String("result", result)))
}
