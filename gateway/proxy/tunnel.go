package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/event"
)

var errUpgrade = errors.New("upstream switched to a protocol that was not asked for")

// farewell is how a tunnel is to end.
type farewell struct {
	code   uint16
	reason string
	cause  error
}

// tunnel is an upgraded connection.
type tunnel struct {
	client  net.Conn
	up      io.ReadWriteCloser
	goodbye time.Duration
	now     func() time.Time

	ending atomic.Pointer[farewell]
	mid    atomic.Bool // The client has part of a large frame.
}

// tunnel takes the connection over and copies both ways until one side ends,
// the visit is cut or the gateway goes away.
func (x *exchange) tunnel(ctx context.Context, res *http.Response) Outcome {
	up, ok := res.Body.(io.ReadWriteCloser)
	if !ok || !asksWebSocket(x.r) || !isWebSocket(res.Header) {
		return x.refuse(x.ours(problem.Upstream(problem.UpstreamProtocol)), errUpgrade)
	}
	conn, pending, err := x.rc.Hijack()
	if err != nil {
		return x.refuse(x.ours(problem.Internal()), fmt.Errorf("take over connection: %w", err))
	}
	x.mu.Lock()
	x.hijacked = true
	x.status.Store(http.StatusSwitchingProtocols)
	x.mu.Unlock()
	t := &tunnel{client: conn, up: up, goodbye: x.proxy.config.GoodbyeTimeout, now: x.proxy.now}
	out := Outcome{Status: http.StatusSwitchingProtocols}
	_ = conn.SetDeadline(time.Time{}) // Cleared of the server's; a closed connection fails below.
	_, err = conn.Write(switching(x.call.RequestID, res.Header))
	if err != nil {
		_ = conn.Close()
		out.Reason, out.Err = problem.CodeClientClosed, err
		return out
	}
	x.lasts(event.StreamWebSocket)
	stop := context.AfterFunc(ctx, func() { t.end(x.farewell(context.Cause(ctx))) })
	defer stop()
	x.proxy.keep(t)
	defer x.proxy.forget(t)

	sent := make(chan struct{})
	x.proxy.lingering.Go(func() {
		defer close(sent)
		t.send(pending.Reader, &x.in, x.moved)
	})
	buf := x.proxy.buffers.Get().(*[bufferBytes]byte) //nolint:forcetypeassert // The pool holds nothing else.
	whole := t.receive(buf[:], &x.out, x.moved)
	x.proxy.buffers.Put(buf)
	_ = up.Close()
	f := t.ending.Load()
	if f == nil {
		_ = conn.Close()
		<-sent
		return out
	}
	if whole {
		_, _ = conn.Write(closeFrame(f.code, f.reason)) // With the deadline that end has set.
	}
	t.hangUp()
	cut, isCut := errors.AsType[*session.Cut](f.cause)
	if isCut {
		out.Cut, out.CutAt, out.Reason = cut, x.proxy.now(), x.call.Goodbye(cut).Code
	} else {
		out.Err = f.cause
	}
	return out
}

// farewell words the end of a context for a WebSocket client.
func (x *exchange) farewell(cause error) farewell {
	cut, isCut := errors.AsType[*session.Cut](cause)
	if isCut {
		return farewell{code: closePolicy, reason: x.call.Goodbye(cut).Text(), cause: cut}
	}
	return farewell{code: closeGoingAway, reason: "connection ended", cause: cause}
}

// switching is the gateway's own response header for an upgrade.
func switching(requestID string, upstream http.Header) []byte {
	h := make(http.Header, len(upstream)+3)
	copyResponseHeader(h, upstream)
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", "websocket")
	h.Set("X-Request-Id", requestID)
	b := bytes.NewBufferString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(b) // A buffer never fails.
	b.WriteString("\r\n")
	return b.Bytes()
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

// receive copies from the upstream to the client. It reports whether it stopped
// between two frames, so that one more may follow.
func (t *tunnel) receive(buf []byte, count *atomic.Uint64, moved func()) bool {
	var f frames
	held := 0
	for {
		n, readErr := t.up.Read(buf[held:])
		ready := buf[:held+n]
		if t.ending.Load() != nil {
			if f.left == 0 {
				return true // What was just read, or held, stays here.
			}
			ready = ready[:min(uint64(len(ready)), f.left)]
		}
		pass := f.split(ready, len(buf))
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
		held = copy(buf, ready[pass:])
	}
}

// send copies from the client to the upstream. When the tunnel is ending it
// listens the client out, since closing a connection with unread bytes would
// take the close frame with it. It closes the client.
func (t *tunnel) send(client io.Reader, count *atomic.Uint64, moved func()) {
	defer func() { _ = t.client.Close() }()
	buf := make([]byte, 4<<10)
	for {
		n, readErr := client.Read(buf)
		if n > 0 && t.ending.Load() == nil {
			count.Add(uint64(n))
			moved()
			_, err := t.up.Write(buf[:n])
			if err != nil && t.ending.Load() == nil {
				_ = t.up.Close()
				return
			}
		}
		if readErr != nil {
			_ = t.up.Close()
			return
		}
	}
}

// hangUp says that nothing more will come.
func (t *tunnel) hangUp() {
	if c, ok := t.client.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
		return
	}
	_ = t.client.Close()
}

// drain implements drainer.
func (t *tunnel) drain() {
	t.end(farewell{code: closeGoingAway, reason: "gateway is going away", cause: errDrain})
}
