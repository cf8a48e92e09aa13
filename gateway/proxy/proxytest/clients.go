package proxytest

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

// Clients open streams at one address.
type Clients struct {
	HTTP1, HTTP2 *http.Client // HTTP2 has one connection, without TLS.
	GRPC         testgrpc.TestServiceClient

	addr   string
	dialed atomic.Int64 // Connections of HTTP2.
}

// Told is what a client was told, in the words of its protocol.
type Told struct {
	Words string
	Hint  bool // It knows when it may come back.
}

// Kind is one kind of stream.
type Kind struct {
	// Run opens a stream, reads it until it ends and returns how it did. The error is
	// there to be shown only.
	Run func(ctx context.Context, v *Case) (Told, error)
	// Cut and Refused are what a client is to be told where a verdict ends its stream
	// and where it keeps it from being opened.
	Cut, Refused Told
	// Path is what is asked for, and Before a request of the same caller for it that is
	// answered at once.
	Path   string
	Before func(ctx context.Context, v *Case) error
}

// NewClients returns clients of a gateway that listens without TLS at addr. Their
// connections end with the test.
func NewClients(tb testing.TB, addr string) *Clients {
	tb.Helper()
	c := &Clients{addr: addr}
	one := &http.Transport{}
	dial := func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
		c.dialed.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	two := &http2.Transport{AllowHTTP: true, DialTLSContext: dial} //nolint:staticcheck // Unlike net/http's it sends an extended CONNECT.
	c.HTTP1, c.HTTP2 = &http.Client{Transport: one}, &http.Client{Transport: two}
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		tb.Fatal(err)
	}
	c.GRPC = testgrpc.NewTestServiceClient(conn)
	tb.Cleanup(func() {
		one.CloseIdleConnections()
		c.HTTP2.CloseIdleConnections()
		_ = conn.Close()
	})
	return c
}

// Kinds are all kinds of streams, by name.
func (c *Clients) Kinds() map[string]Kind {
	refused := Told{"401 session_revoked", true}
	call := Told{"gRPC status 16", true}
	event := Told{"event vigil.revoked", true}
	closed := Told{"close code 1008", true}
	broken := Told{"broken off", false} // No place for a word; the next request is told.
	get := func(client *http.Client, path string, cut Told) Kind {
		return Kind{c.get(client, path), cut, refused, path, c.before(client, http.MethodGet, path)}
	}
	upload := func(client *http.Client) Kind {
		return Kind{c.upload(client), refused, refused, "/upload", c.before(client, http.MethodPost, "/upload")}
	}
	events := func(client *http.Client) Kind {
		return Kind{c.events(client), event, refused, "/events", c.before(client, http.MethodGet, "/events")}
	}
	remote := func(run func(context.Context, *Case) (Told, error)) Kind {
		return Kind{run, call, call, service, c.beforeCall}
	}
	return map[string]Kind{
		"HTTP/1.1 request in flight":   get(c.HTTP1, "/poll", refused),
		"HTTP/2 long poll":             get(c.HTTP2, "/poll", refused),
		"HTTP/1.1 response begun":      get(c.HTTP1, "/body", broken),
		"HTTP/2 stream":                get(c.HTTP2, "/body", broken),
		"HTTP/1.1 download":            get(c.HTTP1, "/download", broken),
		"HTTP/2 download":              get(c.HTTP2, "/download", broken),
		"HTTP/1.1 chunked upload":      upload(c.HTTP1),
		"HTTP/2 upload":                upload(c.HTTP2),
		"event stream over HTTP/1.1":   events(c.HTTP1),
		"event stream over HTTP/2":     events(c.HTTP2),
		"WebSocket over HTTP/1.1":      {c.socket, closed, refused, "/socket", c.before(c.HTTP1, http.MethodGet, "/socket")},
		"WebSocket over HTTP/2":        {c.socketStream, closed, refused, "/socket", c.before(c.HTTP2, http.MethodGet, "/socket")},
		"gRPC unary call":              remote(c.unary),
		"gRPC client streaming":        remote(c.clientStreaming),
		"gRPC server streaming":        remote(c.serverStreaming),
		"gRPC bidirectional streaming": remote(c.bidirectional),
	}
}

// Request is one of a case. An extended CONNECT asks for the credentials of the GET
// that it stands for.
func (c *Clients) Request(ctx context.Context, method, path string, v *Case, body io.Reader) *http.Request {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+c.addr+path, body)
	if err != nil {
		panic(err)
	}
	if method == http.MethodConnect {
		method = http.MethodGet
	}
	r.Header = v.header(method, r.URL.String())
	return r
}

