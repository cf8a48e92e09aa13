package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// exchange is one call while it runs.
type exchange struct {
	proxy *Proxy
	call  *Call
	w     http.ResponseWriter
	r     *http.Request
	rc    *http.ResponseController
	body  *body  // Nil where the request has none.
	key   string // Sec-WebSocket-Key, where it is ours.
	under watched
	began time.Time

	detached bool // It goes on without its handler.
	// panicked is what one of its goroutines has panicked with beside the handler's.
	panicked atomic.Pointer[any]

	outcome Outcome // Complete when Serve returns.

	out    atomic.Uint64 // Bytes to the client.
	in     atomic.Uint64 // Bytes from an upgraded client; else the body counts.
	ticked atomic.Uint64 // Bytes at the last tick.
	status atomic.Int32  // Of the response, 0 before its header is written.
	// announces is how many bytes the response says that it has, once that is known
	// and many.
	announces atomic.Int64

	// Where it is in proxy.young, whose mutex guards them.
	young          bool
	older, younger *exchange

	mu       sync.Mutex
	timer    *time.Timer // Runs beat; nil while it is young.
	ended    bool        // over was called.
	onEnd    func()      // Called by over, nil for nothing.
	done     bool        // Serve is about to return.
	lasting  bool        // It is known to last.
	opened   bool        // Observer.Open was called.
	awaited  bool        // What is reported now is what call.Hold waits for.
	polite   bool        // The stream can carry a goodbye.
	tunneled bool        // The tunnel sets deadlines itself.
	hurried  bool        // unblock has set a write deadline.
	// sensitivity is what the upstream says of its response, upstreamStatus the status
	// of one that is held back.
	sensitivity    string
	upstreamStatus int
	idle           uint64 // Bytes moved when the stream was last seen to move.
	idleAt         time.Time
	still          int // Beats since it was last reported during which nothing moved.
}

// run forwards and relays; the cases are told apart here and nowhere else. What a
// stream that is open for hours has on its stack is kept small: frames with much
// in them have returned by then.
func (x *exchange) run(ctx context.Context) {
	res := x.ask(ctx)
	if res == nil {
		return
	}
	defer func() {
		if !x.detached {
			_ = res.Body.Close() // What could still go wrong is the upstream's, and past.
		}
	}()
	if !x.hold(ctx, res) {
		return
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		x.tunnel(ctx, res)
		return
	}
	x.relay(ctx, res)
}

// ask sends the request and returns the upstream's response, nil where the client
// has been answered instead.
func (x *exchange) ask(ctx context.Context) *http.Response {
	if x.r.Method == http.MethodConnect {
		x.outcome = x.refuse(problem.From(&route.MethodError{}), nil)
		return nil
	}
	if limit := x.proxy.config.BodyBytesMax; limit > 0 && x.r.ContentLength > limit {
		x.outcome = x.refuse(x.ours(problem.RequestTooLarge()), nil)
		return nil
	}
	grpc := isGRPC(x.r)
	if grpc {
		x.call.Visit.SetStream(event.StreamGRPC)
	}
	res, err := x.proxy.send(x.outgoing(), x.call.Match.Route.Upstream, grpc)
	if err != nil {
		x.outcome = x.noAnswer(ctx, err)
		return nil
	}
	if res.StatusCode < http.StatusSwitchingProtocols || res.StatusCode > statusMax {
		_ = res.Body.Close() // As above.
		x.outcome = x.refuse(x.ours(problem.Upstream(problem.UpstreamProtocol)), fmt.Errorf("%w: %d", errStatus, res.StatusCode))
		return nil
	}
	if ctx.Err() != nil {
		_ = res.Body.Close() // As above.
		x.outcome = x.noAnswer(ctx, context.Cause(ctx))
		return nil
	}
	x.proxy.metrics.wait.Record(ctx, x.proxy.now().Sub(x.began).Seconds())
	return res
}

