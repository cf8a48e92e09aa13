package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Options are what a [Client] depends on. All are required.
type Options struct {
	// Dial opens a connection.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// HeaderTimeout bounds the wait for a response's header.
	HeaderTimeout time.Duration
	// HeaderBytesMax bounds that header.
	HeaderBytesMax int64
	// ConnectionsMax bounds the requests that are under way to one address; more
	// wait.
	ConnectionsMax int
	// IdleMax bounds the idle connections to one address, IdleTimeout how long
	// they are kept.
	IdleMax     int
	IdleTimeout time.Duration
	Now         func() time.Time
}

// Client calls services.
type Client struct {
	o       Options
	buffers sync.Pool // *[]byte, of requests.

	mu     sync.Mutex
	pools  map[string]*pool // By address.
	sweep  *time.Timer      // Nil while there is nothing to sweep.
	closed bool
}

// New returns a client without connections.
func New(o Options) (*Client, error) {
	if o.Dial == nil || o.Now == nil || o.HeaderTimeout <= 0 || o.HeaderBytesMax < 1 || o.ConnectionsMax < 1 || o.IdleMax < 0 || o.IdleTimeout <= 0 {
		return nil, errors.New("upstream: every option is required")
	}
	c := &Client{o: o, pools: make(map[string]*pool)}
	c.buffers.New = func() any {
		b := make([]byte, 0, 1<<10)
		return &b
	}
	return c, nil
}

// Takes reports whether a request is one for this client.
func (c *Client) Takes(r *http.Request) bool {
	return r.URL.Scheme == "http" && (r.Body == nil || r.Body == http.NoBody) && r.ContentLength == 0 &&
		r.Method != http.MethodConnect && len(r.Header["Upgrade"]) == 0 && len(r.Header["Expect"]) == 0
}

// CloseIdleConnections closes what is idle, and from then on every connection
// when its response has been read.
func (c *Client) CloseIdleConnections() {
	c.mu.Lock()
	c.closed = true
	all := c.pools
	c.pools = make(map[string]*pool)
	if c.sweep != nil {
		c.sweep.Stop()
		c.sweep = nil
	}
	c.mu.Unlock()
	for _, p := range all {
		p.close()
	}
}

// RoundTrip sends a request that [Client.Takes] and returns the response. Its
// body must be closed. The error is that of the request's context where that has
// ended, a [*net.OpError] of "dial" where nobody could be reached, and has
// Timeout where no header came in time.
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) {
	if !c.Takes(r) {
		return nil, errors.New("upstream: the request has a body, an upgrade or no plain address")
	}
	buf := c.buffers.Get().(*[]byte) //nolint:forcetypeassert // The pool holds nothing else.
	defer func() {
		if cap(*buf) <= requestKeepMax {
			c.buffers.Put(buf)
		}
	}()
	var err error
	*buf, err = appendRequest((*buf)[:0], r)
	if err != nil {
		return nil, err
	}
	ctx, p := r.Context(), c.pool(addressOf(r.URL))
	err = p.enter(ctx)
	if err != nil {
		return nil, err
	}
	idle := p.take()
	if idle != nil {
		res, err := idle.exchange(ctx, r, *buf)
		if err == nil || !idle.unanswered || !safe(r.Method) || ctx.Err() != nil {
			return res, err
		}
		err = p.enter(ctx) // The failed connection has left.
		if err != nil {
			return nil, err
		}
	}
	n, err := c.o.Dial(ctx, "tcp", p.address)
	if err != nil {
		p.leave()
		return nil, err //nolint:wrapcheck // Its type says that nobody was reached.
	}
	return newConn(c, p, n).exchange(ctx, r, *buf)
}

// safe are the methods that may be sent twice. PUT and DELETE might be too, but
// the second answer to them need not be the first's.
func safe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// addressOf is where a URL's service listens.
func addressOf(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), "80")
}

func (c *Client) pool(address string) *pool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pools[address]
	if p == nil {
		p = &pool{client: c, address: address, places: make(chan struct{}, c.o.ConnectionsMax)}
		c.pools[address] = p
	}
	return p
}

// alive starts the sweep where it does not run.
func (c *Client) alive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sweep == nil && !c.closed {
		c.sweep = time.AfterFunc(min(sweepEvery, c.o.IdleTimeout), c.sweepOnce)
	}
}

// sweepOnce closes what has been idle for too long.
func (c *Client) sweepOnce() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	left := 0
	for _, p := range c.pools {
		left += p.prune(c.o.Now().Add(-c.o.IdleTimeout))
	}
	if left == 0 {
		c.sweep = nil
		return
	}
	c.sweep.Reset(min(sweepEvery, c.o.IdleTimeout))
}

// shut reports whether connections are no longer kept.
func (c *Client) shut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// errEnded says that a response did not come whole.
func errEnded(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read response: %w", err)
}
