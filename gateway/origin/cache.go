package origin

import (
	"net/netip"
	"sync"
)

// cache remembers the origins of forwarded addresses in two generations: when
// the young one is full it becomes the old one, and the old one is forgotten.
// What is used stays, what is not leaves, and nothing has to be ordered.
type cache struct {
	mu    *sync.Mutex
	half  int // Entries of one generation.
	young map[netip.Addr]Origin
	old   map[netip.Addr]Origin
}

func newCache(entries int) cache {
	return cache{mu: new(sync.Mutex), half: entries / 2, young: make(map[netip.Addr]Origin)}
}

func (c *cache) get(a netip.Addr) (Origin, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.young[a]
	if ok {
		return o, true
	}
	o, ok = c.old[a]
	if ok {
		c.add(a, o)
	}
	return o, ok
}

func (c *cache) put(a netip.Addr, o Origin) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(a, o)
}

func (c *cache) add(a netip.Addr, o Origin) {
	if len(c.young) >= c.half {
		c.old, c.young = c.young, make(map[netip.Addr]Origin)
	}
	c.young[a] = o
}
