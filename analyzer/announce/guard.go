package announce

import (
	"context"
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/blast"
)

// ActiveFor is how long after its last event a session counts as active.
const ActiveFor = 10 * time.Minute

// guard is the blast-radius guard over all partitions of this process.
type guard struct {
	mu    sync.Mutex
	blast *blast.Guard
	// releases counts the releases, so that a partition sees that there was one.
	releases int
}

func newGuard(c BlastRadius) *guard {
	return &guard{blast: blast.New(blast.Limits{Share: c.Share, Least: c.Least, Window: c.Window})}
}

// allow reports whether a verdict that ends sessions may go out.
func (g *guard) allow(v *verdict.Verdict, group string, clock time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.blast.End(v.Tenant, group, v.Target.GetKind()+"\x00"+v.Target.GetId(), clock.UnixNano())
}

func (g *guard) tripped(tenant, group string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.blast.Tripped(tenant, group)
}

// Active notes how many sessions of each tenant are active in the partition; nil
// says that it is scored elsewhere from now on.
func (p *Partition) Active(sessions map[string]int) {
	g := p.announcer.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	g.blast.Active(p.number, sessions)
}

// Held lists the groups of evidence whose verdicts wait for a person.
func (a *Announcer) Held() []blast.Trip {
	a.guard.mu.Lock()
	defer a.guard.mu.Unlock()
	return a.guard.blast.Trips()
}

// Release lets the verdicts of a tenant that rest on a group of evidence go out
// again, those that wait among them, and reports whether any did.
func (a *Announcer) Release(ctx context.Context, tenant, group string) bool {
	a.guard.mu.Lock()
	defer a.guard.mu.Unlock()
	if !a.guard.blast.Release(tenant, group) {
		return false
	}
	a.guard.releases++
	a.logger.WarnContext(ctx, "verdicts that waited for a person are released", "tenant", tenant, "group", group)
	return true
}

// hold keeps a finding for the person who may release it; the oldest gives way.
func (p *Partition) hold(f Finding) {
	if len(p.held) >= heldMax {
		p.held = append(p.held[:0], p.held[1:]...)
	}
	p.held = append(p.held, f)
}

// let returns the findings that waited and wait no longer, in their order; those
// that have lapsed meanwhile are dropped.
func (p *Partition) let(now time.Time) []Finding {
	g := p.announcer.guard
	g.mu.Lock()
	releases := g.releases
	g.mu.Unlock()
	if releases == p.releases {
		return nil
	}
	p.releases = releases
	var free []Finding
	kept := p.held[:0]
	for _, f := range p.held {
		switch {
		case !f.Proposal.Until.After(now):
		case g.tripped(f.Proposal.Tenant, groupOf(&f)):
			kept = append(kept, f)
		default:
			f.released = true
			free = append(free, f)
		}
	}
	p.held = kept
	return free
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
