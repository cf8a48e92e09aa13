package proxy

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// errBodyClosed is what the transport reads once its upstream has no more use
// for the request's body.
var errBodyClosed = errors.New("request body closed")

// body is a client's request body on its way to the upstream: it counts, and
// remembers whether the client was at fault.
type body struct {
	src   io.Reader
	size  int64
	moved func()

	n      atomic.Uint64
	eof    atomic.Bool
	closed atomic.Bool
	fault  atomic.Pointer[error] // The first error of the client's side.

	reading sync.Mutex // Held during a read.
}

// newBody reads size bytes from src, -1 for as many as come.
func newBody(src io.Reader, size int64, moved func()) *body {
	return &body{src: src, size: size, moved: moved}
}

// Read reads from the client.
func (b *body) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.closed.Load() {
		return 0, errBodyClosed
	}
	n, err := b.src.Read(p)
	if n > 0 {
		if total := b.n.Add(uint64(n)); int64(total) == b.size {
			b.eof.Store(true)
		}
		b.moved()
	}
	switch {
	case errors.Is(err, io.EOF):
		b.eof.Store(true)
	case err != nil && !b.closed.Load():
		b.fault.CompareAndSwap(nil, &err)
	}
	return n, err //nolint:wrapcheck // The transport compares with io.EOF.
}

// Close makes later reads fail. It never waits, because the transport calls it
// while a read is blocked on a slow client; closing the source is net/http's.
func (b *body) Close() error {
	b.closed.Store(true)
	return nil
}

// settle makes the read that is under way end, and waits for it. interrupt is
// repeated, because the listener gives every read a deadline of its own and may
// do so just after.
func (b *body) settle(interrupt func()) {
	b.closed.Store(true)
	for !b.reading.TryLock() {
		interrupt()
		time.Sleep(time.Millisecond)
	}
	b.reading.Unlock()
}

// unfinished reports whether the client may have more to send.
func (b *body) unfinished() bool { return b != nil && !b.eof.Load() }

// clientFault is what a body's error says about the client.
type clientFault int

const (
	faultNone clientFault = iota
	faultGone
	faultFraming
	faultTooLarge
)

// faultOf tells a client that broke off from one that broke the rules. What
// net/http says about framing has no type, only text.
func faultOf(err error) clientFault {
	_, large := errors.AsType[*http.MaxBytesError](err)
	if large {
		return faultTooLarge
	}
	text := err.Error()
	for _, s := range []string{"chunk", "header line too long", "malformed", "too many trailer", "trailer header"} {
		if strings.Contains(text, s) {
			return faultFraming
		}
	}
	return faultGone
}
