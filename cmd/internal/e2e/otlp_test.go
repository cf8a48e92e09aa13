//go:build e2e

package e2e_test

import (
	"context"
	"encoding/hex"
	"net"
	"sync"
	"testing"

	metrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// span is one received span with the service that made it.
type span struct {
	service string
	*tracepb.Span
}

// receiver is a real OTLP/gRPC end that keeps what it is sent.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	addr string

	mu    sync.Mutex
	spans []span // Guarded by mu.
}

// startReceiver serves OTLP on loopback until the test ends.
func startReceiver(t *testing.T) *receiver {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{addr: lis.Addr().String()}
	srv := grpc.NewServer()
	collector.RegisterTraceServiceServer(srv, r)
	metrics.RegisterMetricsServiceServer(srv, meters{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(lis) // What it says at the end is that it was stopped.
	}()
	t.Cleanup(func() {
		srv.Stop()
		<-done
	})
	return r
}

// meters takes metrics, because the product pushes both, and keeps none.
type meters struct {
	metrics.UnimplementedMetricsServiceServer
}

// Export takes a batch of metrics.
func (meters) Export(context.Context, *metrics.ExportMetricsServiceRequest) (*metrics.ExportMetricsServiceResponse, error) {
	return &metrics.ExportMetricsServiceResponse{}, nil
}

// Export takes a batch of spans.
func (r *receiver) Export(_ context.Context, req *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rs := range req.GetResourceSpans() {
		service := ""
		for _, a := range rs.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				r.spans = append(r.spans, span{service, s})
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// trace returns the spans of one trace, by its id in hex.
func (r *receiver) trace(id string) []span {
	r.mu.Lock()
	defer r.mu.Unlock()
	var spans []span
	for _, s := range r.spans {
		if hex.EncodeToString(s.GetTraceId()) == id {
			spans = append(spans, s)
		}
	}
	return spans
}
