package event

import (
	"cmp"
	"slices"
	"strings"
)

// Lane names one dense sequence of a gateway's life.
type Lane struct {
	Gateway string
	Epoch   uint64
	Lane    uint32
}

// Compare orders lanes by epoch, oldest first, then gateway, then number.
func (l Lane) Compare(m Lane) int {
	return cmp.Or(cmp.Compare(l.Epoch, m.Epoch), cmp.Compare(l.Gateway, m.Gateway), cmp.Compare(l.Lane, m.Lane))
}

// Positions remembers the last sequence number seen per lane, which is all
// that is needed to tell duplicates and gaps. Lanes of epochs that have ended
// are dropped first once LanesMax is reached, oldest epoch first. The zero
// value is ready to use. Not safe for concurrent use.
type Positions struct {
	// By pointer: writing to an entry that is there would put the new key's text,
	// which is the event's, in place of ours.
	last map[Lane]*uint64
}

// LanesMax bounds [Positions]: 256 gateways of 16 lanes, twice over for
// gateways that have just restarted.
const LanesMax = 8192

// Observe notes [first, last] of a lane, the same number twice for a plain
// event. It reports whether the range was seen before, and how many numbers
// are missing in front of it. Sequence numbers start at 1; events that carry
// none (offline files) are never duplicates.
func (p *Positions) Observe(l Lane, first, last uint64) (duplicate bool, missing uint64) {
	if first == 0 {
		return false, 0
	}
	last = max(first, last) // A range that ends before it begins is its first number.
	seen := p.Last(l)
	if last <= seen {
		return true, 0
	}
	if first > seen+1 {
		missing = first - seen - 1
	}
	p.set(l, last)
	return false, missing
}

// Last returns the last number seen in a lane, 0 for none.
func (p *Positions) Last(l Lane) uint64 {
	last := p.last[l]
	if last == nil {
		return 0
	}
	return *last
}

// Set notes that a lane has been seen up to last; used to restore a snapshot.
func (p *Positions) Set(l Lane, last uint64) { p.set(l, last) }

// All returns every lane in a fixed order with its last number.
func (p *Positions) All(yield func(Lane, uint64) bool) {
	for _, l := range p.sorted() {
		if !yield(l, *p.last[l]) {
			return
		}
	}
}

func (p *Positions) set(l Lane, last uint64) {
	if known := p.last[l]; known != nil {
		*known = last
		return
	}
	if p.last == nil {
		p.last = make(map[Lane]*uint64)
	}
	if len(p.last) >= LanesMax {
		delete(p.last, p.sorted()[0])
	}
	l.Gateway = strings.Clone(l.Gateway) // Nothing of the event is kept.
	p.last[l] = new(last)
}

func (p *Positions) sorted() []Lane {
	lanes := make([]Lane, 0, len(p.last))
	for l := range p.last {
		lanes = append(lanes, l)
	}
	slices.SortFunc(lanes, Lane.Compare)
	return lanes
}
