package proxy

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// relay passes an upstream's response on.
func (x *exchange) relay(ctx context.Context, res *http.Response) {
	if x.tooLong(res) {
		return
	}
	polite := x.answer(ctx, res)
	if polite {
		x.shed(res)
		x.proxy.keep(x)
		defer x.proxy.forget(x)
	}
	tail := new(tail)
	readErr, writeErr := x.copy(ctx, res, tail)
	x.outcome = x.relayed(ctx, res, tail, readErr, writeErr)
}

// tooLong refuses a response that announces more than it may be.
func (x *exchange) tooLong(res *http.Response) bool {
	limit := x.proxy.config.ResponseBytesMax
	if limit == 0 || res.ContentLength <= limit || x.r.Method == http.MethodHead {
		return false
	}
	x.outcome = x.refuse(x.ours(problem.Upstream(problem.UpstreamBodyTooLarge)), errTooLong)
	return true
}

// answer passes the header on. It reports whether the stream can carry a goodbye.
func (x *exchange) answer(ctx context.Context, res *http.Response) (polite bool) {
	h := x.w.Header()
	copyResponseHeader(h, res.Header)
	h["X-Request-Id"] = []string{x.call.RequestID}
	for name := range res.Trailer {
		if mayTrail(name) {
			h.Add("Trailer", name)
		}
	}
	grpc := x.grpc()
	sse := !grpc && isEventStream(res.Header)
	// Behind an encoding there is no place for an event of ours.
	polite = grpc || sse && res.Header.Get("Content-Encoding") == "" && res.ContentLength < 0
	x.mu.Lock()
	x.polite, x.sensitivity = polite, sensitivityOf(res.Header)
	x.status.Store(int32(res.StatusCode))
	x.mu.Unlock()
	x.w.WriteHeader(res.StatusCode)
	switch {
	case sse:
		x.lasts(event.StreamSSE)
	case x.announced(res): // Who takes fifty of them must not have them before the first is known of.
		x.announces.Store(res.ContentLength)
		x.lasts("")
		x.wait(ctx)
	}
	// A gRPC answer without a body must stay one frame: its header is its trailer.
	if sse || grpc && res.Header.Get("Grpc-Status") == "" || len(res.Trailer) > 0 {
		_ = x.rc.Flush() // A client that is gone is noticed by the first write.
	}
	return polite
}

// shed lets go of what a stream that has begun has no more use for: it may be open for
// hours, and 100,000 beside it.
func (x *exchange) shed(res *http.Response) {
	res.Header, res.Request, x.call.Own, x.call.Hold = nil, nil, nil, nil
	if x.r.ProtoMajor == 2 { // net/http keeps the request; over HTTP/1.1 it looks at its header in the end.
		clear(x.r.Header)
	}
}

func (x *exchange) grpc() bool { return x.call.Visit.Stream() == event.StreamGRPC }

// relayed is how the response ended.
func (x *exchange) relayed(ctx context.Context, res *http.Response, tail *tail, readErr, writeErr error) Outcome {
	out := Outcome{Status: res.StatusCode}
	cause := context.Cause(ctx)
	cut, isCut := errors.AsType[*session.Cut](cause)
	switch {
	case isCut:
		p := x.call.Goodbye(cut)
		out.Cut, out.Reason = cut, p.Code
		out.Abort = !x.polite || !x.goodbye(x.grpc(), tail, p)
		out.CutAt = x.proxy.now()
		return out
	case errors.Is(cause, errDrain):
		out.Err, out.Abort = errDrain, !x.partWays(x.grpc(), tail)
		return out
	case errors.Is(cause, errIdle):
		out.Reason, out.Err, out.Abort = problem.CodeUpstreamTimeout, errIdle, true
		return out
	case writeErr != nil, ctx.Err() != nil:
		out.Reason, out.Err, out.Abort = problem.CodeClientClosed, errors.Join(writeErr, ctx.Err()), true
		return out
	case readErr != nil:
		return x.broken(out, readErr)
	}
	for name, values := range res.Trailer {
		if mayTrail(name) {
			x.w.Header()[http.TrailerPrefix+name] = values
		}
	}
	return out
}

