package identity

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of this package. The attribute result is one of
// a fixed list; no attribute may hold a subject, session or token.
type metrics struct {
	verified metric.Int64Counter // Credentials looked at, by result.
	fetches  metric.Int64Counter // Fetches of key sets, by result.
	asked    metric.Int64Counter // Questions about tokens, by result.

	results map[string][]metric.AddOption // Made once: the hot path makes none.
}

// Results beside the codes of Error.
const (
	resultOK     = "ok"
	resultCached = "cached"
	resultNone   = "none"
	resultFault  = "fault"
)

func newMetrics(meter metric.Meter) (*metrics, error) {
	v, err := meter.Int64Counter("vigil.gateway.identity.credentials", metric.WithUnit("{credential}"),
		metric.WithDescription("Credentials looked at, by result: cached, ok, none, fault (ours) or the code of a refusal."))
	f, err2 := meter.Int64Counter("vigil.gateway.identity.key_fetches", metric.WithUnit("{fetch}"),
		metric.WithDescription("Fetches of issuers' key sets, by result."))
	a, err3 := meter.Int64Counter("vigil.gateway.identity.introspections", metric.WithUnit("{question}"),
		metric.WithDescription("Questions to issuers about tokens, by result: ok, token_inactive or fault."))
	err = errors.Join(err, err2, err3)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	m := &metrics{verified: v, fetches: f, asked: a, results: make(map[string][]metric.AddOption)}
	for _, r := range append(codes(), resultOK, resultCached, resultNone, resultFault) {
		m.results[r] = []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("result", r)))}
	}
	return m, nil
}

func (m *metrics) count(ctx context.Context, result string) {
	m.verified.Add(ctx, 1, m.results[result]...)
}

func (m *metrics) fetched(ctx context.Context, err error) {
	result := resultOK
	if err != nil {
		result = resultFault
	}
	m.fetches.Add(ctx, 1, m.results[result]...)
}

func (m *metrics) introspected(ctx context.Context, active bool, err error) {
	result := resultOK
	switch {
	case err != nil:
		result = resultFault
	case !active:
		result = CodeInactive
	}
	m.asked.Add(ctx, 1, m.results[result]...)
}

// result names the outcome of a verification.
func result(err error) string {
	var token *Error
	switch {
	case err == nil:
		return resultOK
	case errors.Is(err, ErrNone):
		return resultNone
	case errors.As(err, &token):
		return token.Code
	}
	return resultFault
}
