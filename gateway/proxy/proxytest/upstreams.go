package proxytest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
)

// headerAtOnce asks an upstream for an answer that ends.
const headerAtOnce = "X-At-Once"

// downloadBytes is what a download begins with: more than waits in any buffer.
const downloadBytes = 120_000

// Upstream does what the path says and then waits to be ended.
func (s *Cases) Upstream(tb testing.TB) http.HandlerFunc {
	tb.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		c := s.Of(r.Header)
		if r.Header.Get(headerAtOnce) != "" {
			return
		}
		defer close(c.Left)
		begin := func(text string) {
			_, _ = io.WriteString(w, text)
			_ = http.NewResponseController(w).Flush()
		}
		switch r.URL.Path {
		case "/poll":
			c.Opened()
		case "/upload":
			_, _ = io.ReadFull(r.Body, make([]byte, 4))
			c.Opened()
			_, _ = io.Copy(io.Discard, r.Body)
		case "/download":
			w.Header().Set("Content-Length", "1000000000")
			begin(strings.Repeat("a part", downloadBytes/len("a part")))
		case "/body":
			begin("a part")
		case "/events":
			w.Header().Set("Content-Type", "text/event-stream")
			begin("data: hello\n\n")
		case "/socket":
			echo(tb, w, r)
			return
		}
		<-r.Context().Done()
	}
}

// echo is the upstream's side of a WebSocket.
func echo(tb testing.TB, w http.ResponseWriter, r *http.Request) {
	tb.Helper()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		tb.Error(err)
		return
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(-1)
	for {
		kind, b, err := conn.Read(context.WithoutCancel(r.Context()))
		if err == nil {
			err = conn.Write(context.WithoutCancel(r.Context()), kind, b)
		}
		if err != nil {
			return
		}
	}
}

type slowService struct {
	testgrpc.UnimplementedTestServiceServer

	cases *Cases
}

// wait says that the call has arrived, and waits to be ended.
func (s *slowService) wait(ctx context.Context, ready bool) error {
	md, _ := metadata.FromIncomingContext(ctx)
	c := s.cases.Of(http.Header{HeaderCase: md.Get(HeaderCase)})
	defer close(c.Left)
	if ready {
		c.Opened()
	}
	<-ctx.Done()
	return ctx.Err() //nolint:wrapcheck // As gRPC words it.
}

// EmptyCall implements the service.
func (s *slowService) EmptyCall(context.Context, *testgrpc.Empty) (*testgrpc.Empty, error) {
	return &testgrpc.Empty{}, nil
}

// UnaryCall implements the service.
func (s *slowService) UnaryCall(ctx context.Context, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	return nil, s.wait(ctx, true)
}

// StreamingInputCall implements the service.
func (s *slowService) StreamingInputCall(stream testgrpc.TestService_StreamingInputCallServer) error {
	_, err := stream.Recv()
	if err != nil {
		return err //nolint:wrapcheck // As gRPC words it.
	}
	return s.wait(stream.Context(), true)
}

// StreamingOutputCall implements the service.
func (s *slowService) StreamingOutputCall(_ *testgrpc.StreamingOutputCallRequest, stream testgrpc.TestService_StreamingOutputCallServer) error {
	_ = stream.Send(&testgrpc.StreamingOutputCallResponse{}) // Who is gone is noticed by wait.
	return s.wait(stream.Context(), false)
}

// FullDuplexCall implements the service.
func (s *slowService) FullDuplexCall(stream testgrpc.TestService_FullDuplexCallServer) error {
	_, err := stream.Recv()
	if err != nil {
		return err //nolint:wrapcheck // As gRPC words it.
	}
	_ = stream.Send(&testgrpc.StreamingOutputCallResponse{}) // As above.
	return s.wait(stream.Context(), false)
}

// GRPC starts the upstream of the gRPC kinds, which ends with the test.
func (s *Cases) GRPC(tb testing.TB) *url.URL {
	tb.Helper()
	server := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(server, &slowService{cases: s})
	done := make(chan struct{})
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	go func() {
		defer close(done)
		_ = server.Serve(listener) // Until it is stopped.
	}()
	tb.Cleanup(func() {
		server.Stop()
		<-done
	})
	return &url.URL{Scheme: "h2c", Host: listener.Addr().String()}
}
