package login

import (
	"hash/maphash"
	"sync"

	"github.com/vigil-gateway/vigil/gateway/identity"
)

// opened is a cookie that was opened in full.
type opened struct {
	sealed string     // Compared in full: a hash alone proves nothing.
	keys   *[]ringKey // The ring that opened it: another may not.

	record   record
	identity *identity.Identity
	device   string // For a device cookie, which has neither.
}

// openedCache remembers cookies that were opened, in two generations: a full young
// one becomes the old one, and what nobody sent since is forgotten. Only what our
// own keys have sealed comes in, so a stranger cannot fill it. Safe for concurrent
// use.
type openedCache struct {
	seed maphash.Seed
	half int

	mu         sync.RWMutex
	young, old map[uint64]*opened
}

func newOpenedCache(entries int) *openedCache {
	return &openedCache{seed: maphash.MakeSeed(), half: max(entries/2, 1), young: make(map[uint64]*opened)}
}

// get returns what is known of a cookie; nil where it has to be opened.
func (c *openedCache) get(sealed string, keys *[]ringKey) *opened {
	h := maphash.String(c.seed, sealed)
	c.mu.RLock()
	o, young := c.young[h]
	if !young {
		o = c.old[h]
	}
	c.mu.RUnlock()
	if o == nil || o.sealed != sealed || o.keys != keys {
		return nil
	}
	if !young {
		c.put(o) // Still in use: it moves on with the young.
	}
	return o
}

func (c *openedCache) put(o *opened) {
	h := maphash.String(c.seed, o.sealed)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= c.half {
		c.old, c.young = c.young, make(map[uint64]*opened)
	}
	c.young[h] = o
}
