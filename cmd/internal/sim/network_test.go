package sim_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var (
	errCut     = errors.New("the node is cut off")
	errRefused = errors.New("connection refused")
	errBroken  = errors.New("connection broken")
)

// rates are how often a thing goes wrong, per request.
type rates struct {
	broken   float64 // The connection ends before the request is handled.
	lost     float64 // It is handled, and the connection ends before the answer.
	halfOpen float64 // It is handled, and no answer ever comes on this connection.
	slow     float64 // The answer takes up to slowMax.
}

const slowMax = 900 * time.Millisecond

// network connects nodes to brokers by pipes.
type network struct {
	seed uint64

	mu        sync.Mutex
	rates     rates
	listeners map[string]*listener
	links     map[*link]struct{}
	cut       map[string]bool // Nodes and addresses that nobody reaches.
	gone      map[string]bool // Of them, those that stay so.
	dialed    map[string]int  // How often, by node.
	faults    map[string]int  // What went wrong, by kind.
}

func newNetwork(seed uint64) *network {
	return &network{
		seed: seed, listeners: make(map[string]*listener), links: make(map[*link]struct{}),
		cut: make(map[string]bool), gone: make(map[string]bool), dialed: make(map[string]int), faults: make(map[string]int),
	}
}

func (n *network) setRates(r rates) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rates = r
}

// end cuts a node off for ever.
func (n *network) end(node string) {
	n.mu.Lock()
	n.gone[node] = true
	n.mu.Unlock()
	n.setCut(node, true)
}

// setCut cuts a node or a broker's address off, or joins it again.
func (n *network) setCut(name string, cut bool) {
	n.mu.Lock()
	cut = cut || n.gone[name]
	var ends []*link
	n.cut[name] = cut
	for l := range n.links {
		if cut && (l.node == name || l.address == name) {
			ends = append(ends, l)
		}
	}
	n.mu.Unlock()
	for _, l := range ends {
		_ = l.Close()
	}
}

// listen is the brokers' way to the network.
func (n *network) listen(string, string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &listener{address: fmt.Sprintf("10.0.0.%d:9092", len(n.listeners)+1), accept: make(chan net.Conn), done: make(chan struct{})}
	n.listeners[l.address] = l
	return l, nil
}

// dialer is a node's way to the network.
func (n *network) dialer(node string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		n.mu.Lock()
		l, off := n.listeners[address], n.cut[node] || n.cut[address]
		n.dialed[node]++
		number := n.dialed[node]
		n.mu.Unlock()
		switch {
		case off:
			return nil, errCut
		case l == nil:
			return nil, errRefused
		}
		client, server := net.Pipe()
		wire := &link{Conn: server, network: n, node: node, address: address, rand: rand.New(rand.NewPCG(n.seed, hash(node)+uint64(number)))}
		n.mu.Lock()
		n.links[wire] = struct{}{}
		n.mu.Unlock()
		select {
		case l.accept <- wire:
			return client, nil
		case <-l.done:
		case <-ctx.Done():
		}
		_ = wire.Close()
		return nil, errRefused
	}
}

// hash spreads names over the seeds.
func hash(name string) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range []byte(name) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

// listener is where a broker hears.
type listener struct {
	address string
	accept  chan net.Conn
	done    chan struct{}
	once    sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *listener) Addr() net.Addr { return address(l.address) }

// address is a node's or a broker's.
type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

// link is a broker's end of a connection. It reads along to know what is asked, and
// fails as the rates say.
type link struct {
	net.Conn

	network *network
	node    string
	address string

	mu    sync.Mutex
	rand  *rand.Rand
	frame [6]byte // The begin of a request: its size and its key.
	read  int     // How much of the request has come.
	key   int16   // Of the last request.
	group bool    // A consumer group's connection, on which several wait at once.
	mute  bool    // It is half open.
}

func (l *link) RemoteAddr() net.Addr { return address(l.node) }

func (l *link) Close() error {
	l.network.mu.Lock()
	delete(l.network.links, l)
	l.network.mu.Unlock()
	return l.Conn.Close()
}

// Read is what the broker hears.
func (l *link) Read(p []byte) (int, error) {
	count, err := l.Conn.Read(p)
	l.mu.Lock()
	begins := l.follow(p[:count])
	breaks := begins && l.happens(l.network.chances().broken, "broken")
	l.mu.Unlock()
	if breaks {
		_ = l.Close()
		return 0, errBroken
	}
	return count, err
}

// groupKeys are what a consumer group asks for.
func groupKeys() []kmsg.Key {
	return []kmsg.Key{kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.LeaveGroup, kmsg.OffsetCommit, kmsg.OffsetFetch, kmsg.FindCoordinator}
}

// follow finds the requests in what is read; it reports that one begins.
func (l *link) follow(p []byte) (begins bool) {
	for len(p) > 0 {
		if l.read < len(l.frame) {
			n := copy(l.frame[l.read:], p)
			l.read += n
			p = p[n:]
			if l.read < len(l.frame) {
				return begins
			}
			begins = true
			l.key = int16(binary.BigEndian.Uint16(l.frame[4:]))
			l.group = l.group || slices.Contains(groupKeys(), kmsg.Key(l.key))
		}
		size := 4 + int(binary.BigEndian.Uint32(l.frame[:4]))
		n := min(len(p), size-l.read)
		l.read += n
		p = p[n:]
		if l.read == size {
			l.read = 0
		}
	}
	return begins
}

// happens draws; callers hold l.mu.
func (l *link) happens(chance float64, what string) bool {
	if chance == 0 || l.rand.Float64() >= chance {
		return false
	}
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	l.network.faults[what]++
	return true
}

func (n *network) chances() rates {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rates
}

// Write is an answer of the broker.
func (l *link) Write(p []byte) (int, error) {
	r := l.network.chances()
	l.mu.Lock()
	alone := !l.group && (l.key == int16(kmsg.Produce) || l.key == int16(kmsg.Fetch) || l.key == int16(kmsg.ListOffsets))
	lost := l.happens(r.lost, "answer lost")
	var wait time.Duration
	if alone && !lost && l.happens(r.slow, "slow") {
		wait = time.Duration(l.rand.Int64N(int64(slowMax)))
	}
	l.mute = l.mute || alone && !lost && l.happens(r.halfOpen, "half open")
	mute := l.mute
	l.mu.Unlock()
	if lost {
		_ = l.Close()
		return 0, errBroken
	}
	if mute {
		return len(p), nil
	}
	time.Sleep(wait)
	return l.Conn.Write(p)
}
