package sequence

import (
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Symbol is one thing that can be done; 0 is none, as before a session's
// first event.
type Symbol uint32

// symbolSeed keeps these hashes apart from those of other uses. Symbols end up
// in snapshots, so it is fixed.
const symbolSeed = 0x73_65_71

// SymbolOf is the symbol of a text, such as a method and path template. It is
// never 0.
func SymbolOf(text string) Symbol {
	return Symbol(max(1, uint32(xxh3.HashStringSeed(text, symbolSeed))))
}

// SymbolOfRequest is the symbol of a method and a path template, without
// putting them together. It is never 0.
func SymbolOfRequest(method, template string) Symbol {
	return Symbol(max(1, uint32(xxh3.HashStringSeed(template, xxh3.HashStringSeed(method, symbolSeed)))))
}

// Concentrations of the back-off, in events: what a level must have seen to
// count as much as the level below it.
const (
	unseenShare  = 1.0 / 4096 // Probability of a symbol that nobody in the tenant uses.
	toUnseen     = 50
	toTenant     = 5
	toTenantPair = 10
	toSubject    = 2
	toRecent     = 8 // Of the tenant's symbols, against the session's latest.
)

// Prior is what the people of a tenant do: decayed counts of symbols and of
// pairs. It grows by Add and Merge while an epoch is built, and is immutable
// once it serves. It takes 96 KiB.
type Prior struct {
	slots  []slot
	total  uint64
	decays uint32
}

// NewPrior returns a prior that has seen nothing.
func NewPrior() *Prior { return &Prior{slots: make([]slot, PriorSlots)} }

// Add counts that x followed prev, which is 0 at a session's beginning. Who
// builds an epoch bounds what one subject may add, lest he write everyone's
// prior.
func (p *Prior) Add(prev, x Symbol) {
	p.count(symbolKey(x))
	p.total = min(p.total+1, 1<<48)
	if prev != 0 {
		p.count(pairKey(prev, x))
	}
}

func (p *Prior) count(key uint64) {
	b, tag := bucket(p.slots, key)
	for add(b, tag, 1) {
		p.halve()
	}
}

// Total is the decayed number of events.
func (p *Prior) Total() float64 { return float64(p.total) }

// Merge adds what another prior of the same seed has seen. The order of merges
// decides which rare symbols stay in a full bucket, so it is part of the
// epoch's definition.
func (p *Prior) Merge(o *Prior) {
	p.total = min(p.total+o.total, 1<<48)
	for i, s := range o.slots {
		n := s.n()
		if n == 0 {
			continue
		}
		b := p.slots[i/ways*ways : i/ways*ways+ways]
		for add(b, s.tag(), n) {
			p.halve()
			n /= 2
		}
	}
}

// Decay lets the counts fade to num/256 of themselves; some of the rarest
// vanish.
func (p *Prior) Decay(num uint8) {
	p.decays++
	scale(p.slots, num, p.decays)
	p.total = p.total * uint64(num) >> 8
}

func (p *Prior) halve() { p.Decay(128) }

// shares are the probability of x after prev among the tenant's people, and that of
// x after anything.
func (p *Prior) shares(prev, x Symbol) (after, single float64) {
	single = (count(p.slots, symbolKey(x)) + toUnseen*unseenShare) / (p.Total() + toUnseen)
	if prev == 0 {
		return single, single
	}
	pair := count(p.slots, pairKey(prev, x))
	n := max(pair, count(p.slots, symbolKey(prev))) // It may have given way to a newer one.
	return (pair + float64(toTenantPair*single)) / (n + toTenantPair), single
}

// Known is whether the prior has seen enough to judge anybody by; nil has seen
// nothing.
func (p *Prior) Known() bool { return p != nil && p.total >= PriorEventsMin }

// Clone returns a prior that grows on its own.
func (p *Prior) Clone() *Prior {
	return &Prior{slots: slices.Clone(p.slots), total: p.total, decays: p.decays}
}

// Code writes or reads the prior. Partitions that share it may write it at once.
func (p *Prior) Code(k *snapshot.Codec) {
	k.U64(&p.total)
	u := uint64(p.decays)
	k.U64(&u)
	if k.Reading() {
		p.total, p.decays = min(p.total, 1<<48), uint32(u) // No overflow in Decay.
	}
	code(k, p.slots)
}
