package gateway

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/vigil-gateway/vigil/gateway/session"
)

// startSpan begins the trace of a request. The context of a client whom nobody
// trusts is linked and not continued: he must not choose what is sampled, nor
// write into somebody else's trace.
func (g *Gateway) startSpan(r *http.Request, at time.Time) (context.Context, trace.Span) {
	ctx := r.Context()
	if len(r.Header["Traceparent"]) == 0 {
		return g.tracer.Start(ctx, "gateway.request", g.span...) //nolint:spancheck // Ended by call.endSpan.
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(at)}
	remote := propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	switch sc := trace.SpanContextFromContext(remote); {
	case g.config.TrustTrace:
		ctx = remote
	case sc.IsValid():
		options = append(options, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: sc}))
	default:
		options = append(options, trace.WithNewRoot())
	}
	return g.tracer.Start(ctx, "gateway.request", options...) //nolint:spancheck // Ended by call.endSpan.
}

// rootSpan are the options of a span that begins a trace. They are the same for every
// request; it begins when it is made.
func rootSpan() []trace.SpanStartOption {
	return []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer), trace.WithNewRoot()}
}

// endSpan closes the request's span. It holds no name of anybody: the event has
// the same trace id.
func (c *call) endSpan() {
	if !c.span.IsRecording() {
		c.span.End()
		return // Nobody would read what is said about it.
	}
	defer func() { c.span.End(trace.WithTimestamp(c.gateway.now())) }()
	e := c.event
	c.span.SetAttributes(
		attribute.String("http.request.method", knownMethod(e.Method)), attribute.String("http.route", e.Template),
		attribute.Int("http.response.status_code", int(e.Status)), attribute.String("vigil.route", e.Route),
		attribute.String("vigil.decision", e.Decision), attribute.String("vigil.reason", e.Reason),
		attribute.String("vigil.stream", e.Stream), attribute.String("vigil.request_id", c.id),
	)
	if e.Status >= http.StatusInternalServerError {
		c.span.SetStatus(codes.Error, e.Reason)
	}
}

// cutSpan is the last span of the trace that the offending event began: it
// returns its traceparent, for the enforcement.
func (c *call) cutSpan(ctx context.Context, cut *session.Cut) string {
	v := cut.Verdict
	cause := propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": v.GetCause().GetTraceparent()})
	began := cut.Arrived
	if began.IsZero() {
		began = c.gateway.now()
	}
	_, span := c.gateway.tracer.Start(cause, "gateway.cut", trace.WithTimestamp(began),
		trace.WithLinks(trace.Link{SpanContext: c.span.SpanContext()}),
		trace.WithAttributes(attribute.String("vigil.verdict", v.GetId()), attribute.String("vigil.action", v.GetAction()),
			attribute.String("vigil.stream", c.event.Stream), attribute.String("vigil.request_id", c.id)))
	span.End(trace.WithTimestamp(c.gateway.now()))
	return traceparent(span.SpanContext())
}

// traceparent is the W3C form of a span context, empty where it is not valid.
func traceparent(sc trace.SpanContext) string {
	if !sc.IsValid() {
		return ""
	}
	whole, part := sc.TraceID(), sc.SpanID()
	b := append(make([]byte, 0, 64), "00-"...)
	b = append(hex.AppendEncode(b, whole[:]), '-')
	b = append(hex.AppendEncode(b, part[:]), '-')
	return string(hex.AppendEncode(b, []byte{byte(sc.TraceFlags())}))
}

// newID is a UUIDv7.
func newID() string {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.NewString() // Panics where the system has no randomness at all; then nothing can go on.
	}
	return id.String()
}
