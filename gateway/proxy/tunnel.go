package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// Errors of an upgrade: of the upstream's doing, and of ours.
var (
	errUpgrade  = errors.New("upstream switched to a protocol that was not asked for")
	errTakeOver = errors.New("take over connection")
)

// farewell is how a tunnel is to end.
type farewell struct {
	code   uint16
	reason string
	cause  error
}

// wire is the client's end of a tunnel.
type wire interface {
	io.ReadWriteCloser
	SetDeadline(at time.Time) error
}

// tunnel is an upgraded connection.
type tunnel struct {
	client  wire
	up      io.ReadWriteCloser
	goodbye time.Duration
	now     func() time.Time

	ending atomic.Pointer[farewell]
	mid    atomic.Bool // The client has part of a large frame.
}

// tunnel takes the connection over and copies both ways until one side ends,
// the visit is cut or the gateway goes away.
func (x *exchange) tunnel(ctx context.Context, res *http.Response) {
	t, first := x.upgrade(res)
	if t == nil {
		return
	}
	x.lasts(event.StreamWebSocket) // Before the next beat can take it for a download.
	if x.call.Detach == nil || x.r.ProtoMajor == 2 {
		x.through(ctx, t, first)
		return
	}
	x.detached = true
	ended := x.call.Detach()
	// The server's buffers and its goroutine's stack are free once the handler returns
	// and nothing here names them: 100,000 idle connections would have as many.
	x.w, x.rc, x.call.Own, x.call.Hold, x.call.Detach = nil, nil, nil, nil, nil
	small := (&http.Request{Method: x.r.Method, ProtoMajor: x.r.ProtoMajor}).WithContext(ctx)
	x.mu.Lock() // A beat may ask for it.
	x.r = small
	x.mu.Unlock()
	x.proxy.lingering.Go(func() {
		defer func() {
			e := recover()
			if e != nil {
				_ = t.client.Close()
				_ = t.up.Close()
			} else {
				e = x.fault()
			}
			x.close(ctx)
			ended(&x.outcome, e)
		}()
		x.through(ctx, t, first)
	})
}

// through copies until the tunnel has come to its end.
func (x *exchange) through(ctx context.Context, t *tunnel, first io.Reader) {
	stop := context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		x.caught(func() { t.end(x.farewell(cause)) })()
		t.end(farewell{code: closeGoingAway, reason: "connection ended", cause: cause}) // It has, unless that has panicked.
	})
	defer stop()
	x.proxy.keep(t)
	defer x.proxy.forget(t)

	sent := make(chan struct{})
	x.proxy.lingering.Go(x.caught(func() {
		defer close(sent)
		t.send(first, &x.proxy.buffers, &x.in, x.moved)
	}))
	whole := t.receive(&x.proxy.buffers, &x.out, x.moved)
	_ = t.up.Close()
	f := t.ending.Load()
	if f == nil {
		_ = t.client.Close()
		<-sent
		return
	}
	if whole {
		t.part(f)
	}
	if !t.hangUp() {
		<-sent // Its stream is gone when the handler returns.
		x.outcome.Abort = !whole
	}
	x.parted(f)
}

// upgrade switches the client's protocol as the upstream has switched its own. It
// returns nil where the client was told otherwise, or is gone.
func (x *exchange) upgrade(res *http.Response) (t *tunnel, first io.Reader) {
	up, ok := res.Body.(io.ReadWriteCloser)
	if !ok || !asksWebSocket(x.r) || !isWebSocket(res.Header) || x.key != "" && res.Header.Get("Sec-Websocket-Accept") != acceptKey(x.key) {
		x.outcome = x.refuse(x.ours(problem.Upstream(problem.UpstreamProtocol)), errUpgrade)
		return nil, nil
	}
	status, take := http.StatusSwitchingProtocols, x.connWire
	if x.r.ProtoMajor == 2 {
		status, take = http.StatusOK, x.streamWire
	}
	client, first, err := take(res.Header)
	if errors.Is(err, errTakeOver) {
		x.outcome = x.refuse(x.ours(problem.Internal()), err)
		return nil, nil
	}
	x.outcome.Status = status
	x.mu.Lock()
	x.tunneled = true
	x.status.Store(int32(status))
	x.mu.Unlock()
	if err != nil {
		_ = client.Close()
		x.outcome.Reason, x.outcome.Err = problem.CodeClientClosed, err
		return nil, nil
	}
	return &tunnel{client: client, up: up, goodbye: x.proxy.config.GoodbyeTimeout, now: x.proxy.now}, first
}

