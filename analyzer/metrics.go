package analyzer

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of the façade.
type metrics struct {
	reloads metric.Int64Counter // Model reloads, by result.
	stores  metric.Int64Counter // Times that storing ended in a fault and was begun again.
}

func newMetrics(m metric.Meter) (*metrics, error) {
	var x metrics
	var errs [2]error
	x.reloads, errs[0] = m.Int64Counter("vigil.analyzer.reloads", metric.WithUnit("{reload}"), metric.WithDescription("Reloads of the risk model, by result."))
	x.stores, errs[1] = m.Int64Counter("vigil.analyzer.store_restarts", metric.WithUnit("{restart}"), metric.WithDescription("Times that storing was begun again after a fault."))
	return &x, errors.Join(errs[:]...)
}
