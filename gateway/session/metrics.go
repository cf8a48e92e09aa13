package session

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of this package. No attribute names anybody.
type metrics struct {
	applied metric.Int64Counter // Verdicts by authority, action and effect.
	refused metric.Int64Counter // Verdicts without effect by reason.
	evicted metric.Int64Counter // Live verdicts that had to go for lack of room.
	cut     metric.Int64Counter // Visits ended by a verdict or without one, by action and stream.
	full    metric.Int64Counter // Visits refused by limit.
}

func newMetrics(m metric.Meter, t *Table) (metrics, error) {
	var x metrics
	var errs [8]error
	x.applied, errs[0] = m.Int64Counter("vigil.session.verdicts.applied", metric.WithUnit("{verdict}"), metric.WithDescription("Verdicts that changed what the gateway knows, by authority and action."))
	x.refused, errs[1] = m.Int64Counter("vigil.session.verdicts.ignored", metric.WithUnit("{verdict}"), metric.WithDescription("Verdicts without effect, by reason."))
	x.evicted, errs[2] = m.Int64Counter("vigil.session.verdicts.evicted", metric.WithUnit("{verdict}"), metric.WithDescription("Live verdicts dropped because verdicts_max was reached."))
	x.cut, errs[3] = m.Int64Counter("vigil.session.visits.cut", metric.WithUnit("{visit}"), metric.WithDescription("Requests and streams ended by a verdict, a posture or the end of their credential, by action and stream."))
	x.full, errs[4] = m.Int64Counter("vigil.session.visits.refused", metric.WithUnit("{visit}"), metric.WithDescription("Requests refused at a limit, by limit."))
	_, errs[5] = m.Int64ObservableUpDownCounter("vigil.session.visits", metric.WithUnit("{visit}"), metric.WithDescription("Requests and streams that are open now."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(t.visits.Load())
			return nil
		}))
	_, errs[6] = m.Int64ObservableUpDownCounter("vigil.session.verdicts", metric.WithUnit("{verdict}"), metric.WithDescription("Verdicts that are held now, lapsed ones included until they are swept."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(t.verdicts.Load())
			return nil
		}))
	_, errs[7] = m.Int64ObservableUpDownCounter("vigil.session.parties", metric.WithUnit("{party}"), metric.WithDescription("Sets of names that are remembered between requests; at most 16,384."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(t.remembered())
			return nil
		}))
	err := errors.Join(errs[:]...)
	if err != nil {
		return x, fmt.Errorf("register metrics: %w", err)
	}
	return x, nil
}

func reason(s string) metric.AddOption {
	return metric.WithAttributes(attribute.String("reason", s))
}
