package telemetry

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// pushers send to one collector; both exporters are nil where there is none.
type pushers struct {
	spans   sdktrace.SpanExporter
	metrics sdkmetric.Exporter
	close   []func() error
}

func dial(ctx context.Context, c OTLP) (pushers, error) {
	if c.Endpoint == "" {
		return pushers{}, nil
	}
	headers, err := readHeaders(c.HeadersFile)
	if err != nil {
		return pushers{}, err
	}
	if c.Protocol == ProtocolHTTP {
		return dialHTTP(ctx, c, headers)
	}
	return dialGRPC(ctx, c, headers)
}

func dialHTTP(ctx context.Context, c OTLP, headers map[string]string) (pushers, error) {
	spanOptions := []otlptracehttp.Option{otlptracehttp.WithEndpoint(c.Endpoint), otlptracehttp.WithHeaders(headers), otlptracehttp.WithTimeout(c.Timeout)}
	metricOptions := []otlpmetrichttp.Option{otlpmetrichttp.WithEndpoint(c.Endpoint), otlpmetrichttp.WithHeaders(headers), otlpmetrichttp.WithTimeout(c.Timeout)}
	if c.Insecure {
		spanOptions = append(spanOptions, otlptracehttp.WithInsecure())
		metricOptions = append(metricOptions, otlpmetrichttp.WithInsecure())
	}
	spans, err := otlptracehttp.New(ctx, spanOptions...)
	if err != nil {
		return pushers{}, fmt.Errorf("set up otlp traces: %w", err)
	}
	metrics, err := otlpmetrichttp.New(ctx, metricOptions...)
	if err != nil {
		return pushers{}, fmt.Errorf("set up otlp metrics: %w", err)
	}
	return pushers{spans: spans, metrics: metrics}, nil
}

func dialGRPC(ctx context.Context, c OTLP, headers map[string]string) (pushers, error) {
	creds := credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	if c.Insecure {
		creds = insecure.NewCredentials()
	}
	conn, err := grpc.NewClient(c.Endpoint, grpc.WithTransportCredentials(creds))
	if err != nil {
		return pushers{}, fmt.Errorf("set up otlp connection: %w", err)
	}
	spans, err := otlptracegrpc.New(ctx, otlptracegrpc.WithGRPCConn(conn), otlptracegrpc.WithHeaders(headers), otlptracegrpc.WithTimeout(c.Timeout))
	if err != nil {
		return pushers{}, errors.Join(fmt.Errorf("set up otlp traces: %w", err), conn.Close())
	}
	metrics, err := otlpmetrichttp.New(ctx,
		otlpmetrichttp.WithEndpoint(c.Endpoint), otlpmetrichttp.WithInsecure(), otlpmetrichttp.WithTimeout(c.Timeout),
		otlpmetrichttp.WithHTTPClient(&http.Client{Transport: overGRPC{client: collector.NewMetricsServiceClient(conn), headers: headers}}))
	if err != nil {
		return pushers{}, errors.Join(fmt.Errorf("set up otlp metrics: %w", err), conn.Close())
	}
	return pushers{spans: spans, metrics: metrics, close: []func() error{conn.Close}}, nil
}

// overGRPC carries the HTTP exporter's requests over a gRPC connection.
type overGRPC struct {
	client  collector.MetricsServiceClient
	headers map[string]string
}

// RoundTrip exports the request's body and answers as an HTTP collector would.
func (o overGRPC) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read export: %w", err)
	}
	err = r.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("read export: %w", err)
	}
	var req collector.ExportMetricsServiceRequest
	err = proto.Unmarshal(body, &req)
	if err != nil {
		return nil, fmt.Errorf("decode export: %w", err)
	}
	resp, err := o.client.Export(metadata.NewOutgoingContext(r.Context(), metadata.New(o.headers)), &req)
	if err != nil {
		return answer(r, httpStatus(err), []byte(err.Error())), nil
	}
	out, err := proto.Marshal(resp)
	if err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return answer(r, http.StatusOK, out), nil
}

// httpStatus tells the exporter what it may try again.
func httpStatus(err error) int {
	switch status.Code(err) { //nolint:exhaustive // Every other code is final.
	case codes.Unavailable, codes.Aborted, codes.DeadlineExceeded, codes.Canceled, codes.OutOfRange, codes.DataLoss:
		return http.StatusServiceUnavailable
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	}
	return http.StatusBadRequest
}

func answer(r *http.Request, code int, body []byte) *http.Response {
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/x-protobuf"}},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
	}
}

// readHeaders reads lines of "Name: value"; blank lines and # comments are skipped.
func readHeaders(file string) (map[string]string, error) {
	headers := make(map[string]string)
	if file == "" {
		return headers, nil
	}
	content, err := os.ReadFile(file) //nolint:gosec // The configuration names it.
	if err != nil {
		return nil, fmt.Errorf("read otlp headers: %w", err)
	}
	if len(content) > headersBytesMax {
		return nil, fmt.Errorf("read otlp headers: %s has %d B, at most %d are allowed", file, len(content), headersBytesMax)
	}
	for i, line := range strings.Split(string(content), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, found := strings.Cut(line, ":")
		if !found {
			return nil, fmt.Errorf("read otlp headers: %s:%d: needs the form \"Name: value\"", file, i+1)
		}
		headers[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
	}
	return headers, nil
}
