package session

import (
	"hash/maphash"
	"math"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// party is everybody who comes under exactly the same names: the requests of one
// token from one address to one route. It is listed under its names once, and
// each of its visits under it alone. It stays listed for a while after its last
// visit has left, because the next request is mostly of the same party.
type party struct {
	entry    Entry // Who, Route and Public; the rest is each visit's own.
	hash     uint64
	slots    []slot // Fixed once it is listed, but for slot.at.
	sessions int    // How many of slots, the first ones, are names of its session.
	opinion  atomic.Pointer[opinion]

	visits []*Visit // Guarded by the mutex of its group, like what follows.
	kept   bool     // Whether its group knows it; else it is for its first visit only.
	left   uint64   // The turn of its group when its last visit left.
}

// slot is a party's place under one of its names.
type slot struct {
	cell *cell
	at   int // Index into cell.parties; guarded by the mutex of the cell's shard.
}

// opinion is what the verdicts said about a party: of use until any verdict has
// changed, or one of those that count lapses, or the clock is turned back.
type opinion struct {
	generation   uint64
	from, lapses int64 // Unix nanoseconds.
	standing     Standing
}

// group holds a part of the parties.
type group struct {
	mu      sync.Mutex
	parties map[uint64]*party // By hash.
	turn    uint64
}

// same reports whether a visit belongs to p. The hash has chosen p, and this
// alone decides.
func (p *party) same(e *Entry) bool {
	a, b := &p.entry.Who, &e.Who
	return p.sameHere(e) && a.Session == b.Session && a.TokenID == b.TokenID && a.Subject == b.Subject && a.LinkedAccount == b.LinkedAccount &&
		a.ClientID == b.ClientID && a.SubjectKind == b.SubjectKind &&
		a.AuthTime.Equal(b.AuthTime) && a.Assumed == b.Assumed && a.IssuedAt.Equal(b.IssuedAt) && slices.Equal(a.Aliases, b.Aliases)
}

// sameHere is the part of same that a token does not say.
func (p *party) sameHere(e *Entry) bool {
	a, b := &p.entry.Who, &e.Who
	return a.Address == b.Address && p.entry.Route == e.Route && a.Device == b.Device && a.Account == b.Account && a.JA4 == b.JA4 &&
		a.ASN == b.ASN && a.Tenant == b.Tenant && p.entry.Public == e.Public
}

// Memo remembers whoever came last with a token, so that he is not looked up by his
// names again. It belongs to one token: entries with the same Memo have the same
// Subject, LinkedAccount, Session, TokenID, ClientID, SubjectKind, Aliases,
// AuthTime, Assumed and IssuedAt, and are for the same Table. The zero value remembers nobody.
type Memo struct{ last atomic.Pointer[party] }

// rejoin lists v with the party that came last with its token, where it is the same.
// known is false where it is not, or nobody knows it any more.
func (t *Table) rejoin(v *Visit, e *Entry) (ok, known bool) {
	p := e.Memo.last.Load()
	if p == nil || !p.sameHere(e) {
		return false, false
	}
	g := t.group(p.hash)
	g.mu.Lock()
	defer g.mu.Unlock()
	if !p.kept {
		return false, false
	}
	return p.add(v, t.config.VisitsPerSessionMax), true
}

// hashOf tells parties apart well enough to find one.
func (t *Table) hashOf(e *Entry) uint64 {
	h := uint64(0)
	for _, s := range [...]string{e.Who.Session, e.Who.TokenID, e.Who.Device, e.Who.Account, e.Who.JA4, e.Route} {
		h = bits.RotateLeft64(h, 17)*hashFactor ^ maphash.String(t.seed, s)
	}
	a := e.Who.Address.As16()
	h = bits.RotateLeft64(h, 17)*hashFactor ^ maphash.Bytes(t.seed, a[:])
	return h ^ h>>32 // The low bits choose the group.
}

// hashFactor is odd and has its bits spread out: 2^64 divided by the golden ratio.
const hashFactor = 0x9e3779b97f4a7c15

// join lists v with its party, which it makes where there is none. It reports
// false where the session has too many visits.
func (t *Table) join(v *Visit, e *Entry) bool {
	if e.Memo == nil {
		return t.joinByNames(v, e)
	}
	ok, known := t.rejoin(v, e)
	if known {
		return ok
	}
	ok = t.joinByNames(v, e)
	if ok {
		e.Memo.last.Store(v.party)
	}
	return ok
}

func (t *Table) joinByNames(v *Visit, e *Entry) bool {
	hash := t.hashOf(e)
	g := t.group(hash)
	g.mu.Lock()
	p := g.parties[hash]
	if p != nil && p.same(e) {
		defer g.mu.Unlock()
		return p.add(v, t.config.VisitsPerSessionMax)
	}
	g.mu.Unlock()
	made := t.newParty(e, hash) // Under all its names before anybody can be its visit.
	g.mu.Lock()
	p = g.parties[hash]
	if p == nil || !p.same(e) {
		p = made
	}
	ok := p.add(v, t.config.VisitsPerSessionMax)
	useless := made
	if p == made && ok {
		useless = g.keep(made)
	}
	g.mu.Unlock()
	t.retire(useless)
	return ok
}

// add takes v in, unless one of the session's names has too many visits. Called
// with the group's mutex held.
func (p *party) add(v *Visit, most int) bool {
	for i := range p.sessions {
		if p.slots[i].cell.open.Add(1) > int64(most) {
			for j := range i + 1 {
				p.slots[j].cell.open.Add(-1)
			}
			return false
		}
	}
	v.party, v.at = p, len(p.visits)
	p.visits = append(p.visits, v)
	return true
}

// keep lets g know p, and returns the party that has to go for it: one whose
// visits have all left, of a sample the one that has been idle longest. Where
// none is idle p stays unknown to g and is for its first visit only.
func (g *group) keep(p *party) (gone *party) {
	if g.parties[p.hash] != nil {
		return nil // Another party of the same hash, which practically does not happen.
	}
	if len(g.parties) >= partiesMax/shards {
		seen := 0
		for _, other := range g.parties {
			if len(other.visits) == 0 && (gone == nil || other.left < gone.left) {
				gone = other
			}
			seen++
			if seen == idleSample {
				break
			}
		}
		if gone == nil {
			return nil
		}
		delete(g.parties, gone.hash)
		gone.kept = false
	}
	g.parties[p.hash], p.kept = p, true
	return gone
}

// leave takes v out of its party.
func (t *Table) leave(v *Visit) {
	p := v.party
	g := t.group(p.hash)
	g.mu.Lock()
	last := len(p.visits) - 1
	moved := p.visits[last]
	p.visits[v.at], moved.at = moved, v.at
	p.visits[last] = nil
	p.visits = p.visits[:last]
	for i := range p.sessions {
		p.slots[i].cell.open.Add(-1)
	}
	g.turn++
	p.left = g.turn
	over := last == 0 && !p.kept
	g.mu.Unlock()
	if over {
		t.retire(p)
	}
}

// visitsOf copies the visits of a party.
func (t *Table) visitsOf(p *party) []*Visit {
	g := t.group(p.hash)
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(p.visits)
}

// remembered is how many parties the groups know.
func (t *Table) remembered() int64 {
	n := 0
	for i := range t.groups {
		g := &t.groups[i]
		g.mu.Lock()
		n += len(g.parties)
		g.mu.Unlock()
	}
	return int64(n)
}

func (t *Table) group(hash uint64) *group { return &t.groups[hash%shards] }

// newParty makes a party and lists it under all its names.
func (t *Table) newParty(e *Entry, hash uint64) *party {
	p := &party{entry: Entry{Who: e.Who, Route: e.Route, Public: e.Public}, hash: hash}
	keys := e.keys()
	p.slots = make([]slot, len(keys))
	for i := range keys {
		t.list(p, i, &keys[i])
		if keys[i].kind == kindSession {
			p.sessions = i + 1
		}
	}
	return p
}

// retire takes a party without visits from under its names; nil is none.
func (t *Table) retire(p *party) {
	if p == nil {
		return
	}
	for i := range p.slots {
		t.unlist(p, i)
	}
}

// standing is the strongest verdict that holds now and touches p.
//
// The generation is read before the verdicts are: one that is stored meanwhile
// moves it on, so that what was found without it is found anew. And a verdict
// moves it on before it looks for visits: see the package's law on races. While one
// is being stored nobody goes by what he knows, and nobody believes what he has read
// of several names before it was the same twice: a verdict has one moment for all.
func (t *Table) standing(p *party, at time.Time) Standing {
	now := at.UnixNano()
	for range looksMax {
		calm := t.storing.Load() == 0
		generation := t.generation.Load()
		o := p.opinion.Load()
		if calm && o != nil && o.generation == generation && o.from <= now && now < o.lapses {
			return o.standing
		}
		fresh := t.look(p, now)
		fresh.generation = generation
		if calm && t.storing.Load() == 0 && t.generation.Load() == generation {
			p.opinion.Store(fresh)
			return fresh.standing
		}
	}
	return t.look(p, now).standing
}

// looksMax is how often a standing is looked up before the last answer is taken: so
// many verdicts came meanwhile that another is no truer.
const looksMax = 4

// look reads what the verdicts say of p.
func (t *Table) look(p *party, now int64) *opinion {
	fresh := &opinion{from: now, lapses: math.MaxInt64}
	var best *held
	var about *key
	consider := func(h *held, k *key) {
		if h != nil && stronger(best, h) == h {
			best, about = h, k
		}
	}
	for i := range p.slots {
		c := p.slots[i].cell
		consider(c.fold.Load().strongest(&p.entry, now, &fresh.lapses), &c.key)
	}
	consider(t.strongestPrefix(&p.entry, now, &fresh.lapses))
	if best != nil {
		fresh.standing = Standing{Action: actionName(best.strength), Verdict: best.verdict(about)}
	}
	return fresh
}
