// Package telemetry sets up tracing, metrics and logs of a process: the one
// home of the OpenTelemetry SDK and its exporters.
//
//	TracerProvider ─► parent-based sampler ─► bounded queue ─► OTLP (gRPC or HTTP)
//	MeterProvider ─┬► periodic reader ─────────────────────► OTLP
//	               └► Prometheus reader ─► Handler ─► admin port /metrics
//	Logger ─► slog with trace_id and span_id of the context ─► stderr
//
// # Contract
//
// Nothing here is ever waited for by a request. A collector that is down costs
// a bounded queue of spans, the oldest exports fail and are counted, and one
// warning per minute says so. Shutdown flushes first and has a deadline of its
// own, longer than one export, because a short one loses the last batch.
//
// No attribute of a metric holds a subject, session, address or path: a view
// removes the names in [forbiddenAttributes] from every instrument, and an
// instrument keeps at most [CardinalityMax] attribute sets, after which the rest
// are folded into one that is marked otel_metric_overflow.
//
// # Concurrency
//
// A [Telemetry] is safe for concurrent use after Setup. Setup touches one
// global, the OpenTelemetry error handler, which has no other place.
//
// # Non-obvious
//
// The exporter of metrics over gRPC is the HTTP exporter with a transport that
// makes a gRPC call of each request: one exporter fewer to link and to trust.
package telemetry
