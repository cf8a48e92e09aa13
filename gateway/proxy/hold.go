package proxy

import (
	"context"
	"errors"
	"net/http"

	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// Refusal is what the client is told instead of the upstream's response.
type Refusal struct {
	Decision string // A constant event.Decision….
	Problem  problem.Problem
}

// hold reports the upstream's response and keeps it back until the call lets it go:
// nothing of it has been read, and the client's connection has not been touched. It
// reports whether the response may go; else the client has been answered.
func (x *exchange) hold(ctx context.Context, res *http.Response) bool {
	if x.call.Hold == nil {
		return true
	}
	x.answered(res)
	refusal := x.call.Hold(ctx, heldBytes(res))
	if ctx.Err() != nil {
		x.outcome = x.noAnswer(ctx, context.Cause(ctx))
		return false
	}
	if refusal == nil {
		return true
	}
	x.mu.Lock()
	x.hurry(x.proxy.now().Add(x.proxy.config.GoodbyeTimeout))
	x.mu.Unlock()
	x.outcome = x.refuse(refusal.Problem, nil)
	x.outcome.Decision = refusal.Decision
	x.call.Visit.Abort(errHeld) // To close the response would wait for a request that goes on.
	return false
}

// errHeld ends the call of an upstream whose response must not go out.
var errHeld = errors.New("response refused")

// answered reports what the upstream's header shows, of a plain response too: with
// Open, or with Tick where that has been called.
func (x *exchange) answered(res *http.Response) {
	kind := ""
	switch {
	case res.StatusCode == http.StatusSwitchingProtocols:
		kind = event.StreamWebSocket
	case x.grpc():
	case isEventStream(res.Header):
		kind = event.StreamSSE
	case x.announced(res):
		kind = event.StreamDownload
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done {
		return
	}
	x.awaited, x.upstreamStatus, x.sensitivity = true, res.StatusCode, sensitivityOf(res.Header)
	defer func() { x.awaited = false }()
	if kind == event.StreamDownload {
		x.announces.Store(res.ContentLength)
	}
	switch {
	case x.lasting:
		x.tick()
	case kind != "":
		x.last(kind)
	default:
		x.report()
	}
}

const (
	// readAheadBytes is what a connection of HTTP/1.1 reads of a body by itself.
	readAheadBytes = 4 << 10
	// windowBytes is what net/http takes of a stream of HTTP/2 that nobody reads.
	windowBytes = 4 << 20
)

// heldBytes is what may have to be kept of a response while it is held back.
func heldBytes(res *http.Response) int64 {
	n := int64(readAheadBytes)
	if res.ProtoMajor == 2 {
		n = windowBytes
	}
	if res.ContentLength >= 0 {
		n = min(n, res.ContentLength)
	}
	for name, values := range res.Header {
		for _, v := range values {
			n += int64(len(name) + len(v))
		}
	}
	return n
}
