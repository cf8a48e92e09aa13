package sequence

import (
	"math/bits"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// sparse is a table of [HabitSlots] slots that takes memory only for those in
// use: 96 B for which they are, and 3 B each. Most people do a few dozen things
// in a few orders. The zero value is empty.
type sparse struct {
	used  [HabitSlots / 64]uint64 // A bit for each slot.
	cells []slot                  // Those in use, in order.
}

// growLeast is how many slots more the cells take when they are full: many
// tables stay small, and doubling wastes half.
const growLeast = 8

// find returns where a key may sit as the cells of its bucket, from first on,
// and which of the bucket's slots they are.
func (t *sparse) find(key uint64) (home, first int, among uint8, tag uint16) {
	home = int((key>>32)*(HabitSlots/ways)>>32) * ways
	word, shift := home/64, home%64
	for _, w := range t.used[:word] {
		first += bits.OnesCount64(w)
	}
	first += bits.OnesCount64(t.used[word] & (1<<shift - 1))
	return home, first, uint8(t.used[word] >> shift), uint16(key) & 0xfff
}

// count is how often a key was counted.
func (t *sparse) count(key uint64) float64 {
	_, first, among, tag := t.find(key)
	for _, s := range t.cells[first : first+bits.OnesCount8(among)] {
		if s.tag() == tag {
			return float64(s.n())
		}
	}
	return 0
}

// add counts a key once more, and reports whether there was no room for that:
// then every count must be halved. In a full bucket the rarest gives way.
func (t *sparse) add(key uint64) (full bool) {
	home, first, among, tag := t.find(key)
	b, least := t.cells[first:first+bits.OnesCount8(among)], 0
	for i, s := range b {
		if s.tag() == tag {
			if s.n() == countMax {
				return true
			}
			b[i] = newSlot(tag, s.n()+1)
			return false
		}
		if s.n() < b[least].n() {
			least = i
		}
	}
	if len(b) == ways {
		b[least] = newSlot(tag, 1)
		return false
	}
	free := bits.TrailingZeros8(^among)
	t.insert(first+bits.OnesCount8(among&(1<<free-1)), newSlot(tag, 1))
	t.used[home/64] |= 1 << (home%64 + free)
	return false
}

func (t *sparse) insert(at int, s slot) {
	if n := len(t.cells); n == cap(t.cells) {
		t.cells = append(make([]slot, 0, min(HabitSlots, n+n/8+growLeast)), t.cells...)
	}
	t.cells = append(t.cells, slot{})
	copy(t.cells[at+1:], t.cells[at:])
	t.cells[at] = s
}

// scale multiplies every count by num/256, as [scale] does, and drops those of
// which nothing is left.
func (t *sparse) scale(num uint8, times uint32) {
	kept, next := t.cells[:0], 0
	for word, used := range t.used {
		for ; used != 0; used &= used - 1 {
			bit := bits.TrailingZeros64(used)
			s := t.cells[next].scaled(num, times, word*64+bit)
			next++
			if s.n() == 0 {
				t.used[word] &^= 1 << bit
				continue
			}
			kept = append(kept, s)
		}
	}
	t.cells = kept
}

// code writes or reads the table.
func (t *sparse) code(k *snapshot.Codec) {
	n := 0
	for i := range t.used {
		k.U64(&t.used[i])
		n += bits.OnesCount64(t.used[i])
	}
	if k.Reading() {
		t.cells = make([]slot, n)
	}
	code(k, t.cells)
	for i := range t.cells {
		if t.cells[i].n() == 0 { // No table that was written has one.
			t.cells[i] = newSlot(t.cells[i].tag(), 1)
		}
	}
}
