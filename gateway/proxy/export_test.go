package proxy

import (
	"net/http"
	"net/netip"
	"sync"
)

// Frames and Tail let tests cut streams at every byte.
type (
	Frames = frames
	Tail   = tail
)

// Split is frames.split.
func (f *frames) Split(b []byte, room int) int { return f.split(b, room) }

// Between reports whether f stands between two frames.
func (f *frames) Between() bool { return f.left == 0 }

// See and Last are those of tail.
func (t *tail) See(b []byte) { t.see(b) }

// Last is tail.last.
func (t *tail) Last(problem []byte, pushback string) []byte { return t.last(problem, pushback) }

// WithoutOurs is what of Cookie headers an upstream is sent.
func WithoutOurs(values []string) []string { return withoutOurs(values) }

// Scratch lets tests move what is held.
type Scratch = scratch

// NewBuffer fills a pool of large buffers.
func NewBuffer() any { return new([bufferBytes]byte) }

// SetPool says where large buffers come from.
func (s *scratch) SetPool(p *sync.Pool) { s.pool = p }

// Bytes is bytes.
func (s *scratch) Bytes() []byte { return s.bytes() }

// Next is next.
func (s *scratch) Next(n int, rest []byte) int { return s.next(n, rest) }

// Free is free.
func (s *scratch) Free() { s.free() }

// Forwarded is what the gateway says of a request for a host.
func Forwarded(host, proto string, client netip.Addr) string {
	return forwarded(&http.Request{Host: host}, proto, client)
}
