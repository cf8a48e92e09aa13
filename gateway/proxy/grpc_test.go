package proxy_test

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// service is a gRPC upstream.
type service struct {
	testgrpc.UnimplementedTestServiceServer
	ended chan error
}

func (s *service) UnaryCall(_ context.Context, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	if r.GetResponseStatus().GetCode() != 0 {
		return nil, status.Error(codes.Code(r.GetResponseStatus().GetCode()), r.GetResponseStatus().GetMessage())
	}
	return &testgrpc.SimpleResponse{Payload: r.GetPayload()}, nil
}

// StreamingOutputCall sends one message and then waits.
func (s *service) StreamingOutputCall(_ *testgrpc.StreamingOutputCallRequest, stream testgrpc.TestService_StreamingOutputCallServer) error {
	err := stream.Send(&testgrpc.StreamingOutputCallResponse{Payload: &testgrpc.Payload{Body: []byte("one")}})
	if err != nil {
		return err
	}
	<-stream.Context().Done()
	s.ended <- stream.Context().Err()
	return nil
}

// FullDuplexCall echoes, and says nothing before it is spoken to.
func (s *service) FullDuplexCall(stream testgrpc.TestService_FullDuplexCallServer) error {
	for {
		r, err := stream.Recv()
		if err != nil {
			s.ended <- err
			return err
		}
		err = stream.Send(&testgrpc.StreamingOutputCallResponse{Payload: r.GetPayload()})
		if err != nil {
			return err
		}
	}
}

// StreamingInputCall reads all and answers in the end.
func (s *service) StreamingInputCall(stream testgrpc.TestService_StreamingInputCallServer) error {
	for {
		_, err := stream.Recv()
		if err != nil {
			s.ended <- err
			return err
		}
	}
}

func newGRPC(t *testing.T) (*rig, testgrpc.TestServiceClient, *service) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, impl := grpc.NewServer(), &service{ended: make(chan error, 10)}
	testgrpc.RegisterTestServiceServer(s, impl)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Stop()
		<-done
	})
	g := newRig(t, "h2c://"+l.Addr().String())
	trust := g.tls()
	trust.NextProtos = nil
	conn, err := grpc.NewClient(g.server.Listener.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		RootCAs: trust.RootCAs, ServerName: trust.ServerName, MinVersion: tls.VersionTLS12,
	})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return g, testgrpc.NewTestServiceClient(conn), impl
}

func as(t *testing.T, name string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	t.Cleanup(cancel)
	return metadata.AppendToOutgoingContext(ctx, "x-test-session", name)
}

// wasTold checks that a gRPC client saw UNAUTHENTICATED with the reason.
func wasTold(t *testing.T, err error) {
	t.Helper()
	s := status.Convert(err)
	if s.Code() != codes.Unauthenticated || !strings.Contains(s.Message(), "VG-CUT") {
		t.Errorf("the client saw %v, want Unauthenticated with the support code", err)
	}
}

// gRPC passes with its statuses and trailers.
func TestGRPCPasses(t *testing.T) {
	g, client, _ := newGRPC(t)
	r, err := client.UnaryCall(as(t, "s"), &testgrpc.SimpleRequest{Payload: &testgrpc.Payload{Body: []byte("hello")}})
	if err != nil || string(r.GetPayload().GetBody()) != "hello" {
		t.Errorf("unary: %v, %v", r, err)
	}
	if out := g.outcome(t); out.Stream != event.StreamGRPC || out.Reason != "" || out.Status != 200 {
		t.Errorf("outcome = %+v", out)
	}
	_, err = client.UnaryCall(as(t, "s"), &testgrpc.SimpleRequest{ResponseStatus: &testgrpc.EchoStatus{Code: 9, Message: "über 100 %"}})
	if s := status.Convert(err); s.Code() != codes.FailedPrecondition || s.Message() != "über 100 %" {
		t.Errorf("status: %v", err)
	}
	g.outcome(t)
}

// A server stream ends with UNAUTHENTICATED in its trailers, while another one
// on the same connection goes on.
func TestCutGRPCServerStream(t *testing.T) {
	g, client, impl := newGRPC(t)
	neighbour, err := client.FullDuplexCall(as(t, "owner"))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := client.StreamingOutputCall(as(t, "thief"), &testgrpc.StreamingOutputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	g.revoke("thief")
	_, err = stream.Recv()
	wasTold(t, err)
	wasCut(t, g.outcome(t), event.StreamGRPC)
	ends(t, impl.ended)
	err = neighbour.Send(&testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{Body: []byte("still here")}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := neighbour.Recv()
	if err != nil || string(r.GetPayload().GetBody()) != "still here" {
		t.Errorf("the neighbour saw %v, %v", r, err)
	}
}

// A call that has had no answer yet is refused with trailers only, also while
// the client may still send.
func TestCutGRPCBeforeItsHeader(t *testing.T) {
	g, client, impl := newGRPC(t)
	upload, err := client.StreamingInputCall(as(t, "thief"))
	if err != nil {
		t.Fatal(err)
	}
	err = upload.Send(&testgrpc.StreamingInputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	await(t, g.entered, "the call to enter")
	await(t, g.observer.began, "the call to count as a stream")
	g.revoke("thief")
	err = upload.RecvMsg(new(testgrpc.StreamingInputCallResponse))
	wasTold(t, err)
	wasCut(t, g.outcome(t), event.StreamGRPC)
	ends(t, impl.ended)
}

// A bidirectional stream that is idle on both sides ends at once.
func TestCutGRPCBidirectional(t *testing.T) {
	g, client, impl := newGRPC(t)
	stream, err := client.FullDuplexCall(as(t, "thief"))
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{Body: []byte("hi")}})
	if err == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	g.revoke("thief")
	_, err = stream.Recv()
	wasTold(t, err)
	wasCut(t, g.outcome(t), event.StreamGRPC)
	ends(t, impl.ended)
}
