package login

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of this package. Attributes are codes and the ids
// of configured providers, which are few; never who.
type metrics struct {
	signIns  metric.Int64Counter // By outcome: ok or a code.
	sessions metric.Int64Counter // Cookies that did not count, by code.
	renewals metric.Int64Counter // By outcome: ok, away, ended.
	endings  metric.Int64Counter // Sessions ended, by what ended them.
	errands  metric.Int64Counter // Calls that nobody waits for, by to (peer, provider) and outcome: ok, given_up, dropped.
}

func newMetrics(m metric.Meter, l *Login) (metrics, error) {
	var x metrics
	var errs [7]error
	x.signIns, errs[0] = m.Int64Counter("vigil.gateway.login.sign_ins", metric.WithUnit("{sign_in}"),
		metric.WithDescription("Sign-ins and step-ups that came back from a provider, by outcome."))
	x.sessions, errs[1] = m.Int64Counter("vigil.gateway.login.refused_sessions", metric.WithUnit("{request}"),
		metric.WithDescription("Requests whose session cookie did not count, by reason."))
	x.renewals, errs[2] = m.Int64Counter("vigil.gateway.login.renewals", metric.WithUnit("{renewal}"),
		metric.WithDescription("Renewals of sessions at their provider, by outcome."))
	x.endings, errs[3] = m.Int64Counter("vigil.gateway.login.endings", metric.WithUnit("{session}"),
		metric.WithDescription("Sessions that were ended, by what ended them."))
	_, errs[4] = m.Int64ObservableGauge("vigil.gateway.login.known_sessions", metric.WithUnit("{session}"),
		metric.WithDescription("Sessions remembered beside their cookies; login.sessions_max bounds them."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(l.live.size()))
			return nil
		}))
	x.errands, errs[5] = m.Int64Counter("vigil.gateway.login.errands", metric.WithUnit("{call}"),
		metric.WithDescription("Endings told to peers, and refresh tokens given back to providers, by outcome."))
	_, errs[6] = m.Int64ObservableGauge("vigil.gateway.login.waiting_errands", metric.WithUnit("{call}"),
		metric.WithDescription("Calls to peers and providers that wait for a worker; at most 1,024 for each of them."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(l.waiting()))
			return nil
		}))
	err := errors.Join(errs[:]...)
	if err != nil {
		return x, fmt.Errorf("register metrics: %w", err)
	}
	return x, nil
}

func (m metrics) count(ctx context.Context, c metric.Int64Counter, outcome string) {
	c.Add(context.WithoutCancel(ctx), 1, metric.WithAttributes(attribute.String("outcome", outcome)))
}
