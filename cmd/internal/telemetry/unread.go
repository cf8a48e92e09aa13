package telemetry

import (
	"context"
	"encoding/binary"
	"math/rand/v2"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
)

// unread makes the spans of a process that sends them nowhere: they have ids and
// the sampler's decision, which logs, events and the next process use, and record
// nothing, because nobody would read it.
type unread struct {
	embedded.TracerProvider

	sampler sdktrace.Sampler
}

// Tracer implements trace.TracerProvider.
func (u *unread) Tracer(string, ...trace.TracerOption) trace.Tracer {
	return &unreadTracer{sampler: u.sampler}
}

type unreadTracer struct {
	embedded.Tracer

	sampler sdktrace.Sampler
}

// Start implements trace.Tracer.
func (u *unreadTracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	c := trace.NewSpanStartConfig(options...)
	parent, under := trace.SpanContextFromContext(ctx), ctx
	if c.NewRoot() {
		parent, under = trace.SpanContext{}, context.Background() // The sampler asks it for a parent, and there shall be none.
	}
	whole := parent.TraceID()
	if !whole.IsValid() {
		// Of 16 bytes the last 8 decide what is sampled: all of them are drawn.
		binary.LittleEndian.PutUint64(whole[:8], rand.Uint64()|1) //nolint:gosec // An id is no secret.
		binary.LittleEndian.PutUint64(whole[8:], rand.Uint64())   //nolint:gosec // As above.
	}
	var part trace.SpanID
	binary.LittleEndian.PutUint64(part[:], rand.Uint64()|1) //nolint:gosec // As above; never zero, which is no id.
	said := u.sampler.ShouldSample(sdktrace.SamplingParameters{
		ParentContext: under, TraceID: whole, Name: name, Kind: c.SpanKind(), Attributes: c.Attributes(), Links: c.Links(),
	})
	flags := parent.TraceFlags().WithSampled(said.Decision == sdktrace.RecordAndSample)
	ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: whole, SpanID: part, TraceFlags: flags, TraceState: said.Tracestate,
	}))
	return ctx, trace.SpanFromContext(ctx)
}
