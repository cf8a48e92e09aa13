package cold

// index finds the records of one segment by their key's fingerprint: open
// addressing with linear probing (Knuth, TAOCP vol. 3, 6.4, algorithm L), at
// most half full. A slot has the fingerprint above and the record's offset + 1
// below; 0 below is a record that was taken.
type index struct {
	slots []uint64
	used  int // Slots that are not 0.
	live  int // Of them those whose record is there.
}

// place is a record as an index knows it.
func place(fingerprint uint32, offset int64) uint64 {
	return uint64(fingerprint)<<32 | uint64(uint32(offset)+1)
}

func fingerprintOf(p uint64) uint32 { return uint32(p >> 32) }
func offsetOf(p uint64) int64       { return int64(uint32(p)) - 1 }

// add notes a record.
func (x *index) add(p uint64) {
	if 2*(x.used+1) > len(x.slots) {
		x.grow()
	}
	x.insert(p)
	x.used++
	x.live++
}

func (x *index) insert(p uint64) {
	mask := uint32(len(x.slots) - 1)
	i := fingerprintOf(p) & mask
	for x.slots[i] != 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = p
}

func (x *index) grow() {
	old := x.slots
	x.slots = make([]uint64, max(indexLeast, 2*len(old)))
	x.used = x.live
	for _, p := range old {
		if uint32(p) != 0 {
			x.insert(p)
		}
	}
}

// find calls is for each record of a fingerprint until it says yes, and returns
// that record's slot, -1 where none is the one.
func (x *index) find(fingerprint uint32, is func(offset int64) bool) int {
	if x.live == 0 {
		return -1
	}
	mask := uint32(len(x.slots) - 1)
	for i := fingerprint & mask; x.slots[i] != 0; i = (i + 1) & mask {
		p := x.slots[i]
		if fingerprintOf(p) == fingerprint && uint32(p) != 0 && is(offsetOf(p)) {
			return int(i)
		}
	}
	return -1
}

// remove takes the record of a slot out.
func (x *index) remove(slot int) {
	x.slots[slot] &^= 1<<32 - 1
	x.live--
}
