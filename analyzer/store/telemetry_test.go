package store_test

import (
	"context"
	"testing"

	"github.com/segmentio/kafka-go"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// A batch's span names the traces that its records came from, up to a limit,
// and rows are counted by table.
func TestTelemetry(t *testing.T) {
	r := newRig(t)
	spans := tracetest.NewSpanRecorder()
	reader := sdkmetric.NewManualReader()
	r.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	r.meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r.headers = []kafka.Header{{Key: "traceparent", Value: []byte(parent)}}
	var values [][]byte
	for seq := range uint64(store.LinksMax + 10) {
		values = append(values, request(t, 0, seq+1, nil))
	}
	r.produce(topic.Requests, 0, values...)
	stop := r.start()
	r.eventually("SELECT count() FROM @requests", "42")
	r.committed(topic.Requests, 0, 42)
	stop()

	found := 0
	for _, s := range spans.Ended() {
		if s.Name() != "store "+topic.Requests {
			continue
		}
		found++
		if s.SpanKind() != trace.SpanKindConsumer || len(s.Links()) == 0 || len(s.Links()) > store.LinksMax {
			t.Errorf("span is %v with %d links", s.SpanKind(), len(s.Links()))
		}
		if got := s.Links()[0].SpanContext.TraceID().String(); got != parent[3:35] {
			t.Errorf("link to trace %s, want %s", got, parent[3:35])
		}
	}
	if found == 0 {
		t.Error("no span of a batch")
	}
	var data metricdata.ResourceMetrics
	err := reader.Collect(context.Background(), &data)
	if err != nil {
		t.Fatal(err)
	}
	rows := int64(0)
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if ok && m.Name == "vigil.analyzer.stored_rows" {
				for _, p := range sum.DataPoints {
					rows += p.Value
				}
			}
		}
	}
	if rows != 42 {
		t.Errorf("vigil.analyzer.stored_rows = %d, want 42", rows)
	}
}

// Nobody listens: the native protocol says so too, and names where.
func TestOpenSaysWhatItCannotReach(t *testing.T) {
	for _, protocol := range []string{store.ProtocolNative, store.ProtocolHTTP} {
		c := store.DefaultConfig()
		c.Protocol, c.Addresses = protocol, []string{"127.0.0.1:1"}
		conn, err := store.Open(t.Context(), c)
		if err == nil {
			t.Errorf("%s: reached port 1 (%v)", protocol, conn.Close())
		}
	}
}
