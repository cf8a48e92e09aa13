package admit

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Newcomers holds up who comes to a session that is in use from a place where
// nobody has used it: the first requests pass at once, those behind them wait a
// moment. A person who has changed networks waits once, for less than a blink;
// a thief does not have fifty requests answered before the first has been
// judged. The wait has a fixed end and asks nobody: with the analyzer away, all
// are let in after it. Safe for concurrent use.
type Newcomers struct {
	burst int
	hold  time.Duration

	seed   maphash.Seed
	shards [newcomerShards]newcomerShard
}

type newcomerShard struct {
	mu    sync.Mutex
	known map[uint64]*whereabouts // By session.
	swept time.Time
}

// whereabouts are the places where one session is used.
type whereabouts struct {
	places [placesMax]place
	last   time.Time
}

type place struct {
	key   uint64 // 0 is free.
	since time.Time
	last  time.Time
	count int // Requests while they were counted.
}

// NewNewcomers returns one that knows no session.
func NewNewcomers(c Config) (*Newcomers, error) {
	err := c.Validate()
	if err != nil {
		return nil, fmt.Errorf("admit: %w", err)
	}
	n := &Newcomers{burst: c.NewcomerBurst, hold: c.NewcomerHold, seed: maphash.MakeSeed()}
	for i := range n.shards {
		n.shards[i].known = make(map[uint64]*whereabouts)
	}
	return n, nil
}

// Wait notes a request and returns how long it has to wait, mostly 0, and until
// when its place is a newcomer's, mostly the zero time: so long nothing big is
// sent there. The first place of a session is none.
func (n *Newcomers) Wait(session string, from netip.Addr, agent string, now time.Time) (wait time.Duration, until time.Time) {
	if n.hold == 0 || session == "" {
		return 0, time.Time{}
	}
	key := maphash.String(n.seed, session)
	at := n.placeOf(from, agent)
	s := &n.shards[key%newcomerShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	w, known := s.known[key]
	if !known {
		if !s.room(now) {
			return 0, time.Time{} // A flood of sessions must not slow the others down.
		}
		w = &whereabouts{}
		s.known[key] = w
	}
	first := now.Sub(w.last) > newcomerIdle
	w.last = now
	p := w.place(at, now)
	if first { // Nobody else is there.
		p.since = now.Add(-n.hold)
	}
	until = p.since.Add(n.hold)
	if !now.Before(until) {
		return 0, time.Time{}
	}
	p.count++
	if p.count <= n.burst {
		return 0, until
	}
	return until.Sub(now), until
}

// placeOf is a network and a program in it: a proxy beside the victim is another
// place too, unless it imitates his browser.
func (n *Newcomers) placeOf(from netip.Addr, agent string) uint64 {
	bits := 48
	if from.Is4() {
		bits = 24
	}
	prefix, err := from.Prefix(bits)
	if err != nil {
		prefix = netip.Prefix{} // No address is a place as well.
	}
	return maphash.Comparable(n.seed, struct {
		prefix netip.Prefix
		agent  string
	}{prefix, agent}) | 1
}

// place returns the one with a key; a new one takes the place of the one that
// has been left longest.
func (w *whereabouts) place(key uint64, now time.Time) *place {
	oldest := &w.places[0]
	for i := range w.places {
		p := &w.places[i]
		if p.key == key {
			p.last = now
			return p
		}
		if p.last.Before(oldest.last) {
			oldest = p
		}
	}
	*oldest = place{key: key, since: now, last: now}
	return oldest
}

// room reports whether one more session can be followed, and forgets those that
// have not been used for long, at most once in a while. Called with mu held.
func (s *newcomerShard) room(now time.Time) bool {
	if len(s.known) < newcomersMax/newcomerShards {
		return true
	}
	if now.Sub(s.swept) < sweepEvery {
		return false
	}
	s.swept = now
	for k, w := range s.known {
		if now.Sub(w.last) > newcomerIdle {
			delete(s.known, k)
		}
	}
	return len(s.known) < newcomersMax/newcomerShards
}
