package soak

import (
	"math"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// dayBook counts subject-days: days on which a subject, or an address without
// one, sent anything, with all circumstances of the day.
type dayBook struct {
	day    int64
	actors map[string]*actorDay
	order  []string
}

type actorDay struct {
	kind   string
	traits life.Trait
}

func newDayBook() *dayBook { return &dayBook{actors: make(map[string]*actorDay)} }

func actorOf(ev *event.RequestEvent) string {
	if ev.GetSubject() != "" {
		return ev.GetSubject()
	}
	return ev.GetAddress()
}

// see notes that an actor was there.
func (b *dayBook) see(r *Report, ev *event.RequestEvent, label life.Label) {
	day := ev.GetTime().GetSeconds() / 86400
	if day != b.day {
		b.close(r)
		b.day = day
	}
	key := actorOf(ev)
	a := b.actors[key]
	if a == nil {
		a = &actorDay{kind: model.KindOf(ev)}
		b.actors[key] = a
		b.order = append(b.order, key)
	}
	a.traits |= label.Traits
}

// traits are the circumstances of the actor's day so far.
func (b *dayBook) traits(ev *event.RequestEvent, label life.Label) life.Trait {
	a := b.actors[actorOf(ev)]
	if a == nil || b.day != ev.GetTime().GetSeconds()/86400 {
		return label.Traits
	}
	return a.traits | label.Traits
}

// close books the day.
func (b *dayBook) close(r *Report) {
	for _, key := range b.order {
		a := b.actors[key]
		r.kind(a.kind).SubjectDays++
		for _, t := range life.Traits() {
			if a.traits&t != 0 {
				r.segment(a.kind, t).SubjectDays++
			}
		}
	}
	clear(b.actors)
	b.order = b.order[:0]
}

// blockBook is what each group has gained in a block of a session, the unit in
// which the judge lets a signal count once.
type blockBook struct {
	day   int64
	open  map[string]*block
	order []*block
}

type block struct {
	start  int64
	kind   string
	traits life.Trait
	gained [evidence.GroupCount]float64
}

const blockLength = int64(time.Minute / time.Second)

func newBlockBook() *blockBook { return &blockBook{open: make(map[string]*block)} }

func (b *blockBook) see(r *Report, ev *event.RequestEvent, label life.Label, res *scorer.Result) {
	if res.Assessment == nil {
		return
	}
	key := ev.GetSession()
	if key == "" {
		key = actorOf(ev)
	}
	now := ev.GetTime().GetSeconds()
	if day := now / 86400; day != b.day {
		b.close(r)
		b.day = day
	}
	k := b.open[key]
	switch {
	case k == nil:
		k = &block{start: now, kind: model.KindOf(ev)}
		b.open[key] = k
		b.order = append(b.order, k)
	case now-k.start >= blockLength:
		k.book(r)
		*k = block{start: now, kind: k.kind}
	}
	k.traits |= label.Traits
	for g := range k.gained {
		k.gained[g] += res.Gained[g]
	}
}

func (k *block) book(r *Report) {
	u := r.unit(k.kind)
	var l [groupsAndAll]float64
	for g, gained := range k.gained {
		l[g] = float64(u.temperature * (gained - u.rents[g]))
		l[evidence.GroupCount] += l[g]
	}
	r.kind(k.kind).mean.add(&l, 0, 0)
	for rest := uint64(k.traits); rest != 0; rest &= rest - 1 {
		own := life.Trait(rest & -rest)
		r.segment(k.kind, own).mean.add(&l, k.traits, own)
	}
}

// close books what is open, in the order in which it began: sums of floats
// depend on it.
func (b *blockBook) close(r *Report) {
	for _, k := range b.order {
		k.book(r)
	}
	clear(b.open)
	b.order = b.order[:0]
}

// groupsAndAll is the number of groups, and behind them the sum of all.
const groupsAndAll = evidence.GroupCount + 1

// unit is what makes the nats that a group gains in a block the logarithm of
// an e-value.
type unit struct {
	temperature float64
	rents       [evidence.GroupCount]float64
}

// mean is the mean of exp(L) for each group, and for the sum of all.
type mean struct{ n, sum [groupsAndAll]float64 }

// add books a block with some traits in the segment of one of them. Where a
// group looks for another of them, the block says nothing about the segment.
func (m *mean) add(l *[groupsAndAll]float64, traits, segment life.Trait) {
	for g, nats := range l {
		looked := looksFor(g)
		if traits&looked != 0 && segment&looked == 0 {
			continue
		}
		m.n[g]++
		m.sum[g] += math.Exp(nats) - 1
	}
}

// of is the mean of exp(L) of a group.
func (m *mean) of(g int) float64 { return 1 + m.sum[g]/max(1, m.n[g]) }

// groupName names a group, and the sum of all behind them.
func groupName(g int) string {
	if g == evidence.GroupCount {
		return "all"
	}
	return evidence.Group(g).String()
}

// byName is the same for all groups.
func (m *mean) byName() map[string]float64 {
	all := make(map[string]float64)
	for g := range groupsAndAll {
		all[groupName(g)] = m.of(g)
	}
	return all
}
