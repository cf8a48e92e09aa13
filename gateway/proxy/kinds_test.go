package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// clients are those of the matrix: all streams over HTTP/2 share one connection.
type clients struct {
	line         *line
	http1, http2 *http.Client
	grpc         testgrpc.TestServiceClient
	dialed       atomic.Int64 // Connections of http2.
}

// streamKind is one kind of stream: how a client opens and reads it, and what it
// is to be told where it is cut, and where it is refused.
type streamKind struct {
	run          func(ctx context.Context, v *visitCase) (told, error)
	cut, refused told
}

func newClients(t *testing.T, l *line) *clients {
	t.Helper()
	c := &clients{line: l}
	one := &http.Transport{}
	dial := func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
		c.dialed.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	two := &http2.Transport{AllowHTTP: true, DialTLSContext: dial} //nolint:staticcheck // Unlike net/http's it sends an extended CONNECT.
	c.http1, c.http2 = &http.Client{Transport: one}, &http.Client{Transport: two}
	conn, err := grpc.NewClient(l.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	c.grpc = testgrpc.NewTestServiceClient(conn)
	t.Cleanup(func() {
		one.CloseIdleConnections()
		c.http2.CloseIdleConnections()
		_ = conn.Close()
	})
	return c
}

// kinds are all kinds of streams.
func (c *clients) kinds() map[string]streamKind {
	refused := told{"401 session_revoked", true}
	call := told{"gRPC status 16", true}
	broken := told{"broken off", false} // No place for a word; the next request is told.
	return map[string]streamKind{
		"HTTP/1.1 request in flight":   {c.get(c.http1, "/poll"), refused, refused},
		"HTTP/2 long poll":             {c.get(c.http2, "/poll"), refused, refused},
		"HTTP/1.1 response begun":      {c.get(c.http1, "/body"), broken, refused},
		"HTTP/2 stream":                {c.get(c.http2, "/body"), broken, refused},
		"HTTP/1.1 download":            {c.get(c.http1, "/download"), broken, refused},
		"HTTP/2 download":              {c.get(c.http2, "/download"), broken, refused},
		"HTTP/1.1 chunked upload":      {c.upload(c.http1), refused, refused},
		"HTTP/2 upload":                {c.upload(c.http2), refused, refused},
		"event stream over HTTP/1.1":   {c.events(c.http1), told{"event vigil.revoked", true}, refused},
		"event stream over HTTP/2":     {c.events(c.http2), told{"event vigil.revoked", true}, refused},
		"WebSocket over HTTP/1.1":      {c.socket, told{"close code 1008", true}, refused},
		"WebSocket over HTTP/2":        {c.socketStream, told{"close code 1008", true}, refused},
		"gRPC unary call":              {c.unary, call, call},
		"gRPC client streaming":        {c.clientStreaming, call, call},
		"gRPC server streaming":        {c.serverStreaming, call, call},
		"gRPC bidirectional streaming": {c.bidirectional, call, call},
	}
}

func (c *clients) request(ctx context.Context, method, path string, v *visitCase, body io.Reader) *http.Request {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+c.line.addr+path, body)
	if err != nil {
		panic(err)
	}
	r.Header.Set(headerCase, strconv.Itoa(v.id))
	return r
}

// readAnswer reads a response that was not what was asked for.
func readAnswer(res *http.Response) (told, error) {
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return told{Words: "broken off"}, err
	}
	var p struct {
		Code       string `json:"code"`
		RetryAfter int    `json:"retry_after"`
	}
	err = json.Unmarshal(b, &p)
	seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	return told{fmt.Sprint(res.StatusCode, " ", p.Code), seconds >= 2 && seconds <= 20 && seconds == p.RetryAfter}, err
}

