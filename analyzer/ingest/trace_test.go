package ingest_test

import (
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// One trace runs from the gateway's request through assess and announce into
// the verdict; the read itself only links to it.
func TestVerdictBelongsToTheTraceOfItsRequest(t *testing.T) {
	r := newRig(t)
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	r.tracer = provider.Tracer("test")
	r.start(t.TempDir(), func(o *ingest.Options) { o.Tracer = r.tracer })
	b, err := event.Append(nil, request(1, "alice", "/steal"))
	if err != nil {
		t.Fatal(err)
	}
	const traceID, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	r.sendRaw(0, kafka.Record{Value: kafka.NewBytes(b), Headers: []kafka.Header{{Key: "traceparent", Value: []byte("00-" + traceID + "-" + parent + "-01")}}})
	eventually(t, "a verdict", func() bool { return len(r.verdicts(0)) == 1 })
	eventually(t, "the span of the read", func() bool { return named(spans, "score") != nil })

	assess, announce, score := named(spans, "assess"), named(spans, "announce"), named(spans, "score")
	if assess == nil || announce == nil {
		t.Fatalf("spans: %v", spans.GetSpans())
	}
	if assess.SpanContext.TraceID().String() != traceID || assess.Parent.SpanID().String() != parent {
		t.Errorf("assess belongs to %v under %v", assess.SpanContext.TraceID(), assess.Parent.SpanID())
	}
	if announce.SpanContext.TraceID().String() != traceID || announce.Parent.SpanID() != assess.SpanContext.SpanID() {
		t.Errorf("announce belongs to %v under %v", announce.SpanContext.TraceID(), announce.Parent.SpanID())
	}
	if len(score.Links) != 1 || score.Links[0].SpanContext.TraceID().String() != traceID || score.SpanKind != trace.SpanKindConsumer {
		t.Errorf("links of the read: %v", score.Links)
	}
	want := "00-" + traceID + "-" + announce.SpanContext.SpanID().String() + "-01"
	if got := r.verdicts(0)[0].Cause.Traceparent; got != want {
		t.Errorf("cause.traceparent = %s, want %s", got, want)
	}
	for _, m := range r.read(topic.Verdicts, 0) {
		for _, h := range m.Headers {
			if h.Key == "traceparent" && !strings.EqualFold(string(h.Value), want) {
				t.Errorf("header traceparent = %s, want %s", h.Value, want)
			}
		}
	}
}

func named(spans *tracetest.InMemoryExporter, name string) *tracetest.SpanStub {
	for _, s := range spans.GetSpans() {
		if s.Name == name {
			return &s
		}
	}
	return nil
}
