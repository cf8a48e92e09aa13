package linetest

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

// Stream is one direction of a line.
type Stream int

// Streams.
const (
	Requests Stream = iota // What the client says.
	Answers                // What the server says.
)

// pieceBytes is how much passes at once.
const pieceBytes = 1 << 10

// Line is the way to one server.
type Line struct {
	server   string
	listener net.Listener
	work     sync.WaitGroup

	mu     sync.Mutex
	wrong  wrong
	change chan struct{} // Closed when wrong changes.
	conns  map[*conn]struct{}
	over   bool
}

// wrong is what is the matter with a line.
type wrong struct {
	silent [2]bool          // Nothing passes.
	cut    [2]time.Duration // Nothing passes, and the connection ends so long after; 0 is not.
	late   time.Duration    // Each piece takes so long.
	rate   int              // Bytes a second; 0 is any.
}

// conn is one connection through the line.
type conn struct {
	ends [2]net.Conn // The client's and the server's.
	lost bool        // Something on it was. Guarded by the line's mu.
}

// New opens a line to a server, host:port, on which nothing is wrong yet.
func New(t *testing.T, server string) *Line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // It ends with the test.
	if err != nil {
		t.Fatal(err)
	}
	l := &Line{server: server, listener: listener, change: make(chan struct{}), conns: make(map[*conn]struct{})}
	l.work.Go(l.accept)
	t.Cleanup(l.close)
	return l
}

// Addr is where the line begins, host:port.
func (l *Line) Addr() string { return l.listener.Addr().String() }

// Dial goes over the line, whatever the address.
func (l *Line) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, l.Addr()) //nolint:wrapcheck // A dialer's own error.
}

// Silence lets nothing pass on a stream, and ends no connection.
func (l *Line) Silence(streams ...Stream) {
	l.set(func(w *wrong) {
		for _, s := range streams {
			w.silent[s] = true
		}
	})
}

// Cut lets nothing pass on a stream, and ends a connection so long after it has lost something.
func (l *Line) Cut(s Stream, after time.Duration) {
	l.set(func(w *wrong) { w.cut[s] = after })
}

// Slow lets so many bytes a second pass, each kilobyte later by so much, both ways.
func (l *Line) Slow(rate int, late time.Duration) {
	l.set(func(w *wrong) { w.rate, w.late = rate, late })
}

// Heal ends all that is wrong, and the connections that have lost something.
func (l *Line) Heal() {
	l.set(func(w *wrong) { *w = wrong{} })
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if c.lost {
			c.end()
		}
	}
}

func (l *Line) set(f func(*wrong)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.wrong)
	close(l.change)
	l.change = make(chan struct{})
}

// now is what is wrong at the moment, and what is closed when that changes.
func (l *Line) now() (wrong, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wrong, l.change
}

func (l *Line) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return // It is closed.
		}
		server, err := net.Dial("tcp", l.server) //nolint:noctx // As the listener.
		if err != nil {
			_ = client.Close() // Nothing was sent on it.
			continue
		}
		c := &conn{ends: [2]net.Conn{client, server}}
		l.mu.Lock()
		l.conns[c] = struct{}{}
		over := l.over
		l.mu.Unlock()
		if over {
			c.end()
		}
		var both sync.WaitGroup
		both.Go(func() { l.carry(c, Requests) })
		both.Go(func() { l.carry(c, Answers) })
		l.work.Go(func() {
			both.Wait()
			l.mu.Lock()
			delete(l.conns, c)
			l.mu.Unlock()
		})
	}
}

// end ends both halves.
func (c *conn) end() {
	for _, end := range c.ends {
		_ = end.Close() // Who is at the other end sees it, which is the point.
	}
}

// carry carries one direction of a connection until it ends.
func (l *Line) carry(c *conn, s Stream) {
	defer c.end()
	from, to := c.ends[s], c.ends[1-s]
	buf := make([]byte, pieceBytes)
	for {
		n, err := from.Read(buf)
		if n > 0 && l.passes(c, s, n) {
			_, writeErr := to.Write(buf[:n])
			err = errors.Join(err, writeErr)
		}
		if err != nil {
			return // Also its end: who closes one half here closes both.
		}
	}
}

// passes waits as long as n bytes take and reports whether they arrive.
func (l *Line) passes(c *conn, s Stream, n int) bool {
	w, changed := l.now()
	if w.silent[s] || w.cut[s] > 0 {
		l.mu.Lock()
		c.lost = true
		l.mu.Unlock()
		if w.cut[s] > 0 {
			pause(w.cut[s], changed)
			c.end()
		}
	}
	l.mu.Lock()
	lost := c.lost
	l.mu.Unlock()
	if lost {
		return false
	}
	wait := w.late
	if w.rate > 0 {
		wait += time.Duration(n) * time.Second / time.Duration(w.rate)
	}
	pause(wait, changed)
	return true
}

// pause waits, or until what is wrong changes.
func pause(d time.Duration, changed <-chan struct{}) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-changed:
	}
}

func (l *Line) close() {
	l.set(func(w *wrong) { *w = wrong{} })
	l.mu.Lock()
	l.over = true
	for c := range l.conns {
		c.end()
	}
	l.mu.Unlock()
	_ = l.listener.Close() // Nobody dials any more.
	l.work.Wait()
}