func (c *clients) get(client *http.Client, path string) func(context.Context, *visitCase) (told, error) {
	return func(ctx context.Context, v *visitCase) (told, error) {
		res, err := client.Do(c.request(ctx, http.MethodGet, path, v, nil))
		if err != nil {
			return told{}, err
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return readAnswer(res)
		}
		_, err = io.ReadFull(res.Body, make([]byte, len("a part")))
		if err != nil {
			return told{}, err
		}
		v.opened()
		n, err := io.Copy(io.Discard, res.Body)
		if err == nil {
			return told{Words: fmt.Sprint("complete after ", n, " bytes")}, nil
		}
		return told{Words: "broken off"}, err
	}
}

// trickle is a body that never ends by itself.
type trickle struct{ ctx context.Context } //nolint:containedctx // It lives as long as its request.

// Read gives a little now and then.
func (b trickle) Read(p []byte) (int, error) {
	select {
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	case <-time.After(time.Millisecond):
		return copy(p, "more"), nil
	}
}

func (c *clients) upload(client *http.Client) func(context.Context, *visitCase) (told, error) {
	return func(ctx context.Context, v *visitCase) (told, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		res, err := client.Do(c.request(ctx, http.MethodPost, "/upload", v, trickle{ctx}))
		if err != nil {
			return told{}, err
		}
		defer func() { _ = res.Body.Close() }()
		return readAnswer(res)
	}
}

func (c *clients) events(client *http.Client) func(context.Context, *visitCase) (told, error) {
	return func(ctx context.Context, v *visitCase) (told, error) {
		res, err := client.Do(c.request(ctx, http.MethodGet, "/events", v, nil))
		if err != nil {
			return told{}, err
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return readAnswer(res)
		}
		_, err = io.ReadFull(res.Body, make([]byte, len("data: hello\n\n")))
		if err != nil {
			return told{}, err
		}
		v.opened()
		rest, err := io.ReadAll(res.Body)
		if err != nil {
			return told{Words: "broken off"}, err
		}
		name, rest2, _ := strings.Cut(string(rest), "\n")
		_, retry, _ := strings.Cut(rest2, "retry: ")
		ms, _ := strconv.Atoi(strings.SplitN(retry, "\n", 2)[0])
		return told{"event " + strings.TrimPrefix(name, "event: "), ms >= 2000 && ms <= 20_000}, nil
	}
}

