package sequence

import "github.com/vigil-gateway/vigil/scorer/snapshot"

// ways is how many slots a key may sit in, countMax what a slot can count to.
const (
	ways     = 8
	countMax = 1<<12 - 1
)

// slot is the count of a symbol or a pair, in 12 bits, told from others of its
// bucket by 12 bits of its hash: of keys that were never seen, one in 500
// takes the count of another. A count of 0 is an empty slot.
type slot [3]byte

func newSlot(tag, n uint16) slot {
	return slot{byte(tag), byte(tag>>8&0xf) | byte(n<<4), byte(n >> 4)}
}

func (s slot) tag() uint16 { return uint16(s[0]) | uint16(s[1]&0xf)<<8 }
func (s slot) n() uint16   { return uint16(s[1]>>4) | uint16(s[2])<<4 }

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func symbolKey(x Symbol) uint64     { return mix(uint64(x) + 0x9e3779b97f4a7c15) }
func pairKey(prev, x Symbol) uint64 { return mix(uint64(prev)<<32 | uint64(x)) }

// bucket is where a key may sit, and its tag there.
func bucket(slots []slot, key uint64) (b []slot, tag uint16) {
	i := int((key>>32)*uint64(len(slots)/ways)>>32) * ways
	return slots[i : i+ways : i+ways], uint16(key) & 0xfff
}

// count is how often a key was counted.
func count(slots []slot, key uint64) float64 {
	b, tag := bucket(slots, key)
	for _, s := range b {
		if s.tag() == tag && s.n() > 0 {
			return float64(s.n())
		}
	}
	return 0
}

// add counts a key n times more, and reports whether there was no room for
// that: then every count must be halved. In a full bucket the rarest gives way.
func add(b []slot, tag, n uint16) (full bool) {
	least := 0
	for i, s := range b {
		if s.tag() == tag && s.n() > 0 {
			if s.n() > countMax-n {
				return true
			}
			b[i] = newSlot(tag, s.n()+n)
			return false
		}
		if s.n() < b[least].n() {
			least = i
		}
	}
	b[least] = newSlot(tag, n)
	return false
}

// scale multiplies every count by num/256. What is cut off is rounded up for
// as many slots as it is a share of one, others each time, so that rare keys
// fade in number rather than all at once.
func scale(slots []slot, num uint8, times uint32) {
	for i, s := range slots {
		slots[i] = s.scaled(num, times, i)
	}
}

// scaled is the i-th slot, its count multiplied by num/256.
func (s slot) scaled(num uint8, times uint32, i int) slot {
	dither := mix(uint64(times)<<32|uint64(i)) & 0xff
	return newSlot(s.tag(), uint16((uint32(s.n())*uint32(num)+uint32(dither))>>8))
}

// code writes or reads the slots. Every value is some state, so a fault can
// only be the codec's own.
func code(k *snapshot.Codec, slots []slot) {
	for i := range slots {
		v := uint64(slots[i].n())<<12 | uint64(slots[i].tag())
		if slots[i].n() == 0 {
			v = 0
		}
		k.U64(&v)
		if k.Reading() {
			slots[i] = newSlot(uint16(v)&0xfff, uint16(v>>12)&countMax)
		}
	}
}
