package listen

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/gateway/problem"
)

// metrics are the instruments of this package.
type metrics struct {
	refused   metric.Int64Counter // Connections closed because there were too many.
	malformed metric.Int64Counter // Requests refused before any handler saw them, by code.
	reloads   metric.Int64Counter // Reads of a changed certificate or trust bundle, by result.
}

func newMetrics(meter metric.Meter) (metrics, error) {
	var m metrics
	var errs [3]error
	m.refused, errs[0] = meter.Int64Counter("vigil.gateway.connections.refused", metric.WithUnit("{connection}"),
		metric.WithDescription("Connections closed at once because connections_max were open."))
	m.malformed, errs[1] = meter.Int64Counter("vigil.gateway.requests.malformed", metric.WithUnit("{request}"),
		metric.WithDescription("Requests refused before any handler saw them, so that no event tells of them, by code."))
	m.reloads, errs[2] = meter.Int64Counter("vigil.gateway.certificate.reloads", metric.WithUnit("{reload}"),
		metric.WithDescription("Reads of changed certificate and trust bundle files, by result."))
	err := errors.Join(errs[:]...)
	if err != nil {
		return metrics{}, fmt.Errorf("register metrics: %w", err)
	}
	return m, nil
}

// refuse answers with a problem and counts it.
func (m metrics) refuse(w http.ResponseWriter, r *http.Request, p problem.Problem) {
	m.malformed.Add(r.Context(), 1, metric.WithAttributes(attribute.String("code", p.Code)))
	problem.Write(w, r, p)
}

func (m metrics) reload(ctx context.Context, err error) {
	result := "ok"
	if err != nil {
		result = "fault"
	}
	m.reloads.Add(ctx, 1, metric.WithAttributes(attribute.String("result", result)))
}