// broken is the outcome of a response that ended in the middle: of the client's
// doing where its body was at fault, else of the upstream's.
func (x *exchange) broken(out Outcome, readErr error) Outcome {
	out.Reason, out.Err, out.Abort = problem.CodeUpstreamReset, readErr, true
	if errors.Is(readErr, errTooLong) {
		out.Reason = problem.CodeUpstreamBody
		return out
	}
	if x.body != nil {
		if fault := x.body.fault.Load(); fault != nil {
			out.Err = *fault
			switch faultOf(*fault) {
			case faultFraming:
				out.Reason = problem.CodeFraming
			case faultTooLarge:
				out.Reason = problem.CodeRequestTooLarge
			case faultGone, faultNone:
				out.Reason = problem.CodeClientClosed
			}
		}
	}
	return out
}

// copy passes the body on until it ends, the client is gone or the context ends.
func (x *exchange) copy(ctx context.Context, res *http.Response, tail *tail) (readErr, writeErr error) {
	if res.Body == http.NoBody {
		return nil, nil
	}
	s := scratch{pool: &x.proxy.buffers}
	defer s.free()
	if !x.polite { // An ordinary response comes at once, and in one piece where there is room.
		s.grow()
	}
	flush, limit := res.ContentLength < 0, uint64(x.proxy.config.ResponseBytesMax)
	waits := res.ProtoMajor == 2 && x.polite // HTTP/2 keeps what has come by itself: nothing is needed to wait for it.
	for {
		if waits {
			s.free()
			_, _ = res.Body.Read(nil) // The read below says how it ended.
			s.grow()
		}
		buf := s.bytes()
		n, err := res.Body.Read(buf)
		if ctx.Err() != nil {
			return nil, nil // What was just read stays here.
		}
		if limit > 0 && x.out.Load()+uint64(n) > limit {
			return errTooLong, nil
		}
		if n > 0 {
			_, writeErr = x.w.Write(buf[:n])
			if writeErr == nil && flush {
				writeErr = x.rc.Flush()
			}
			if writeErr != nil {
				return nil, writeErr
			}
			tail.see(buf[:n])
			x.out.Add(uint64(n))
			x.moved()
		}
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return err, nil
		}
		if n > 0 && !waits { // Not before: most responses are over by now, and need no other buffer.
			s.next(n, nil)
		}
	}
}

// goodbye writes the last words of a stream whose header has been sent. It
// reports whether the client can have read them.
func (x *exchange) goodbye(grpc bool, tail *tail, p problem.Problem) bool {
	pushback := ""
	if p.RetryAfter > 0 {
		pushback = p.Pushback()
	}
	if grpc {
		x.trailers(p.GRPCStatus(), p.Text(), pushback)
		return true
	}
	return x.write(tail.last(p.JSON(), pushback))
}

// partWays ends such a stream because the gateway goes away, so that the client
// comes back to another. It reports whether the client can have seen it.
func (x *exchange) partWays(grpc bool, tail *tail) bool {
	pushback := strconv.FormatInt(returnAfter.Milliseconds()+rand.Int64N(returnSpread.Milliseconds()), 10) //nolint:gosec // Nothing is lost to whoever guesses it.
	if grpc {
		x.trailers(grpcUnavailable, "gateway is going away", pushback)
		return true
	}
	return x.write(tail.adieu(pushback))
}

// grpcUnavailable is what gRPC clients retry (https://grpc.io/docs/guides/status-codes).
const grpcUnavailable = 14

func (x *exchange) trailers(code int, text, pushback string) {
	h := x.w.Header()
	if pushback != "" {
		h.Set(http.TrailerPrefix+problem.HeaderPushback, pushback)
	}
	h.Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(code))
	h.Set(http.TrailerPrefix+"Grpc-Message", strings.ReplaceAll(url.QueryEscape(text), "+", "%20"))
}

func (x *exchange) write(b []byte) bool {
	_, err := x.w.Write(b)
	if err == nil {
		err = x.rc.Flush()
	}
	return err == nil
}