// parted notes why the gateway has ended a tunnel.
func (x *exchange) parted(f *farewell) {
	cut, isCut := errors.AsType[*session.Cut](f.cause)
	if !isCut {
		x.outcome.Err = f.cause
		return
	}
	x.outcome.Cut, x.outcome.CutAt, x.outcome.Reason = cut, x.proxy.now(), x.call.Goodbye(cut).Code
}

// farewell words the end of a context for a WebSocket client.
func (x *exchange) farewell(cause error) farewell {
	cut, isCut := errors.AsType[*session.Cut](cause)
	if isCut {
		return farewell{code: closePolicy, reason: x.call.Goodbye(cut).Text(), cause: cut}
	}
	return farewell{code: closeGoingAway, reason: "connection ended", cause: cause}
}

// end makes both copies come to their end. Only the first call counts.
func (t *tunnel) end(f farewell) {
	if !t.ending.CompareAndSwap(nil, &f) {
		return
	}
	// The client's own close frame is awaited for as long as ours may take.
	_ = t.client.SetDeadline(t.now().Add(t.goodbye))
	if t.mid.Load() {
		time.AfterFunc(t.goodbye, func() { _ = t.up.Close() })
		return
	}
	_ = t.up.Close()
}

// part says why. Its time begins anew: on a busy machine that which end has set may be
// over before anybody comes to write, and the client would never hear the reason.
func (t *tunnel) part(f *farewell) {
	_ = t.client.SetDeadline(t.now().Add(t.goodbye))
	_, _ = t.client.Write(closeFrame(f.code, f.reason)) // A client that is gone needs none.
}

// receive copies from the upstream to the client. It reports whether it stopped
// between two frames, so that one more may follow.
func (t *tunnel) receive(pool *sync.Pool, count *atomic.Uint64, moved func()) bool {
	var f frames
	s := scratch{pool: pool}
	defer s.free()
	held := 0
	for {
		buf := s.bytes()
		n, readErr := t.up.Read(buf[held:])
		ready := buf[:held+n]
		if t.ending.Load() != nil {
			if f.left == 0 {
				return true // What was just read, or held, stays here.
			}
			ready = ready[:min(uint64(len(ready)), f.left)]
		}
		pass := f.split(ready, bufferBytes)
		if readErr != nil {
			pass = len(ready) // Its last words, whatever they are.
		}
		t.mid.Store(f.left > 0)
		if pass > 0 {
			_, err := t.client.Write(ready[:pass])
			if err != nil {
				return false
			}
			count.Add(uint64(pass))
			moved()
		}
		if readErr != nil {
			return false
		}
		if f.left == 0 && t.ending.Load() != nil {
			return true
		}
		held = s.next(len(ready), ready[pass:])
	}
}

// send copies from the client to the upstream. When the tunnel is ending it
// listens the client out, since closing a connection with unread bytes would
// take the close frame with it. It closes the client.
func (t *tunnel) send(client io.Reader, pool *sync.Pool, count *atomic.Uint64, moved func()) {
	defer func() { _ = t.client.Close() }()
	s := scratch{pool: pool}
	defer s.free()
	for {
		buf := s.bytes()
		n, readErr := client.Read(buf)
		if n > 0 && t.ending.Load() == nil {
			count.Add(uint64(n))
			moved()
			_, err := t.up.Write(buf[:n])
			if err != nil && t.ending.Load() == nil {
				_ = t.up.Close()
				return
			}
			s.next(n, nil)
		}
		if readErr != nil {
			_ = t.up.Close()
			return
		}
	}
}

// hangUp says that nothing more will come. It reports whether the client's side
// ends by itself; the side of an HTTP/2 stream is ended here.
func (t *tunnel) hangUp() bool {
	switch c := t.client.(type) {
	case interface{ CloseWrite() error }:
		_ = c.CloseWrite()
		return true
	case net.Conn:
		_ = c.Close()
		return true
	}
	_ = t.client.Close()
	return false
}

// drain implements drainer.
func (t *tunnel) drain() {
	t.end(farewell{code: closeGoingAway, reason: "gateway is going away", cause: errDrain})
}
