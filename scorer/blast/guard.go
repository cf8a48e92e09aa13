package blast

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Limits say how much is too much.
type Limits struct {
	// Share of the active sessions, above 0 and at most 1.
	Share float64
	// Least is how many may always be ended, at least 1.
	Least int
	// Window is how long an end counts.
	Window time.Duration
}

// Guard counts what automatic verdicts end.
type Guard struct {
	limits     Limits
	tenants    map[string]*tenant
	known      map[int]struct{} // Partitions that are scored here and have said how many are active.
	partitions int              // How many there are anywhere, 0 where nobody has said.
}

type tenant struct {
	active map[int]int // By partition.
	groups map[string]*account
}

// account is what one group has ended in one tenant.
type account struct {
	ended   map[string]int64 // Targets, and when.
	tripped int64            // When it tripped, 0 for not.
	held    int
}

// New returns a guard that has seen nothing.
func New(l Limits) *Guard {
	return &Guard{limits: l, tenants: make(map[string]*tenant), known: make(map[int]struct{})}
}

func (g *Guard) tenant(name string) *tenant {
	t := g.tenants[name]
	if t == nil {
		if len(g.tenants) >= tenantsMax {
			name = "" // What late-comers share.
			t = g.tenants[name]
		}
		if t == nil {
			t = &tenant{active: make(map[int]int), groups: make(map[string]*account)}
			g.tenants[name] = t
		}
	}
	return t
}

func (t *tenant) account(group string) *account {
	a := t.groups[group]
	if a == nil {
		if len(t.groups) >= groupsMax {
			group = ""
			a = t.groups[group]
		}
		if a == nil {
			a = &account{ended: make(map[string]int64)}
			t.groups[group] = a
		}
	}
	return a
}

// Active notes how many sessions are active in a partition, by tenant, in place
// of what was noted before; nil says that it is scored elsewhere now.
func (g *Guard) Active(partition int, sessions map[string]int) {
	for _, t := range g.tenants {
		delete(t.active, partition)
	}
	delete(g.known, partition)
	if sessions != nil {
		g.known[partition] = struct{}{}
	}
	for _, name := range slices.Sorted(maps.Keys(sessions)) {
		g.tenant(name).active[partition] += sessions[name]
	}
}

// Of notes how many partitions there are, those that are scored elsewhere among them.
func (g *Guard) Of(partitions int) { g.partitions = partitions }

// Allowed is how many sessions of a tenant one group may end within the window. Who
// judges partitions has the part of the allowance that his partitions are of all; who
// judges the tenant as a whole has all of it, for as many sessions as there would be
// if all partitions were like those that are known.
func (g *Guard) Allowed(name string, whole bool) int {
	active := 0
	for _, n := range g.tenant(name).active {
		active += n
	}
	known := len(g.known)
	of := max(g.partitions, known, 1)
	if known == 0 {
		known = of
	}
	if whole {
		return max(g.limits.Least, int(g.limits.Share*float64(active)*float64(of)/float64(known)))
	}
	return max((g.limits.Least*known+of-1)/of, int(g.limits.Share*float64(active)))
}

// End reports whether a verdict that rests on a group of evidence may end a
// target at stream time now, in nanoseconds since 1970; whole as for [Guard.Allowed].
func (g *Guard) End(name, group, target string, whole bool, now int64) bool {
	a := g.tenant(name).account(group)
	for t, at := range a.ended {
		if now-at >= int64(g.limits.Window) {
			delete(a.ended, t)
		}
	}
	_, again := a.ended[target]
	switch {
	case a.tripped == 0 && again:
		return true
	case a.tripped == 0 && len(a.ended) < min(g.Allowed(name, whole), endedMax):
		a.ended[target] = now
		return true
	case a.tripped == 0:
		a.tripped = max(1, now)
	}
	a.held++
	return false
}

// Trip holds a group from now on, as after a restart of the process in which it
// tripped at a stream time, in nanoseconds since 1970.
func (g *Guard) Trip(name, group string, at int64) {
	a := g.tenant(name).account(group)
	if a.tripped == 0 || at < a.tripped {
		a.tripped = max(1, at)
	}
	a.held++
}

// Trip is a group of evidence whose verdicts wait for a person.
type Trip struct {
	Tenant, Group string
	// Since is the stream time of the first that waits.
	Since time.Time
	// Held is how many have been held since.
	Held int
}

// Trips lists what waits, by tenant and group.
func (g *Guard) Trips() []Trip {
	var list []Trip
	for name, t := range g.tenants {
		for group, a := range t.groups {
			if a.tripped != 0 {
				list = append(list, Trip{Tenant: name, Group: group, Since: time.Unix(0, a.tripped).UTC(), Held: a.held})
			}
		}
	}
	slices.SortFunc(list, func(a, b Trip) int { return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Group, b.Group)) })
	return list
}

// Tripped reports whether verdicts of a group wait for a person.
func (g *Guard) Tripped(name, group string) bool { return g.tenant(name).account(group).tripped != 0 }

// Release lets a group's verdicts go again, with nothing on its account, and
// reports whether any waited.
func (g *Guard) Release(name, group string) bool {
	a := g.tenant(name).account(group)
	if a.tripped == 0 {
		return false
	}
	*a = account{ended: make(map[string]int64)}
	return true
}
