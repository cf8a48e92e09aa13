package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/vigil-gateway/vigil/gateway/proxy/proxytest"
)

// interop is the service of gRPC's interoperability tests
// (https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md).
type interop struct {
	testgrpc.UnimplementedTestServiceServer
}

const (
	initialKey  = "x-grpc-test-echo-initial"
	trailingKey = "x-grpc-test-echo-trailing-bin"
)

// echo sends back the metadata that it is asked to.
func echo(ctx context.Context) (header, trailer metadata.MD) {
	md, _ := metadata.FromIncomingContext(ctx)
	header, trailer = metadata.MD{}, metadata.MD{}
	if v := md.Get(initialKey); len(v) > 0 {
		header[initialKey] = v
	}
	if v := md.Get(trailingKey); len(v) > 0 {
		trailer[trailingKey] = v
	}
	return header, trailer
}

func payload(n int32) *testgrpc.Payload { return &testgrpc.Payload{Body: make([]byte, n)} }

// EmptyCall implements the service.
func (interop) EmptyCall(context.Context, *testgrpc.Empty) (*testgrpc.Empty, error) {
	return &testgrpc.Empty{}, nil
}

// UnaryCall implements the service.
func (interop) UnaryCall(ctx context.Context, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	header, trailer := echo(ctx)
	_ = grpc.SetHeader(ctx, header)
	_ = grpc.SetTrailer(ctx, trailer)
	if s := r.GetResponseStatus(); s.GetCode() != 0 {
		return nil, status.Error(codes.Code(s.GetCode()), s.GetMessage())
	}
	return &testgrpc.SimpleResponse{Payload: payload(r.GetResponseSize())}, nil
}

// StreamingOutputCall implements the service.
func (interop) StreamingOutputCall(r *testgrpc.StreamingOutputCallRequest, stream testgrpc.TestService_StreamingOutputCallServer) error {
	for _, p := range r.GetResponseParameters() {
		err := stream.Send(&testgrpc.StreamingOutputCallResponse{Payload: payload(p.GetSize())})
		if err != nil {
			return err
		}
	}
	return nil
}

// StreamingInputCall implements the service.
func (interop) StreamingInputCall(stream testgrpc.TestService_StreamingInputCallServer) error {
	sum := 0
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(&testgrpc.StreamingInputCallResponse{AggregatedPayloadSize: int32(sum)})
		}
		if err != nil {
			return err
		}
		sum += len(r.GetPayload().GetBody())
	}
}

// FullDuplexCall implements the service.
func (interop) FullDuplexCall(stream testgrpc.TestService_FullDuplexCallServer) error {
	header, trailer := echo(stream.Context())
	_ = stream.SetHeader(header)
	stream.SetTrailer(trailer)
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if s := r.GetResponseStatus(); s.GetCode() != 0 {
			return status.Error(codes.Code(s.GetCode()), s.GetMessage())
		}
		for _, p := range r.GetResponseParameters() {
			err = stream.Send(&testgrpc.StreamingOutputCallResponse{Payload: payload(p.GetSize())})
			if err != nil {
				return err
			}
		}
	}
}

