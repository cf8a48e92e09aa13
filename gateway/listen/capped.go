package listen

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// capped closes connections beyond a number at once: a client that is turned
// away can try elsewhere, one that waits in the backlog cannot.
type capped struct {
	net.Listener

	free    chan struct{} // Holds one token per open connection.
	metrics metrics
	ctx     context.Context //nolint:containedctx // Accept takes none, and the counter needs one.
}

// Accept returns the next connection that there is room for.
func (c *capped) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, fmt.Errorf("accept: %w", err)
		}
		select {
		case c.free <- struct{}{}:
			return &counted{Conn: conn, done: sync.OnceFunc(func() { <-c.free })}, nil
		default:
			c.metrics.refused.Add(c.ctx, 1)
			_ = conn.Close() // Nobody was served on it.
		}
	}
}

// counted gives its place back when it is closed.
type counted struct {
	net.Conn

	done func()
}

// Close closes the connection and gives its place back, once.
func (c *counted) Close() error {
	defer c.done()
	return c.Conn.Close()
}

// CloseWrite lets net/http end a connection without a reset.
func (c *counted) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return nil
	}
	return half.CloseWrite()
}
