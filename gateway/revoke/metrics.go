package revoke

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of this package. No attribute names a target.
type metrics struct {
	lag metric.Float64Histogram // From the verdict's time to its arrival here, in seconds.

	applied   metric.Int64ObservableCounter // Verdicts that took effect.
	refused   metric.Int64ObservableCounter // Records without effect, by reason.
	kept      metric.Int64ObservableGauge   // Verdicts that are remembered.
	capacity  metric.Int64ObservableGauge   // Verdicts that may be remembered.
	bytes     metric.Int64ObservableGauge   // Size of the verdict file.
	unsaved   metric.Int64ObservableCounter // Verdicts enforced but not remembered.
	caughtUp  metric.Int64ObservableGauge   // 1 once every partition was read to its end.
	staleness metric.Float64ObservableGauge // Age of the oldest partition's last heartbeat, in seconds, by stage.
	missing   metric.Int64ObservableCounter // Records of the analyzer that never came.
	ahead     metric.Int64ObservableCounter // Verdicts dated ahead of this gateway's clock.
	blown     metric.Int64ObservableGauge   // Tenants whose fuse has blown.
	keySet    metric.Int64ObservableGauge   // Version of the key set.
}

func newMetrics(m metric.Meter, f *Follower) (metrics, error) {
	var (
		ms   metrics
		errs [13]error
	)
	ms.applied, errs[0] = m.Int64ObservableCounter("vigil.revoke.applied", metric.WithUnit("{verdict}"),
		metric.WithDescription("Verdicts that took effect."))
	ms.refused, errs[1] = m.Int64ObservableCounter("vigil.revoke.refused", metric.WithUnit("{record}"),
		metric.WithDescription("Records that had no effect, by reason."))
	ms.lag, errs[2] = m.Float64Histogram("vigil.revoke.lag", metric.WithUnit("s"),
		metric.WithDescription("From the verdict's time to its arrival, on two clocks."),
		// A long poll takes 1 to 5 ms; above a second something is wrong.
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30))
	ms.kept, errs[3] = m.Int64ObservableGauge("vigil.revoke.depth", metric.WithUnit("{verdict}"),
		metric.WithDescription("Verdicts that are remembered."))
	ms.capacity, errs[4] = m.Int64ObservableGauge("vigil.revoke.capacity", metric.WithUnit("{verdict}"),
		metric.WithDescription("Verdicts that may be remembered."))
	ms.bytes, errs[5] = m.Int64ObservableGauge("vigil.revoke.file.size", metric.WithUnit("By"),
		metric.WithDescription("Size of the verdict file."))
	ms.unsaved, errs[6] = m.Int64ObservableCounter("vigil.revoke.dropped", metric.WithUnit("{verdict}"),
		metric.WithDescription("Verdicts that are enforced but will not be remembered, because a limit was reached."))
	ms.caughtUp, errs[7] = m.Int64ObservableGauge("vigil.revoke.caught_up",
		metric.WithDescription("1 once every partition was read to the end it had at the start."))
	ms.staleness, errs[8] = m.Float64ObservableGauge("vigil.revoke.staleness", metric.WithUnit("s"),
		metric.WithDescription("Age of the last heartbeat of the partition that is silent longest, by stage."))
	ms.missing, errs[9] = m.Int64ObservableCounter("vigil.revoke.missing", metric.WithUnit("{record}"),
		metric.WithDescription("Records that the analyzer has numbered and that never came: somebody may withhold verdicts."))
	ms.blown, errs[10] = m.Int64ObservableGauge("vigil.revoke.fuse.blown", metric.WithUnit("{tenant}"),
		metric.WithDescription("Tenants of which the analyzer's verdicts are held, because they would end too many sessions."))
	ms.keySet, errs[11] = m.Int64ObservableGauge("vigil.revoke.key_set.version",
		metric.WithDescription("Version of the key set that verdicts are believed by."))
	ms.ahead, errs[12] = m.Int64ObservableCounter("vigil.revoke.ahead", metric.WithUnit("{verdict}"),
		metric.WithDescription("Verdicts that were dated more than a minute ahead of this gateway's clock."))
	err := errors.Join(errs[:]...)
	if err != nil {
		return ms, fmt.Errorf("make instruments: %w", err)
	}
	_, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		st := f.Stats()
		o.ObserveInt64(ms.applied, int64(st.Applied))
		for i, r := range reasons() {
			o.ObserveInt64(ms.refused, int64(f.counts.refused[i].Load()), metric.WithAttributes(attribute.String("reason", r.name)))
		}
		o.ObserveInt64(ms.kept, int64(st.Verdicts))
		o.ObserveInt64(ms.capacity, int64(f.cfg.VerdictsMax))
		o.ObserveInt64(ms.bytes, st.FileBytes)
		o.ObserveInt64(ms.unsaved, int64(st.Unsaved))
		o.ObserveInt64(ms.caughtUp, truth(st.CaughtUp))
		for stage, age := range st.Staleness {
			o.ObserveFloat64(ms.staleness, age.Seconds(), metric.WithAttributes(attribute.String("stage", stage)))
		}
		o.ObserveInt64(ms.missing, int64(st.Missing))
		o.ObserveInt64(ms.ahead, int64(st.Ahead))
		o.ObserveInt64(ms.blown, int64(len(st.Blown)))
		o.ObserveInt64(ms.keySet, int64(st.KeySet))
		return nil
	}, ms.applied, ms.refused, ms.kept, ms.capacity, ms.bytes, ms.unsaved, ms.caughtUp, ms.staleness, ms.missing, ms.ahead, ms.blown, ms.keySet)
	if err != nil {
		return ms, fmt.Errorf("register instruments: %w", err)
	}
	return ms, nil
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
