package proxytest

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
)

// HeaderCase names a case to the upstream.
const HeaderCase = "X-Case"

// Case is one stream.
type Case struct {
	ID int
	// Open is closed once the stream is established, Left when the upstream's handler
	// has returned.
	Open, Left chan struct{}
	// Credentials are what its request carries beside its number; nil for nothing. A
	// WebSocket asks for those of a GET over HTTP/2, too.
	Credentials func(method, url string) http.Header

	opened func()
}

// Opened says that the stream is established.
func (c *Case) Opened() { c.opened() }

// header is what the request of a case carries.
func (c *Case) header(method, url string) http.Header {
	h := make(http.Header)
	if c.Credentials != nil {
		h = c.Credentials(method, url)
	}
	h.Set(HeaderCase, strconv.Itoa(c.ID))
	return h
}

// Cases are all that were made. The zero value has none.
type Cases struct {
	last atomic.Int64
	all  sync.Map // Of *Case by its number as a text.
}

// New makes a case with a number of its own.
func (s *Cases) New() *Case {
	c := &Case{ID: int(s.last.Add(1)), Open: make(chan struct{}), Left: make(chan struct{})}
	c.opened = sync.OnceFunc(func() { close(c.Open) })
	s.all.Store(strconv.Itoa(c.ID), c)
	return c
}

// Of is the case of a request. It panics where there is none.
func (s *Cases) Of(h http.Header) *Case {
	c, ok := s.all.Load(h.Get(HeaderCase))
	if !ok {
		panic("a request of no case")
	}
	return c.(*Case) //nolint:forcetypeassert // The map holds nothing else.
}
