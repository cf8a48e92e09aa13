package listen

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"

	proxyproto "github.com/pires/go-proxyproto"

	"github.com/vigil-gateway/vigil/gateway/guard"
)

// capped closes connections beyond a number at once, and those beyond what their
// address may have: a client that is turned away can try elsewhere, one that waits
// in the backlog cannot.
type capped struct {
	net.Listener

	free    chan struct{} // Holds one token per open connection.
	budgets *guard.Budgets
	// balancers are peers that say for whom they connect: see behind.
	balancers balancers
	metrics   metrics
	ctx       context.Context //nolint:containedctx // Accept takes none, and the counter needs one.
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
		default:
			c.metrics.refused.Add(c.ctx, 1)
			_ = conn.Close() // Nobody was served on it.
			continue
		}
		hold, err := c.connect(addressOf(conn.RemoteAddr()))
		if err != nil {
			<-c.free
			_ = conn.Close() // As above; guard has counted it.
			continue
		}
		return &counted{Conn: conn, done: sync.OnceFunc(func() {
			hold.Leave()
			<-c.free
		})}, nil
	}
}

// connect takes a connection's place in the budgets of its peer, which a balancer
// has none of.
func (c *capped) connect(peer netip.Addr) (guard.Hold, error) {
	if c.balancers.have(peer) {
		return guard.Hold{}, nil
	}
	return c.budgets.Connect(c.ctx, peer) //nolint:wrapcheck // Nobody reads it.
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

// balancers are the prefixes of trusted load balancers.
type balancers []netip.Prefix

func (b balancers) have(a netip.Addr) bool {
	for _, p := range b {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// addressOf is the address of a peer; the zero address where it has none.
func addressOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// relayed has the connections that balancers relay count for the clients that they
// name.
type relayed struct {
	net.Listener

	capped *capped
}

// Accept returns the next connection.
func (r *relayed) Accept() (net.Conn, error) {
	conn, err := r.Listener.Accept()
	if err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	p, ok := conn.(*proxyproto.Conn)
	if !ok || !r.capped.balancers.have(addressOf(p.Raw().RemoteAddr())) {
		return conn, nil
	}
	return &behind{Conn: conn, capped: r.capped}, nil
}

// behind is a connection that a balancer relays. Who its client is stands in its
// first bytes, and to wait for them in the accept loop would hold up everybody:
// whoever reads first asks for the client's budget.
type behind struct {
	net.Conn

	capped *capped

	mu     sync.Mutex
	asked  bool
	closed bool
	hold   guard.Hold
	err    error
}

// Read reads, where the client has room for one more connection.
func (b *behind) Read(p []byte) (int, error) {
	err := b.enter()
	if err != nil {
		return 0, err
	}
	return b.Conn.Read(p)
}

// enter asks for the client's budget, once.
func (b *behind) enter() error {
	b.mu.Lock()
	asked, err := b.asked, b.err
	b.mu.Unlock()
	if asked {
		return err
	}
	client := addressOf(b.RemoteAddr()) // May wait for the first bytes; Close must not wait for us.
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.asked || b.closed {
		return b.err
	}
	b.asked = true
	b.hold, b.err = b.capped.connect(client) // A balancer's own look at our health has no budget either.
	return b.err
}

// Close closes the connection and gives the client's place back, once.
func (b *behind) Close() error {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		b.hold.Leave()
	}
	b.mu.Unlock()
	return b.Conn.Close()
}