// echo is the upstream's side of a WebSocket.
func (v *visitCase) echo(t *testing.T, w http.ResponseWriter, r *http.Request) {
	t.Helper()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		t.Error(err)
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

func (c *clients) socket(ctx context.Context, v *visitCase) (told, error) {
	conn, res, err := websocket.Dial(ctx, "ws://"+c.line.addr+"/socket", &websocket.DialOptions{ //nolint:bodyclose // Closed by the package.
		HTTPClient: c.http1, HTTPHeader: http.Header{headerCase: {strconv.Itoa(v.id)}},
	})
	if err != nil {
		if res == nil {
			return told{}, err
		}
		return readAnswer(res)
	}
	defer func() { _ = conn.CloseNow() }()
	err = conn.Write(ctx, websocket.MessageText, []byte("ping"))
	if err == nil {
		_, _, err = conn.Read(ctx)
	}
	if err != nil {
		return told{}, err
	}
	v.opened()
	_, _, err = conn.Read(ctx)
	closed, _ := errors.AsType[websocket.CloseError](err)
	return told{fmt.Sprint("close code ", int(closed.Code)), hinted(closed.Reason)}, err
}

func hinted(reason string) bool { return strings.HasSuffix(reason, "; retry after 11 s") }

// socketStream speaks RFC 8441 and RFC 6455 by hand.
func (c *clients) socketStream(ctx context.Context, v *visitCase) (told, error) {
	out, in := io.Pipe()
	defer func() { _ = in.Close() }()
	r := c.request(ctx, http.MethodConnect, "/socket", v, out)
	r.Header[":protocol"] = []string{"websocket"}
	r.Header.Set("Sec-Websocket-Version", "13")
	res, err := c.http2.Do(r)
	if err != nil {
		return told{}, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return readAnswer(res)
	}
	if res.Header.Get("Sec-Websocket-Accept") != "" {
		return told{}, errors.New("the answer proves a handshake that was not")
	}
	_, err = in.Write([]byte("\x81\x84\x00\x00\x00\x00ping"))
	if err != nil {
		return told{}, err
	}
	echo := make([]byte, 6)
	_, err = io.ReadFull(res.Body, echo)
	if err != nil || string(echo) != "\x81\x04ping" {
		return told{Words: fmt.Sprintf("echo %q", echo)}, err
	}
	v.opened()
	b, err := io.ReadAll(res.Body)
	if err != nil || len(b) < 4 || b[0] != 0x88 || int(b[1]) != len(b)-2 {
		return told{Words: fmt.Sprintf("%q", b)}, err
	}
	return told{fmt.Sprint("close code ", int(b[2])<<8|int(b[3])), hinted(string(b[4:]))}, nil
}

func (c *clients) ending(err error, trailer metadata.MD) (told, error) {
	ms := 0
	if hint := trailer.Get("grpc-retry-pushback-ms"); len(hint) == 1 {
		ms, _ = strconv.Atoi(hint[0])
	}
	return told{fmt.Sprint("gRPC status ", int(status.Code(err))), ms >= 2000 && ms <= 20_000}, err
}

func calling(ctx context.Context, v *visitCase) context.Context {
	return metadata.AppendToOutgoingContext(ctx, headerCase, strconv.Itoa(v.id))
}

func (c *clients) unary(ctx context.Context, v *visitCase) (told, error) {
	var trailer metadata.MD
	_, err := c.grpc.UnaryCall(calling(ctx, v), &testgrpc.SimpleRequest{}, grpc.Trailer(&trailer))
	return c.ending(err, trailer)
}

func (c *clients) clientStreaming(ctx context.Context, v *visitCase) (told, error) {
	s, err := c.grpc.StreamingInputCall(calling(ctx, v))
	if err != nil {
		return told{}, err
	}
	for err == nil {
		err = s.Send(&testgrpc.StreamingInputCallRequest{})
		time.Sleep(time.Millisecond)
	}
	_, err = s.CloseAndRecv()
	return c.ending(err, s.Trailer())
}

func (c *clients) serverStreaming(ctx context.Context, v *visitCase) (told, error) {
	s, err := c.grpc.StreamingOutputCall(calling(ctx, v), &testgrpc.StreamingOutputCallRequest{})
	if err != nil {
		return told{}, err
	}
	for err == nil {
		_, err = s.Recv()
		if err == nil {
			v.opened()
		}
	}
	return c.ending(err, s.Trailer())
}

func (c *clients) bidirectional(ctx context.Context, v *visitCase) (told, error) {
	s, err := c.grpc.FullDuplexCall(calling(ctx, v))
	if err != nil {
		return told{}, err
	}
	_ = s.Send(&testgrpc.StreamingOutputCallRequest{}) // Where it was refused, Recv says why.
	for err == nil {
		_, err = s.Recv()
		if err == nil {
			v.opened()
		}
	}
	return c.ending(err, s.Trailer())
}

// neighbour opens an event stream on the connection that all others share, and
// returns a check that it has lived through everything.
func (c *clients) neighbour(t *testing.T) func() {
	t.Helper()
	v := c.line.newCase()
	ctx, cancel := context.WithCancel(t.Context())
	res, err := c.http2.Do(c.request(ctx, http.MethodGet, "/events", v, nil)) //nolint:bodyclose // Closed by the check.
	if err != nil {
		t.Fatal(err)
	}
	b := bufio.NewReader(res.Body)
	_, err = b.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, b)
		ended <- err
	}()
	return func() {
		select {
		case err := <-ended:
			t.Errorf("the neighbour was ended: %v", err)
		default:
		}
		if n := c.dialed.Load(); n != 1 {
			t.Errorf("%d HTTP/2 connections, want one that no cut has closed", n)
		}
		cancel()
		_ = res.Body.Close()
	}
}
