package announce

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/blast"
)

// ActiveFor is how long after its last event a session counts as active.
const ActiveFor = 10 * time.Minute

// Limits beyond which verdicts wait for a person, by their configuration keys.
const (
	// LimitBlastRadius holds all that follows of a group, too, until it is released.
	LimitBlastRadius = "blast_radius"
	// LimitRate holds what is beyond the rate alone.
	LimitRate = "revokes_per_minute"
	// LimitUnread holds everything while it cannot be read what waits already.
	LimitUnread = "control_unread"
)

// Waiting is what one limit holds of a tenant's verdicts that rest on a group of
// evidence.
type Waiting struct {
	Tenant, Group, Limit string
	// Since is the stream time of the first.
	Since time.Time
	// Held is how many would go out now, less those that are no longer needed.
	Held int
}

// account is a tenant's group of evidence.
type account struct{ tenant, group string }

// slot is a partition of a stage.
type slot struct {
	authority string
	number    int
}

// guard is what holds verdicts over all partitions of this process.
type guard struct {
	mu    sync.Mutex
	blast *blast.Guard
	// waiting is what the partitions hold, released when an account was let go last,
	// by the wall clock.
	waiting  map[slot][]Waiting
	released map[account]time.Time
}

func newGuard(c BlastRadius) *guard {
	return &guard{
		blast:   blast.New(blast.Limits{Share: c.Share, Least: c.Least, Window: c.Window}),
		waiting: make(map[slot][]Waiting), released: make(map[account]time.Time),
	}
}

// allow reports whether a verdict that ends sessions may go out. The facet stage judges
// a tenant as a whole.
func (g *guard) allow(stage Stage, v *verdict.Verdict, group string, clock time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.blast.End(v.Tenant, group, v.Target.GetKind()+"\x00"+v.Target.GetId(), stage.Authority == verdict.AuthorityFacet, clock.UnixNano())
}

// holds reports whether a finding still waits.
func (g *guard) holds(f *Finding) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	a := account{f.Proposal.Tenant, groupOf(f)}
	if g.released[a].After(f.heldAt) {
		return false
	}
	return f.limit != LimitBlastRadius || g.blast.Tripped(a.tenant, a.group)
}

// trip holds all of a group in this process, too, of which a finding waits.
func (g *guard) trip(f *Finding) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a := account{f.Proposal.Tenant, groupOf(f)}
	if f.limit == LimitBlastRadius && !g.released[a].After(f.heldAt) {
		g.blast.Trip(a.tenant, a.group, clockOf(f).UnixNano())
	}
}

// note replaces what is known to wait in a slot.
func (g *guard) note(at slot, held []Finding) {
	sums := make(map[Waiting]Waiting) // By what names them.
	for i := range held {
		f := &held[i]
		key := Waiting{Tenant: f.Proposal.Tenant, Group: groupOf(f), Limit: f.limit}
		w, again := sums[key]
		if !again {
			w = key
			w.Since = clockOf(f)
		}
		w.Held++
		w.Since = earlier(w.Since, clockOf(f))
		sums[key] = w
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting[at] = slices.Collect(maps.Values(sums))
	if len(held) == 0 {
		delete(g.waiting, at)
	}
}

// Active notes how many sessions of each tenant are active in the partition, one of so
// many; nil says that it is scored elsewhere from now on.
func (p *Partition) Active(sessions map[string]int, partitions int) {
	g := p.announcer.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	g.blast.Of(partitions)
	g.blast.Active(p.number, sessions)
}

// Held lists what waits for a person in this process, by tenant, group and limit.
// A group that has tripped the blast-radius guard is listed also where nothing of
// it waits any more: what comes would.
func (a *Announcer) Held() []Waiting {
	g := a.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	sums := make(map[Waiting]Waiting)
	for _, t := range g.blast.Trips() {
		key := Waiting{Tenant: t.Tenant, Group: t.Group, Limit: LimitBlastRadius}
		sums[key] = Waiting{Tenant: t.Tenant, Group: t.Group, Limit: LimitBlastRadius, Since: t.Since}
	}
	for _, list := range g.waiting {
		for _, w := range list {
			key := Waiting{Tenant: w.Tenant, Group: w.Group, Limit: w.Limit}
			sum, again := sums[key]
			if again {
				w.Held += sum.Held
				w.Since = earlier(w.Since, sum.Since)
			}
			sums[key] = w
		}
	}
	return slices.SortedFunc(maps.Values(sums), func(a, b Waiting) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Limit, b.Limit))
	})
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Release lets the verdicts of a tenant that rest on a group of evidence go out
// again, those that wait among them, and reports whether any did.
func (a *Announcer) Release(ctx context.Context, tenant, group string) bool {
	g := a.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	waited := g.blast.Release(tenant, group)
	for _, list := range g.waiting {
		waited = waited || slices.ContainsFunc(list, func(w Waiting) bool { return w.Tenant == tenant && w.Group == group })
	}
	if !waited {
		return false
	}
	g.released[account{tenant, group}] = a.now()
	a.logger.WarnContext(ctx, "verdicts that waited for a person are released", "tenant", tenant, "group", group)
	return true
}

// groupOf is the group of evidence that a finding rests on: that of the
// strongest piece.
func groupOf(f *Finding) string {
	group, most := "", 0.0
	for _, e := range f.Proposal.Evidence {
		if e.GetNats() > most {
			group, most = e.GetGroup(), e.GetNats()
		}
	}
	return group
}

// clockOf is the stream time of a finding, else its event's own.
func clockOf(f *Finding) time.Time {
	if f.Clock.IsZero() {
		return f.Proposal.EventTime
	}
	return f.Clock
}