func newInterop(t *testing.T) (*line, *proxytest.Clients) {
	t.Helper()
	l := newLine(t)
	s := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(s, interop{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(listener) // Until it is stopped.
	}()
	t.Cleanup(func() {
		s.Stop()
		<-done
	})
	l.streams.Host = listener.Addr().String()
	return l, proxytest.NewClients(t, l.addr)
}

// requestSizes and responseSizes are those of the interoperability tests.
var requestSizes, responseSizes = []int32{27182, 8, 1828, 45904}, []int32{31415, 9, 2653, 58979}

// Each of gRPC's interoperability tests that needs no credentials of a cloud passes
// through the gateway.
func TestGRPCInterop(t *testing.T) {
	l, c := newInterop(t)
	const message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
	tests := map[string]func(ctx context.Context) error{
		"empty_unary": func(ctx context.Context) error {
			_, err := c.GRPC.EmptyCall(ctx, &testgrpc.Empty{})
			return err
		},
		"large_unary": func(ctx context.Context) error {
			r, err := c.GRPC.UnaryCall(ctx, &testgrpc.SimpleRequest{ResponseSize: 314159, Payload: payload(271828)})
			return errors.Join(err, counts(len(r.GetPayload().GetBody()), 314159))
		},
		"client_streaming": func(ctx context.Context) error {
			s, err := c.GRPC.StreamingInputCall(ctx)
			for _, n := range requestSizes {
				if err == nil {
					err = s.Send(&testgrpc.StreamingInputCallRequest{Payload: payload(n)})
				}
			}
			if err != nil {
				return err
			}
			r, err := s.CloseAndRecv()
			return errors.Join(err, counts(int(r.GetAggregatedPayloadSize()), 74922))
		},
		"server_streaming": func(ctx context.Context) error {
			r := &testgrpc.StreamingOutputCallRequest{}
			for _, n := range responseSizes {
				r.ResponseParameters = append(r.ResponseParameters, &testgrpc.ResponseParameters{Size: n})
			}
			s, err := c.GRPC.StreamingOutputCall(ctx, r)
			if err != nil {
				return err
			}
			for _, n := range responseSizes {
				err = errors.Join(err, expect(s, n))
			}
			if err != nil {
				return err
			}
			return ended(s.RecvMsg(new(testgrpc.StreamingOutputCallResponse)))
		},
		"ping_pong": func(ctx context.Context) error {
			s, err := c.GRPC.FullDuplexCall(ctx)
			for i, n := range requestSizes {
				if err != nil {
					return err
				}
				_ = s.Send(&testgrpc.StreamingOutputCallRequest{ // What went wrong is what is received.
					Payload: payload(n), ResponseParameters: []*testgrpc.ResponseParameters{{Size: responseSizes[i]}},
				})
				err = expect(s, responseSizes[i])
			}
			if err != nil {
				return err
			}
			_ = s.CloseSend()
			return ended(s.RecvMsg(new(testgrpc.StreamingOutputCallResponse)))
		},
		"empty_stream": func(ctx context.Context) error {
			s, err := c.GRPC.FullDuplexCall(ctx)
			if err != nil {
				return err
			}
			_ = s.CloseSend()
			return ended(s.RecvMsg(new(testgrpc.StreamingOutputCallResponse)))
		},
		"timeout_on_sleeping_server": func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			defer cancel()
			s, err := c.GRPC.FullDuplexCall(ctx)
			if err == nil {
				_ = s.Send(&testgrpc.StreamingOutputCallRequest{Payload: payload(27182)})
				_, err = s.Recv()
			}
			return wants(err, codes.DeadlineExceeded, "")
		},
		"cancel_after_begin": func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(ctx)
			s, err := c.GRPC.StreamingInputCall(ctx)
			cancel()
			if err != nil {
				return err
			}
			_, err = s.CloseAndRecv()
			return wants(err, codes.Canceled, "")
		},
		"cancel_after_first_response": func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			s, err := c.GRPC.FullDuplexCall(ctx)
			if err != nil {
				return err
			}
			_ = s.Send(&testgrpc.StreamingOutputCallRequest{Payload: payload(27182), ResponseParameters: []*testgrpc.ResponseParameters{{Size: 31415}}})
			err = expect(s, 31415)
			if err != nil {
				return err
			}
			cancel()
			_, err = s.Recv()
			return wants(err, codes.Canceled, "")
		},
		"status_code_and_message": func(ctx context.Context) error {
			asked := &testgrpc.EchoStatus{Code: int32(codes.Unknown), Message: "test status message"}
			_, err := c.GRPC.UnaryCall(ctx, &testgrpc.SimpleRequest{ResponseStatus: asked})
			err = wants(err, codes.Unknown, asked.GetMessage())
			s, err2 := c.GRPC.FullDuplexCall(ctx)
			if err2 != nil {
				return err2
			}
			_ = s.Send(&testgrpc.StreamingOutputCallRequest{ResponseStatus: asked})
			_, err2 = s.Recv()
			return errors.Join(err, wants(err2, codes.Unknown, asked.GetMessage()))
		},
		"special_status_message": func(ctx context.Context) error {
			_, err := c.GRPC.UnaryCall(ctx, &testgrpc.SimpleRequest{ResponseStatus: &testgrpc.EchoStatus{Code: int32(codes.Unknown), Message: message}})
			return wants(err, codes.Unknown, message)
		},
		"custom_metadata": func(ctx context.Context) error {
			ctx = metadata.AppendToOutgoingContext(ctx, initialKey, "test_initial_metadata_value", trailingKey, "\x0a\x0b\x0a\x0b\x0a\x0b")
			var header, trailer metadata.MD
			_, err := c.GRPC.UnaryCall(ctx, &testgrpc.SimpleRequest{ResponseSize: 1}, grpc.Header(&header), grpc.Trailer(&trailer))
			got := append(header.Get(initialKey), trailer.Get(trailingKey)...)
			if !slices.Equal(got, []string{"test_initial_metadata_value", "\x0a\x0b\x0a\x0b\x0a\x0b"}) {
				err = fmt.Errorf("metadata %q (%w)", got, err)
			}
			return err
		},
		"unimplemented_method": func(ctx context.Context) error {
			_, err := c.GRPC.UnimplementedCall(ctx, &testgrpc.Empty{})
			return wants(err, codes.Unimplemented, "method UnimplementedCall not implemented")
		},
		"unimplemented_service": func(ctx context.Context) error {
			conn, err := grpc.NewClient(l.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			_, err = testgrpc.NewUnimplementedServiceClient(conn).UnimplementedCall(ctx, &testgrpc.Empty{})
			return wants(err, codes.Unimplemented, "unknown service grpc.testing.UnimplementedService")
		},
	}
	for name, run := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			v := l.newCase()
			err := run(metadata.AppendToOutgoingContext(ctx, proxytest.HeaderCase, strconv.Itoa(v.ID)))
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// receiver is the client's side of a stream of responses.
type receiver interface {
	Recv() (*testgrpc.StreamingOutputCallResponse, error)
}

// expect is nil for a message of n bytes.
func expect(s receiver, n int32) error {
	r, err := s.Recv()
	return errors.Join(err, counts(len(r.GetPayload().GetBody()), int(n)))
}

func counts(got, want int) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%d bytes, want %d", got, want)
}

// ended is nil for a stream that has ended well.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return errors.Join(errors.New("the stream goes on"), err)
}

// wants is nil for a status; an empty message is any.
func wants(err error, code codes.Code, message string) error {
	s := status.Convert(err)
	if s.Code() == code && (message == "" || s.Message() == message) {
		return nil
	}
	return errors.Join(errors.New("not the status "+code.String()), err)
}
