package entity

import (
	"math/bits"
	"time"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// crowdFor is how long a crowd remembers at least; it is twice that at most.
const crowdFor = int64(30 * 24 * time.Hour)

// Words of the bitmaps of a crowd: a tiny one tells some 60 names apart, a small
// one some 500 and a large one some 20,000. Beyond that everybody seems to belong.
const (
	CrowdTiny  = 8
	CrowdSmall = 64
	CrowdLarge = 2048
)

// Crowd is a set of many names that can be wrong: who belongs always seems to,
// who does not seems to now and then. It is two Bloom filters (Bloom 1970) of
// two bits a name that take turns, so that names are forgotten. The zero value
// is empty.
type Crowd struct {
	young, old []uint64
	turned     int64
}

// Add notes a name by its hash; words is the size of the filters and the same
// in every call.
func (c *Crowd) Add(h uint64, words int, now int64) {
	if c.young == nil || now-c.turned >= crowdFor {
		c.old, c.young, c.turned = c.young, make([]uint64, words), now
	}
	for _, at := range c.places(h) {
		c.young[at/64] |= 1 << (at % 64)
	}
}

// Has reports whether a name seems to belong.
func (c *Crowd) Has(h uint64) bool {
	if c.young == nil {
		return false
	}
	young, old := true, c.old != nil
	for _, at := range c.places(h) {
		young = young && c.young[at/64]&(1<<(at%64)) != 0
		old = old && c.old[at/64]&(1<<(at%64)) != 0
	}
	return young || old
}

// Size is about how many names there are (Swamidass and Baldi 2007).
func (c *Crowd) Size() float64 {
	if c.young == nil {
		return 0
	}
	set := 0
	for i, w := range c.young {
		if c.old != nil {
			w |= c.old[i]
		}
		set += bits.OnesCount64(w)
	}
	m := float64(64 * len(c.young))
	return -m / 2 * exact.Ln(max(1, m-float64(set))/m)
}

func (c *Crowd) places(h uint64) [2]uint64 {
	m := uint64(64 * len(c.young))
	return [2]uint64{h % m, (h >> 32) % m}
}

func (c *Crowd) code(k *snapshot.Codec) {
	for _, list := range []*[]uint64{&c.young, &c.old} {
		snapshot.List(k, list, k.U64)
	}
	k.I64(&c.turned)
	if k.Reading() && len(c.old) != 0 && len(c.old) != len(c.young) {
		c.old = nil
	}
}

// Code writes or reads the crowd.
func (c *Crowd) Code(k *snapshot.Codec) { c.code(k) }
