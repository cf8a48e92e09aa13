package event

import (
	"cmp"
	"container/list"
	"maps"
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
// that is needed to tell duplicates and gaps. Once GatewayLanesMax or LanesMax is
// reached, the lane that was heard least recently makes room: of the same gateway, or
// of all. So whoever invents lanes pushes out its own, and no epoch, which is the
// writer's word, stays longer than another. The zero value is ready to use. Not safe
// for concurrent use.
type Positions struct {
	places   map[Lane]*place
	all      list.List             // Of *place, least recently heard first.
	gateways map[string]*list.List // The same of each gateway.
}

// place is what is known of a lane. Its text is ours, not the event's.
type place struct {
	lane    Lane
	last    uint64
	all     *list.Element
	own     *list.Element
	gateway *list.List
}

const (
	// LanesMax bounds [Positions]: 256 gateways of 16 lanes, twice over for
	// gateways that have just restarted.
	LanesMax = 8192
	// GatewayLanesMax bounds the lanes of one gateway: a life has at most 1,024.
	GatewayLanesMax = 2048
)

// Observe notes [first, last] of a lane, the same number twice for a plain
// event. It reports whether the range was seen before, and how many numbers
// are missing in front of it. Sequence numbers start at 1; events that carry
// none (offline files) are never duplicates.
func (p *Positions) Observe(l Lane, first, last uint64) (duplicate bool, missing uint64) {
	if first == 0 {
		return false, 0
	}
	last = max(first, last) // A range that ends before it begins is its first number.
	at := p.places[l]
	if at == nil {
		p.add(l, last)
		return false, first - 1
	}
	p.hear(at)
	if last <= at.last {
		return true, 0
	}
	if first > at.last+1 {
		missing = first - at.last - 1
	}
	at.last = last
	return false, missing
}

// Last returns the last number seen in a lane, 0 for none.
func (p *Positions) Last(l Lane) uint64 {
	at := p.places[l]
	if at == nil {
		return 0
	}
	return at.last
}

// Set notes that a lane has been seen up to last; used to restore a snapshot.
func (p *Positions) Set(l Lane, last uint64) {
	at := p.places[l]
	if at == nil {
		p.add(l, last)
		return
	}
	p.hear(at)
	at.last = last
}

// All returns every lane in the order of [Lane.Compare] with its last number.
func (p *Positions) All(yield func(Lane, uint64) bool) {
	for _, l := range slices.SortedFunc(maps.Keys(p.places), Lane.Compare) {
		if !yield(l, p.places[l].last) {
			return
		}
	}
}

// Heard returns every lane with its last number, the least recently heard first. Where
// Set is called in this order, the same lanes make room as before.
func (p *Positions) Heard(yield func(Lane, uint64) bool) {
	for e := p.all.Front(); e != nil; e = e.Next() {
		at := e.Value.(*place)
		if !yield(at.lane, at.last) {
			return
		}
	}
}

func (p *Positions) hear(at *place) {
	p.all.MoveToBack(at.all)
	at.gateway.MoveToBack(at.own)
}

func (p *Positions) add(l Lane, last uint64) {
	if p.places == nil {
		p.places, p.gateways = make(map[Lane]*place), make(map[string]*list.List)
	}
	own := p.gateways[l.Gateway]
	switch {
	case own != nil && own.Len() >= GatewayLanesMax:
		p.forget(own.Front().Value.(*place))
	case len(p.places) >= LanesMax:
		p.forget(p.all.Front().Value.(*place))
	}
	l.Gateway = strings.Clone(l.Gateway) // Nothing of the event is kept.
	own = p.gateways[l.Gateway]          // It may have been forgotten just now.
	if own == nil {
		own = list.New()
		p.gateways[l.Gateway] = own
	}
	at := &place{lane: l, last: last, gateway: own}
	at.all, at.own = p.all.PushBack(at), own.PushBack(at)
	p.places[l] = at
}

func (p *Positions) forget(at *place) {
	p.all.Remove(at.all)
	at.gateway.Remove(at.own)
	delete(p.places, at.lane)
	if at.gateway.Len() == 0 {
		delete(p.gateways, at.lane.Gateway)
	}
}
