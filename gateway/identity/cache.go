package identity

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// shards divides the cache so that cores rarely meet; a power of two.
const shards = 64

// verified is a token that was checked in full.
type verified struct {
	token    string // Compared in full: a hash alone proves nothing.
	identity Identity
	confirm  confirmation
	binds    bool      // It takes more than to show the token.
	from     time.Time // Not before, leeway included.
	until    time.Time // Leeway included.
	issuer   *issuer
	kid      string
	key      *key                   // Nil where the issuer was asked.
	set      atomic.Pointer[keySet] // The last set in which key was seen.
}

// good reports whether the token would still pass: in date, and its key still
// one of its issuer's.
func (e *verified) good(now time.Time) bool {
	if !now.Before(e.until) || now.Before(e.from) {
		return false
	}
	if e.key == nil {
		return true
	}
	set := e.issuer.fresh(now)
	if set == nil {
		return false
	}
	if set != e.set.Load() {
		if set.keys[e.kid] != e.key {
			return false
		}
		e.set.Store(set)
	}
	return true
}

// cache remembers verified tokens by a keyed hash, in two generations per
// shard: a full young one becomes the old one, and what nobody asked for since
// is forgotten. Only verified tokens come in, so a stranger cannot fill it.
type cache struct {
	seed   maphash.Seed
	half   int // Entries of one generation of one shard; 0 where nothing is remembered.
	shards [shards]shard
}

type shard struct {
	mu    sync.RWMutex
	young map[uint64]*verified
	old   map[uint64]*verified
}

func newCache(entries int) *cache {
	c := &cache{seed: maphash.MakeSeed()}
	if entries > 0 {
		c.half = max(entries/shards/2, 1)
	}
	return c
}

// get returns the entry of a token, good or not; nil without one.
func (c *cache) get(token string) *verified {
	if c.half == 0 {
		return nil
	}
	h := maphash.String(c.seed, token)
	s := &c.shards[h%shards]
	s.mu.RLock()
	e, young := s.young[h]
	if !young {
		e = s.old[h]
	}
	s.mu.RUnlock()
	if e == nil || e.token != token {
		return nil
	}
	if !young {
		c.put(e) // Still in use: it moves on with the young.
	}
	return e
}

func (c *cache) put(e *verified) {
	if c.half == 0 {
		return
	}
	h := maphash.String(c.seed, e.token)
	s := &c.shards[h%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young == nil || len(s.young) >= c.half {
		s.old, s.young = s.young, make(map[uint64]*verified)
	}
	s.young[h] = e
}
