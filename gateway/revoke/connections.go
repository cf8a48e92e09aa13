package revoke

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// connections are the open connections of a kafka-go transport. The transport
// closes only those that are idle; at the end of Run nothing may be left.
type connections struct {
	transport *kafka.Transport

	mu     sync.Mutex
	open   map[*connection]struct{}
	closed bool
}

type connection struct {
	net.Conn
	owner *connections
}

// dial returns a client whose connections close together. It connects when it
// is first used.
func dial(o Options, topics ...string) (*connections, *kafka.Client) {
	c := &connections{open: make(map[*connection]struct{})}
	c.transport = &kafka.Transport{
		Dial:           c.dial,
		TLS:            o.TLS,
		ClientID:       "vigil-gateway-" + o.Gateway,
		MetadataTTL:    metadataTTL,
		MetadataTopics: topics,
		IdleTimeout:    time.Minute,
	}
	return c, &kafka.Client{Addr: kafka.TCP(o.Brokers...), Transport: c.transport, Timeout: o.Config.RequestTimeout}
}

func (c *connections) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 3 * time.Second}
	raw, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := &connection{Conn: raw, owner: c}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, net.ErrClosed
	}
	c.open[conn] = struct{}{}
	return conn, nil
}

// Close closes the connection and forgets it.
func (c *connection) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.open, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}

// close closes every connection, and those that are still being made.
func (c *connections) close() {
	c.transport.CloseIdleConnections()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.open {
		_ = conn.Conn.Close() // It was going away; nobody reads the error.
	}
}