func (c *Clients) before(client *http.Client, method, path string) func(context.Context, *Case) error {
	return func(ctx context.Context, v *Case) error {
		r := c.Request(ctx, method, path, v, http.NoBody)
		r.Header.Set(headerAtOnce, "1")
		res, err := client.Do(r)
		if err != nil {
			return err //nolint:wrapcheck // Says it all.
		}
		_, _ = io.Copy(io.Discard, res.Body) // So that the connection can be used again.
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", res.StatusCode)
		}
		return nil
	}
}

func (c *Clients) beforeCall(ctx context.Context, v *Case) error {
	_, err := c.GRPC.EmptyCall(c.calling(ctx, v, "EmptyCall"), &testgrpc.Empty{})
	return err //nolint:wrapcheck // Says it all.
}

// readAnswer reads a response that was not what was asked for.
func readAnswer(res *http.Response) (Told, error) {
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return Told{Words: "broken off"}, err
	}
	var p struct {
		Code       string `json:"code"`
		RetryAfter int    `json:"retry_after"`
	}
	err = json.Unmarshal(b, &p)
	seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	return Told{fmt.Sprint(res.StatusCode, " ", p.Code), seconds >= 2 && seconds <= 20 && seconds == p.RetryAfter}, err
}

func (c *Clients) get(client *http.Client, path string) func(context.Context, *Case) (Told, error) {
	return func(ctx context.Context, v *Case) (Told, error) {
		res, err := client.Do(c.Request(ctx, http.MethodGet, path, v, nil))
		if err != nil {
			return Told{}, err
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return readAnswer(res)
		}
		_, err = io.ReadFull(res.Body, make([]byte, len("a part")))
		if err != nil {
			return Told{}, err
		}
		v.Opened()
		n, err := io.Copy(io.Discard, res.Body)
		if err == nil {
			return Told{Words: fmt.Sprint("complete after ", n, " bytes")}, nil
		}
		return Told{Words: "broken off"}, err
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

func (c *Clients) upload(client *http.Client) func(context.Context, *Case) (Told, error) {
	return func(ctx context.Context, v *Case) (Told, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		res, err := client.Do(c.Request(ctx, http.MethodPost, "/upload", v, trickle{ctx}))
		if err != nil {
			return Told{}, err
		}
		defer func() { _ = res.Body.Close() }()
		return readAnswer(res)
	}
}

func (c *Clients) events(client *http.Client) func(context.Context, *Case) (Told, error) {
	return func(ctx context.Context, v *Case) (Told, error) {
		res, err := client.Do(c.Request(ctx, http.MethodGet, "/events", v, nil))
		if err != nil {
			return Told{}, err
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return readAnswer(res)
		}
		_, err = io.ReadFull(res.Body, make([]byte, len("data: hello\n\n")))
		if err != nil {
			return Told{}, err
		}
		v.Opened()
		rest, err := io.ReadAll(res.Body)
		if err != nil {
			return Told{Words: "broken off"}, err
		}
		name, rest2, _ := strings.Cut(string(rest), "\n")
		_, retry, _ := strings.Cut(rest2, "retry: ")
		ms, _ := strconv.Atoi(strings.SplitN(retry, "\n", 2)[0])
		return Told{"event " + strings.TrimPrefix(name, "event: "), ms >= 2000 && ms <= 20_000}, nil
	}
}

func (c *Clients) socket(ctx context.Context, v *Case) (Told, error) {
	conn, res, err := websocket.Dial(ctx, "ws://"+c.addr+"/socket", &websocket.DialOptions{ //nolint:bodyclose // Closed by the package.
		HTTPClient: c.HTTP1, HTTPHeader: v.header(http.MethodGet, "http://"+c.addr+"/socket"),
	})
	if err != nil {
		if res == nil {
			return Told{}, err
		}
		return readAnswer(res)
	}
	defer func() { _ = conn.CloseNow() }()
	err = conn.Write(ctx, websocket.MessageText, []byte("ping"))
	if err == nil {
		_, _, err = conn.Read(ctx)
	}
	if err != nil {
		return Told{}, err
	}
	v.Opened()
	_, _, err = conn.Read(ctx)
	closed, _ := errors.AsType[websocket.CloseError](err)
	return Told{fmt.Sprint("close code ", int(closed.Code)), hinted(closed.Reason)}, err
}

// hinted reports whether the reason of a close ends with when to come back.
func hinted(reason string) bool {
	_, hint, _ := strings.Cut(reason, "; retry after ")
	s, err := strconv.Atoi(strings.TrimSuffix(hint, " s"))
	return err == nil && s >= 2 && s <= 20
}

// socketStream speaks RFC 8441 and RFC 6455 by hand.
func (c *Clients) socketStream(ctx context.Context, v *Case) (Told, error) {
	out, in := io.Pipe()
	defer func() { _ = in.Close() }()
	r := c.Request(ctx, http.MethodConnect, "/socket", v, out)
	r.Header[":protocol"] = []string{"websocket"}
	r.Header.Set("Sec-Websocket-Version", "13")
	res, err := c.HTTP2.Do(r)
	if err != nil {
		return Told{}, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return readAnswer(res)
	}
	if res.Header.Get("Sec-Websocket-Accept") != "" {
		return Told{}, errors.New("the answer proves a handshake that was not")
	}
	_, err = in.Write([]byte("\x81\x84\x00\x00\x00\x00ping"))
	if err != nil {
		return Told{}, err
	}
	echo := make([]byte, 6)
	_, err = io.ReadFull(res.Body, echo)
	if err != nil || string(echo) != "\x81\x04ping" {
		return Told{Words: fmt.Sprintf("echo %q", echo)}, err
	}
	v.Opened()
	b, err := io.ReadAll(res.Body)
	if err != nil || len(b) < 4 || b[0] != 0x88 || int(b[1]) != len(b)-2 {
		return Told{Words: fmt.Sprintf("%q", b)}, err
	}
	return Told{fmt.Sprint("close code ", int(b[2])<<8|int(b[3])), hinted(string(b[4:]))}, nil
}

func (c *Clients) ending(err error, trailer metadata.MD) (Told, error) {
	ms := 0
	if hint := trailer.Get("grpc-retry-pushback-ms"); len(hint) == 1 {
		ms, _ = strconv.Atoi(hint[0])
	}
	return Told{fmt.Sprint("gRPC status ", int(status.Code(err))), ms >= 2000 && ms <= 20_000}, err
}

// service is where the methods of the gRPC kinds are.
const service = "/grpc.testing.TestService/"

func (c *Clients) calling(ctx context.Context, v *Case, method string) context.Context {
	var pairs []string
	for name, values := range v.header(http.MethodPost, "http://"+c.addr+service+method) {
		pairs = append(pairs, name, values[0])
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

func (c *Clients) unary(ctx context.Context, v *Case) (Told, error) {
	var trailer metadata.MD
	_, err := c.GRPC.UnaryCall(c.calling(ctx, v, "UnaryCall"), &testgrpc.SimpleRequest{}, grpc.Trailer(&trailer))
	return c.ending(err, trailer)
}

func (c *Clients) clientStreaming(ctx context.Context, v *Case) (Told, error) {
	s, err := c.GRPC.StreamingInputCall(c.calling(ctx, v, "StreamingInputCall"))
	if err != nil {
		return Told{}, err
	}
	for err == nil {
		err = s.Send(&testgrpc.StreamingInputCallRequest{})
		time.Sleep(time.Millisecond)
	}
	_, err = s.CloseAndRecv()
	return c.ending(err, s.Trailer())
}

func (c *Clients) serverStreaming(ctx context.Context, v *Case) (Told, error) {
	s, err := c.GRPC.StreamingOutputCall(c.calling(ctx, v, "StreamingOutputCall"), &testgrpc.StreamingOutputCallRequest{})
	if err != nil {
		return Told{}, err
	}
	for err == nil {
		_, err = s.Recv()
		if err == nil {
			v.Opened()
		}
	}
	return c.ending(err, s.Trailer())
}

func (c *Clients) bidirectional(ctx context.Context, v *Case) (Told, error) {
	s, err := c.GRPC.FullDuplexCall(c.calling(ctx, v, "FullDuplexCall"))
	if err != nil {
		return Told{}, err
	}
	_ = s.Send(&testgrpc.StreamingOutputCallRequest{}) // Where it was refused, Recv says why.
	for err == nil {
		_, err = s.Recv()
		if err == nil {
			v.Opened()
		}
	}
	return c.ending(err, s.Trailer())
}

// Neighbour opens an event stream of a case, at a host of its own, on the connection
// that all others share, and returns a check that it has lived through everything.
func (c *Clients) Neighbour(tb testing.TB, v *Case, host string) (check func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	r := c.Request(ctx, http.MethodGet, "/events", v, nil)
	r.Host, r.Header = host, v.header(http.MethodGet, "http://"+host+"/events")
	res, err := c.HTTP2.Do(r) //nolint:bodyclose // Closed by the check.
	if err != nil {
		tb.Fatal(err)
	}
	b := bufio.NewReader(res.Body)
	line, err := b.ReadString('\n')
	if err != nil || line != "data: hello\n" {
		tb.Fatalf("the neighbour reads %q, %v", line, err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, b)
		ended <- err
	}()
	return func() {
		select {
		case err := <-ended:
			tb.Errorf("the neighbour was ended: %v", err)
		default:
		}
		if n := c.dialed.Load(); n != 1 {
			tb.Errorf("%d HTTP/2 connections, want one that no cut has closed", n)
		}
		cancel()
		_ = res.Body.Close()
	}
}
