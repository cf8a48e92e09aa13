package guard

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of this package. Attributes are names of budgets;
// never an address.
type metrics struct {
	refused   [int(levels) + int(rates)]counter
	evicted   metric.Int64Counter
	untracked metric.Int64Counter
}

// counter counts with attributes that were made once: a flood must not cost us more.
type counter struct {
	metric.Int64Counter

	with []metric.AddOption
}

// Add counts one.
func (c counter) Add(ctx context.Context) { c.Int64Counter.Add(ctx, 1, c.with...) }

func newMetrics(m metric.Meter, tracked func() int64) (*metrics, error) {
	x := new(metrics)
	refused, err := m.Int64Counter("vigil.gateway.guard.refused", metric.WithUnit("{refusal}"),
		metric.WithDescription("Refusals because an address has used up a budget, by budget."))
	for i := range x.refused {
		x.refused[i] = counter{refused, []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("budget", name(i))))}}
	}
	var errs [3]error
	x.evicted, errs[0] = m.Int64Counter("vigil.gateway.guard.evicted", metric.WithUnit("{address}"),
		metric.WithDescription("Addresses that were forgotten before their time because addresses_max are counted."))
	x.untracked, errs[1] = m.Int64Counter("vigil.gateway.guard.untracked", metric.WithUnit("{event}"),
		metric.WithDescription("What was not counted because all of addresses_max hold something."))
	_, errs[2] = m.Int64ObservableGauge("vigil.gateway.guard.addresses", metric.WithUnit("{address}"),
		metric.WithDescription("Addresses that are counted at the moment."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(tracked())
			return nil
		}))
	err = errors.Join(append(errs[:], err)...)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return x, nil
}
