package upstream

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// pool are the connections to one address.
type pool struct {
	client  *Client
	address string
	places  chan struct{} // One for each request under way.

	mu     sync.Mutex
	idle   []*conn // The last one used is taken first.
	closed bool
	known  bool // The sweep has been told.
}

// enter waits for a place.
func (p *pool) enter(ctx context.Context) error {
	select {
	case p.places <- struct{}{}:
		return nil
	default:
	}
	select {
	case p.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for a connection: %w", context.Cause(ctx))
	}
}

func (p *pool) leave() { <-p.places }

// take returns an idle connection on which nothing has happened, or nil.
func (p *pool) take() *conn {
	for {
		p.mu.Lock()
		n := len(p.idle)
		if n == 0 {
			p.mu.Unlock()
			return nil
		}
		c := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		if c.quiet() {
			return c
		}
		_ = c.net.Close()
	}
}

// put keeps a connection for the next request, or closes it.
func (p *pool) put(c *conn) {
	c.since = p.client.o.Now()
	p.mu.Lock()
	keep := !p.closed && len(p.idle) < p.client.o.IdleMax
	tell := keep && !p.known
	if keep {
		p.idle = append(p.idle, c)
		p.known = true
	}
	p.mu.Unlock()
	if !keep {
		_ = c.net.Close()
	}
	if tell {
		p.client.alive()
	}
}

// prune closes what has been idle since before a time, and returns how many are
// left.
func (p *pool) prune(before time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := 0
	for old < len(p.idle) && p.idle[old].since.Before(before) {
		_ = p.idle[old].net.Close()
		old++
	}
	kept := copy(p.idle, p.idle[old:])
	clear(p.idle[kept:])
	p.idle = p.idle[:kept]
	p.known = kept > 0
	return kept
}

// close closes what is idle, and from now on what is put back.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		_ = c.net.Close()
	}
	p.idle = nil
}
