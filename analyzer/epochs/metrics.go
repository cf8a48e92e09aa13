package epochs

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of this package.
type metrics struct {
	built      metric.Int64Counter // Epochs built here.
	summaries  metric.Int64Counter // Summaries written.
	refused    metric.Int64Counter // Records of the topic that were passed over.
	unbelieved metric.Int64Counter // Control records that no analyzer has signed.
	errors     metric.Int64Counter // Faults that were outlived.
}

func newMetrics(m metric.Meter) (*metrics, error) {
	var x metrics
	var errs [5]error
	x.built, errs[0] = m.Int64Counter("vigil.analyzer.epochs_built", metric.WithUnit("{epoch}"), metric.WithDescription("Shared epochs built."))
	x.summaries, errs[1] = m.Int64Counter("vigil.analyzer.epoch_summaries", metric.WithUnit("{record}"), metric.WithDescription("Summaries of partitions written."))
	x.refused, errs[2] = m.Int64Counter("vigil.analyzer.epoch_records_refused", metric.WithUnit("{record}"), metric.WithDescription("Records of the control topic that are damaged, of another version or beyond a limit."))
	x.unbelieved, errs[3] = m.Int64Counter("vigil.analyzer.epoch_controls_unbelieved", metric.WithUnit("{record}"), metric.WithDescription("Control records for epochs that no analyzer has signed."))
	x.errors, errs[4] = m.Int64Counter("vigil.analyzer.epoch_errors", metric.WithUnit("{error}"), metric.WithDescription("Faults around shared epochs that were outlived."))
	return &x, errors.Join(errs[:]...)
}