// outgoing is the request as the upstream sees it. Trailers of a request are
// dropped: no header check would have seen them.
func (x *exchange) outgoing() *http.Request {
	target := x.call.Match.Target(x.r.URL.RawQuery)
	if target.Scheme == "h2c" {
		target.Scheme = "http"
	}
	h := x.proxy.outgoingHeader(x.r.Header, x.call.Unproven)
	if asksWebSocket(x.r) {
		h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
		if x.r.ProtoMajor == 2 {
			x.key = handshakeKey() // RFC 8441 has none.
			h["Sec-Websocket-Key"] = []string{x.key}
		}
	}
	values := [4]string{"http", x.r.Host} // One piece of memory for all.
	if x.r.TLS != nil {
		values[0] = "https"
	}
	h["X-Forwarded-Proto"], h["X-Forwarded-Host"] = values[0:1:1], values[1:2:2]
	if x.call.Client.IsValid() {
		values[2] = x.call.Client.String()
		h["X-Forwarded-For"] = values[2:3:3]
	}
	values[3] = forwarded(x.r, values[0], x.call.Client)
	h["Forwarded"] = values[3:4:4]
	if x.call.Own != nil {
		x.call.Own(h)
	}
	out := (&http.Request{
		Method: x.r.Method, URL: target, Host: target.Host, Header: h,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(&x.under)
	if x.body != nil {
		out.Body, out.ContentLength = x.body, x.r.ContentLength
	}
	return out
}

// takeBody puts the counting body before the client's, where it has one.
func (x *exchange) takeBody() {
	if x.r.Body == nil || x.r.Body == http.NoBody || x.r.ContentLength == 0 || asksWebSocket(x.r) {
		return // Over HTTP/2 the body of a WebSocket is the WebSocket.
	}
	src := x.r.Body
	if limit := x.proxy.config.BodyBytesMax; limit > 0 {
		src = http.MaxBytesReader(nil, src, limit)
	}
	x.body = newBody(src, x.r.ContentLength, x.moved)
}

// noAnswer answers where the upstream did not.
func (x *exchange) noAnswer(ctx context.Context, err error) Outcome {
	cause := context.Cause(ctx)
	cut, isCut := errors.AsType[*session.Cut](cause)
	if isCut {
		x.mu.Lock()
		x.polite = true // Whichever of this and unblock comes first.
		x.mu.Unlock()
		out := x.refuse(x.call.Goodbye(cut), nil)
		if !isGRPC(x.r) { // Whose answer must stay one frame.
			_ = x.rc.Flush() // The time below is that of the last byte; a client that is gone has none.
		}
		out.Cut, out.CutAt = cut, x.proxy.now()
		return out
	}
	if x.body != nil {
		if fault := x.body.fault.Load(); fault != nil {
			switch faultOf(*fault) {
			case faultFraming:
				return x.refuse(x.ours(problem.Framing()), *fault)
			case faultTooLarge:
				return x.refuse(x.ours(problem.RequestTooLarge()), *fault)
			case faultGone, faultNone:
				return x.gone(*fault)
			}
		}
	}
	switch {
	case errors.Is(cause, errIdle):
		return x.refuse(x.ours(problem.Upstream(problem.UpstreamTimeout)), errIdle)
	case ctx.Err() != nil:
		return x.gone(ctx.Err())
	}
	return x.refuse(x.ours(problem.Upstream(upstreamFault(err))), err)
}

// ours gives a problem the names by which it can be found.
func (x *exchange) ours(p problem.Problem) problem.Problem {
	return p.With(x.call.RequestID, event.SupportCode(x.call.RequestID))
}

// refuse answers with a problem. An unread body is left where it is, and the
// connection with it.
func (x *exchange) refuse(p problem.Problem, err error) Outcome {
	if x.body.unfinished() || x.body == nil && x.r.ContentLength != 0 {
		p.Close = true
	}
	problem.Write(x.w, x.r, p)
	x.status.Store(int32(p.Status))
	return Outcome{Status: p.Status, Reason: p.Code, Err: err}
}

// gone is the outcome of a client that did not wait.
func (x *exchange) gone(err error) Outcome {
	p := problem.ClientClosed()
	return Outcome{Status: p.Status, Reason: p.Code, Err: err, Abort: true}
}

// watched is a call's context that tells by itself when it ends, in the place of another
// [context.AfterFunc], which takes as long as to look a token up. The package upstream
// asks for it.
type watched struct {
	context.Context //nolint:containedctx // It lives as long as its exchange.

	x *exchange
}

// AfterEnd calls f once the context has ended, on a goroutine of its own. The call's
// upstream is the only one who waits for it. stop is that of [context.AfterFunc].
func (w *watched) AfterEnd(f func()) (stop func() bool) {
	x := w.x
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended {
		go f()
		return func() bool { return false }
	}
	x.onEnd = f
	return x.forgetEnd
}

// forgetEnd stops what AfterEnd was to call, and reports whether it has not been.
func (x *exchange) forgetEnd() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	waits := x.onEnd != nil
	x.onEnd = nil
	return waits
}

// over is called when the context ends.
func (x *exchange) over() {
	x.mu.Lock()
	f := x.onEnd
	x.onEnd, x.ended = nil, true
	x.mu.Unlock()
	if f != nil {
		f()
	}
	x.unblock(context.Cause(x.under.Context))
}

// unblock is called when the context ends: whatever waits for the client gets a
// deadline, so that a cut does not wait with it.
func (x *exchange) unblock(cause error) {
	_, isCut := errors.AsType[*session.Cut](cause)
	if !isCut && !errors.Is(cause, errIdle) && !errors.Is(cause, errDrain) && !errors.Is(cause, errPanic) {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done || x.tunneled {
		return
	}
	at := past()
	if x.polite || x.status.Load() == 0 {
		at = x.proxy.now().Add(x.proxy.config.GoodbyeTimeout)
	}
	x.hurry(at)
}

// hurry ends what is read from the client, and gives what is written a deadline.
// Called with mu held.
func (x *exchange) hurry(at time.Time) {
	if x.body.unfinished() {
		x.body.closed.Store(true)
		_ = x.rc.SetReadDeadline(past())
	}
	x.hurried = true
	_ = x.rc.SetWriteDeadline(at) // Only a test's recorder has no deadlines.
}

// drain implements drainer.
func (x *exchange) drain() { x.call.Visit.Abort(errDrain) }

// errPanic ends a call that has a fault of ours in it.
var errPanic = errors.New("panic beside the handler")

// caught is f for a goroutine of its own, where nobody would catch a panic: it ends the
// call, whose own goroutine finds what it was.
func (x *exchange) caught(f func()) func() {
	return func() {
		defer func() {
			e := recover()
			if e == nil {
				return
			}
			e = fmt.Sprintf("%v, beside the handler:\n%s", e, debug.Stack())
			x.panicked.CompareAndSwap(nil, &e)
			x.call.Visit.Abort(errPanic)
		}()
		f()
	}
}

// fault is what a goroutine of the call has panicked with, nil for nothing.
func (x *exchange) fault() any {
	if e := x.panicked.Load(); e != nil {
		return *e
	}
	return nil
}

// close completes the outcome and accounts for it.
func (x *exchange) close(ctx context.Context) {
	x.finish(&x.outcome)
	x.proxy.account(ctx, &x.outcome)
}

// finish settles everything that outlives run, and completes the outcome.
func (x *exchange) finish(out *Outcome) {
	x.mu.Lock()
	x.done = true
	x.proxy.young.remove(x)
	if x.timer != nil {
		x.timer.Stop()
	}
	out.Lasted, out.Sensitivity, out.streamed = x.opened, x.sensitivity, x.lasting
	if x.hurried && !x.tunneled && !out.Abort {
		_ = x.rc.SetWriteDeadline(time.Time{}) // The connection lives on.
	}
	x.mu.Unlock()
	if (out.Abort || x.hurried) && x.body.unfinished() {
		// The transport may still read for a request that has ended, and
		// net/http would wait for it, or take the reader away under it.
		x.body.settle(func() { _ = x.rc.SetReadDeadline(past()) })
		if !out.Abort && x.r.ProtoMajor == 1 {
			x.listenOut()
		}
	}
	out.BytesIn, out.BytesOut = x.bytesIn(), x.out.Load()
	out.Stream = x.call.Visit.Stream()
}

// listenOut lets a client that is still sending its body read the answer that
// it has been given: a connection that is closed with unread bytes takes the
// answer with it. net/http would do so only for a body that it can still read.
func (x *exchange) listenOut() {
	conn, _, err := x.rc.Hijack()
	if err != nil {
		return // The connection is gone, and so is the client.
	}
	x.proxy.lingering.Go(func() {
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(x.proxy.now().Add(x.proxy.config.GoodbyeTimeout))
		half, ok := conn.(interface{ CloseWrite() error })
		if ok {
			_ = half.CloseWrite()
		}
		_, _ = io.Copy(io.Discard, conn)
	})
}

func (x *exchange) bytesIn() uint64 {
	n := x.in.Load()
	if x.body != nil {
		n += x.body.n.Load()
	}
	return n
}

// account counts an outcome.
func (p *Proxy) account(ctx context.Context, out *Outcome) {
	if out.streamed {
		p.metrics.streams.Add(ctx, -1, metric.WithAttributes(attribute.String("stream", out.Stream)))
	}
	if out.Cut != nil {
		if !out.Cut.Arrived.IsZero() {
			p.metrics.goodbye.Record(ctx, out.CutAt.Sub(out.Cut.Arrived).Seconds(), metric.WithAttributes(attribute.String("stream", out.Stream)))
		}
		return
	}
	if out.Reason != "" {
		side := "upstream"
		if out.Status < http.StatusInternalServerError && out.Reason != problem.CodeUpstreamReset && out.Reason != problem.CodeUpstreamBody {
			side = "client"
		}
		p.metrics.faults.Add(ctx, 1, metric.WithAttributes(attribute.String("code", out.Reason), attribute.String("side", side)))
	}
}
