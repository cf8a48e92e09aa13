package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Options are what [Setup] depends on; all but Instance are required.
type Options struct {
	Config Config
	Log    Log
	// Service is the name of the process, such as vigil-gateway.
	Service string
	// Version is that of the build.
	Version string
	// Instance tells several processes of a service apart, such as the gateway's id.
	Instance string
	// Stderr takes the log.
	Stderr io.Writer
	// Now limits how often a broken collector is complained about.
	Now func() time.Time
}

// Telemetry is a process's tracer, meter, log and metrics page.
type Telemetry struct {
	logger  *slog.Logger
	traces  *sdktrace.TracerProvider
	tracers trace.TracerProvider // The same, or one whose spans nobody reads.
	meters  *sdkmetric.MeterProvider
	page    http.Handler
	timeout time.Duration
	close   []func() error
}

// Setup returns telemetry that works, with or without a collector: none is
// dialled before there is something to send. The caller must call Shutdown.
func Setup(ctx context.Context, o Options) (*Telemetry, error) {
	err := errors.Join(prefixed("telemetry", o.Config.Validate()), prefixed("log", o.Log.Validate()))
	if err != nil {
		return nil, err
	}
	t := &Telemetry{logger: NewLogger(o.Stderr, o.Log), timeout: o.Config.OTLP.Timeout}
	res := resource.NewWithAttributes(semconv.SchemaURL,
		semconv.ServiceName(o.Service),
		semconv.ServiceNamespace("vigil"),
		semconv.ServiceVersion(o.Version),
		semconv.ServiceInstanceID(o.Instance),
	)
	push, err := dial(ctx, o.Config.OTLP)
	if err != nil {
		return nil, err
	}
	t.close = push.close

	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	page, err := promexporter.New(promexporter.WithRegisterer(registry))
	if err != nil {
		return nil, fmt.Errorf("set up prometheus endpoint: %w", err)
	}
	t.page = promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry, MaxRequestsInFlight: 4, Timeout: o.Config.OTLP.Timeout})

	meters := []sdkmetric.Option{
		sdkmetric.WithResource(res),
		sdkmetric.WithReader(page),
		sdkmetric.WithCardinalityLimit(CardinalityMax),
		sdkmetric.WithView(withoutIdentity()),
	}
	sampler := sdktrace.ParentBased(sdktrace.TraceIDRatioBased(o.Config.SampleRatio))
	traces := []sdktrace.TracerProviderOption{sdktrace.WithResource(res), sdktrace.WithSampler(sampler)}
	t.tracers = &unread{sampler: sampler}
	if push.spans != nil {
		meters = append(meters, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(push.metrics,
			sdkmetric.WithInterval(o.Config.MetricsInterval), sdkmetric.WithTimeout(o.Config.OTLP.Timeout))))
		traces = append(traces, sdktrace.WithBatcher(push.spans,
			sdktrace.WithMaxQueueSize(spanQueueMax), sdktrace.WithMaxExportBatchSize(spanBatchMax), sdktrace.WithExportTimeout(o.Config.OTLP.Timeout)))
	}
	if push.spans == nil {
		meters = append(meters, sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter)) // The page does not show them, and nobody has the traces.
	}
	t.meters = sdkmetric.NewMeterProvider(meters...)
	t.traces = sdktrace.NewTracerProvider(traces...)
	if push.spans != nil {
		t.tracers = t.traces
	}
	otel.SetErrorHandler(&complaints{logger: t.logger, now: o.Now})
	return t, nil
}

// Logger is the process's log; records carry trace_id and span_id where the
// context has a span.
func (t *Telemetry) Logger() *slog.Logger { return t.logger }

// Meter is the meter of a package or role, such as vigil/gateway.
func (t *Telemetry) Meter(name string) metric.Meter { return t.meters.Meter(name) }

// Tracer is the tracer of a package or role.
func (t *Telemetry) Tracer(name string) trace.Tracer { return t.tracers.Tracer(name) }

// MeterProvider is for libraries that ask for one.
func (t *Telemetry) MeterProvider() metric.MeterProvider { return t.meters }

// TracerProvider is for libraries that ask for one.
func (t *Telemetry) TracerProvider() trace.TracerProvider { return t.tracers }

// Metrics is the page for Prometheus, for the admin port.
func (t *Telemetry) Metrics() http.Handler { return t.page }

// Shutdown sends what waits and ends all exporters. It takes at most one
// export's time and a little more, whether or not ctx has ended already.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.timeout+shutdownGrace)
	defer cancel()
	errs := []error{
		t.traces.ForceFlush(ctx), t.meters.ForceFlush(ctx),
		t.traces.Shutdown(ctx), t.meters.Shutdown(ctx),
	}
	for _, c := range t.close {
		errs = append(errs, c())
	}
	err := errors.Join(errs...)
	if err != nil {
		return fmt.Errorf("shut down telemetry: %w", err)
	}
	return nil
}

// forbiddenAttributes name a person or what only one person does. They belong
// to the audit trail; in a metric each would be kept for the process's life.
func forbiddenAttributes() []attribute.Key {
	return []attribute.Key{
		"subject", "session", "token", "token_id", "account", "user", "user.id", "enduser.id", "session.id", "device",
		"address", "client.address", "network.peer.address", "path", "url.path", "url.full", "url.query",
		"user_agent", "user_agent.original", "ja4", "request_id", "trace_id", "support_code",
	}
}

// withoutIdentity keeps every instrument as it is but for forbidden attributes.
func withoutIdentity() sdkmetric.View {
	filter := attribute.NewDenyKeysFilter(forbiddenAttributes()...)
	return func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
		return sdkmetric.Stream{Name: i.Name, Description: i.Description, Unit: i.Unit, AttributeFilter: filter}, true
	}
}

func prefixed(section string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", section, err)
}
