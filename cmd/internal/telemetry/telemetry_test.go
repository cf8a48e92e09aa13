package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/vigil-gateway/vigil/cmd/internal/telemetry"
	"github.com/vigil-gateway/vigil/deploy/devstack/logtest"
)

// TestMain fails where a goroutine is left behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver is a collector: it remembers the names of what it was sent.
type receiver struct {
	tracepb.UnimplementedTraceServiceServer

	mu     sync.Mutex
	names  map[string]bool
	tokens map[string]bool
}

func newReceiver() *receiver {
	return &receiver{names: make(map[string]bool), tokens: make(map[string]bool)}
}

func (r *receiver) note(token string, names ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens[token] = true
	for _, n := range names {
		r.names[n] = true
	}
}

func (r *receiver) Export(ctx context.Context, req *tracepb.ExportTraceServiceRequest) (*tracepb.ExportTraceServiceResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	for _, rs := range req.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				r.note(strings.Join(md.Get("x-token"), ""), "span "+s.Name)
			}
		}
	}
	return &tracepb.ExportTraceServiceResponse{}, nil
}

type metricReceiver struct {
	metricspb.UnimplementedMetricsServiceServer

	to *receiver
}

func (m metricReceiver) Export(ctx context.Context, req *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	for _, rm := range req.ResourceMetrics {
		for _, sm := range rm.ScopeMetrics {
			for _, one := range sm.Metrics {
				m.to.note(strings.Join(md.Get("x-token"), ""), "metric "+one.Name)
			}
		}
	}
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

func serveGRPC(t *testing.T, r *receiver) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	tracepb.RegisterTraceServiceServer(s, r)
	metricspb.RegisterMetricsServiceServer(s, metricReceiver{to: r})
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

func serveHTTP(t *testing.T, r *receiver) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		ctx := metadata.NewIncomingContext(req.Context(), metadata.Pairs("x-token", req.Header.Get("X-Token")))
		w.Header().Set("Content-Type", "application/x-protobuf")
		switch req.URL.Path {
		case "/v1/traces":
			var in tracepb.ExportTraceServiceRequest
			err = proto.Unmarshal(body, &in)
			if err == nil {
				_, err = r.Export(ctx, &in)
			}
		case "/v1/metrics":
			var in metricspb.ExportMetricsServiceRequest
			err = proto.Unmarshal(body, &in)
			if err == nil {
				_, err = metricReceiver{to: r}.Export(ctx, &in)
			}
		}
		if err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func setup(t *testing.T, c telemetry.Config, log io.Writer) *telemetry.Telemetry {
	t.Helper()
	tel, err := telemetry.Setup(t.Context(), telemetry.Options{
		Config: c, Log: telemetry.DefaultLog(), Service: "vigil-test", Version: "v0", Instance: "i1", Stderr: log, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return tel
}

// Shutdown must deliver what waits, over both protocols, with the headers.
func TestDelivers(t *testing.T) {
	headers := filepath.Join(t.TempDir(), "headers")
	err := os.WriteFile(headers, []byte("# secret\nX-Token: s3cret\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for protocol, serve := range map[string]func(*testing.T, *receiver) string{
		telemetry.ProtocolGRPC: serveGRPC,
		telemetry.ProtocolHTTP: serveHTTP,
	} {
		t.Run(protocol, func(t *testing.T) {
			r := newReceiver()
			c := telemetry.DefaultConfig()
			c.OTLP = telemetry.OTLP{Endpoint: serve(t, r), Protocol: protocol, Insecure: true, HeadersFile: headers, Timeout: 10 * time.Second}
			tel := setup(t, c, io.Discard)
			_, span := tel.Tracer("vigil/test").Start(t.Context(), "one request")
			span.End()
			n, err := tel.Meter("vigil/test").Int64Counter("vigil.test.things")
			if err != nil {
				t.Fatal(err)
			}
			n.Add(t.Context(), 1)
			ended, cancel := context.WithCancel(t.Context())
			cancel() // A process that was told to stop has an ended context.
			err = tel.Shutdown(ended)
			if err != nil {
				t.Fatal(err)
			}
			if !r.names["span one request"] || !r.names["metric vigil.test.things"] {
				t.Errorf("collector got %v", r.names)
			}
			if len(r.tokens) != 1 || !r.tokens["s3cret"] {
				t.Errorf("headers were %v", r.tokens)
			}
		})
	}
}

// A collector that accepts connections and never answers may not be felt by
// whoever makes spans, and the log says so once.
func TestOutageIsNotFelt(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c := telemetry.DefaultConfig()
	c.OTLP = telemetry.OTLP{Endpoint: l.Addr().String(), Protocol: telemetry.ProtocolHTTP, Insecure: true, Timeout: 50 * time.Millisecond}
	var log logtest.Buffer
	tel := setup(t, c, &log)
	for range 20000 { // More than twice the queue: a blocking one would hang here.
		_, span := tel.Tracer("vigil/test").Start(t.Context(), "request")
		span.End()
	}
	err = tel.Shutdown(t.Context())
	if err == nil {
		t.Error("Shutdown says that everything was delivered")
	}
	if strings.Count(log.String(), "telemetry not delivered") > 1 {
		t.Errorf("log was filled:\n%s", log.String())
	}
}

func page(t *testing.T, tel *telemetry.Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	tel.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// TestMetricsPage checks units, buckets, the limit of attribute sets, and that no identity gets through.
func TestMetricsPage(t *testing.T) {
	tel := setup(t, telemetry.DefaultConfig(), io.Discard)
	defer func() { _ = tel.Shutdown(t.Context()) }()
	m := tel.Meter("vigil/test")
	h, err := m.Float64Histogram("vigil.test.lag", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(0.001, 7))
	if err != nil {
		t.Fatal(err)
	}
	h.Record(t.Context(), 0.5, metric.WithAttributes(attribute.String("route", "api"), attribute.String("subject", "alice"), attribute.String("client.address", "192.0.2.1")))
	n, err := m.Int64Counter("vigil.test.many")
	if err != nil {
		t.Fatal(err)
	}
	for i := range telemetry.CardinalityMax + 100 {
		n.Add(t.Context(), 1, metric.WithAttributes(attribute.Int("n", i)))
	}
	got := page(t, tel)
	for _, want := range []string{`route="api"`, `le="7"`, `vigil_test_lag_seconds_bucket`, `otel_metric_overflow="true"`, `go_goroutines`, `service_name="vigil-test"`} {
		if !strings.Contains(got, want) {
			t.Errorf("page lacks %s", want)
		}
	}
	for _, never := range []string{"alice", "192.0.2.1", `le="10000"`} {
		if strings.Contains(got, never) {
			t.Errorf("page contains %s", never)
		}
	}
	if sets := strings.Count(got, "vigil_test_many_total{"); sets > telemetry.CardinalityMax {
		t.Errorf("%d attribute sets, limit %d", sets, telemetry.CardinalityMax)
	}
}

// TestLogLeadsToItsTrace checks the ids in a line of the log.
func TestLogLeadsToItsTrace(t *testing.T) {
	var log logtest.Buffer
	tel := setup(t, telemetry.DefaultConfig(), &log)
	defer func() { _ = tel.Shutdown(t.Context()) }()
	ctx, span := tel.Tracer("vigil/test").Start(t.Context(), "request")
	tel.Logger().With("role", "gateway").InfoContext(ctx, "request refused")
	span.End()
	var line map[string]any
	err := json.Unmarshal([]byte(log.String()), &line)
	if err != nil {
		t.Fatalf("%v in %q", err, log.String())
	}
	if line["trace_id"] != span.SpanContext().TraceID().String() || line["span_id"] != span.SpanContext().SpanID().String() || line["role"] != "gateway" {
		t.Errorf("line is %v", line)
	}
}

// TestSampling checks that the ratio is used.
func TestSampling(t *testing.T) {
	c := telemetry.DefaultConfig()
	c.SampleRatio = 0
	tel := setup(t, c, io.Discard)
	defer func() { _ = tel.Shutdown(t.Context()) }()
	_, span := tel.Tracer("t").Start(t.Context(), "root")
	if span.SpanContext().IsSampled() {
		t.Error("a root is sampled at ratio 0")
	}
}

// TestSpansWithoutACollector checks that they lead on as those do that are sent: a
// next process must not sample less because this one has no collector.
func TestSpansWithoutACollector(t *testing.T) {
	tel := setup(t, telemetry.DefaultConfig(), io.Discard)
	defer func() { _ = tel.Shutdown(t.Context()) }()
	tracer := tel.Tracer("t")
	from := func(flags trace.TraceFlags) func() context.Context {
		return func() context.Context {
			return trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
				TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: flags, Remote: true,
			}))
		}
	}
	tests := map[string]struct {
		ctx     func() context.Context
		options []trace.SpanStartOption
		sampled bool
		parent  bool
	}{
		"a root":                       {ctx: t.Context, sampled: true},
		"a child of a sampled one":     {ctx: from(trace.FlagsSampled), sampled: true, parent: true},
		"a child of one that is not":   {ctx: from(0), parent: true},
		"a new root in another's name": {ctx: from(0), options: []trace.SpanStartOption{trace.WithNewRoot()}, sampled: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, span := tracer.Start(tt.ctx(), "request", tt.options...)
			sc := span.SpanContext()
			if !sc.IsValid() || sc.IsRemote() || sc.SpanID() == (trace.SpanID{2}) || !trace.SpanContextFromContext(ctx).Equal(sc) {
				t.Errorf("span context %v, in the context %v", sc, trace.SpanContextFromContext(ctx))
			}
			if got := sc.TraceID() == (trace.TraceID{1}); got != tt.parent {
				t.Errorf("continues the parent's trace: %t, want %t", got, tt.parent)
			}
			if sc.IsSampled() != tt.sampled || span.IsRecording() {
				t.Errorf("sampled %t, recording %t; want %t and never", sc.IsSampled(), span.IsRecording(), tt.sampled)
			}
			_, second := tracer.Start(ctx, "inner")
			if second.SpanContext().TraceID() != sc.TraceID() || second.SpanContext().SpanID() == sc.SpanID() {
				t.Errorf("inner span is %v within %v", second.SpanContext(), sc)
			}
		})
	}
}

// TestValidateNamesEveryKey checks that faults come at once.
func TestValidateNamesEveryKey(t *testing.T) {
	err := telemetry.Config{OTLP: telemetry.OTLP{Endpoint: "collector", Protocol: "udp"}, SampleRatio: 2}.Validate()
	for _, key := range []string{"otlp.endpoint: ", "otlp.protocol: ", "otlp.timeout: ", "sample_ratio: ", "metrics_interval: "} {
		if !strings.Contains(fmt.Sprint(err), key) {
			t.Errorf("Validate lacks %q in %v", key, err)
		}
	}
	if err := telemetry.DefaultConfig().Validate(); err != nil { //nolint:noinlineerr // One check.
		t.Error(err)
	}
	if err := telemetry.DefaultLog().Validate(); err != nil { //nolint:noinlineerr // One check.
		t.Error(err)
	}
}

// TestDurationsAreReadable checks that both formats write a duration with its unit,
// also in a group and where a logger always has it.
func TestDurationsAreReadable(t *testing.T) {
	for format, want := range map[string]string{
		telemetry.FormatJSON: `"always":"1m0s","took":"1.5s","part":{"after":"20ms"},"tries":3}`,
		telemetry.FormatText: "always=1m0s took=1.5s part.after=20ms tries=3",
	} {
		var out bytes.Buffer
		l := telemetry.NewLogger(&out, telemetry.Log{Format: format, Level: "info"}).With("always", time.Minute)
		l.Info("m", "took", 1500*time.Millisecond, slog.Group("part", "after", 20*time.Millisecond), "tries", 3)
		if !strings.HasSuffix(out.String(), want+"\n") {
			t.Errorf("%s: %s, want %s at its end", format, out.String(), want)
		}
	}
}
