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
	limits  Limits
	tenants map[string]*tenant
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
func New(l Limits) *Guard { return &Guard{limits: l, tenants: make(map[string]*tenant)} }

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
	for _, name := range slices.Sorted(maps.Keys(sessions)) {
		g.tenant(name).active[partition] += sessions[name]
	}
}

// Allowed is how many sessions of a tenant one group may end within the window.
func (g *Guard) Allowed(name string) int {
	active := 0
	for _, n := range g.tenant(name).active {
		active += n
	}
	return max(g.limits.Least, int(g.limits.Share*float64(active)))
}

// End reports whether a verdict that rests on a group of evidence may end a
// target at stream time now, in nanoseconds since 1970.
func (g *Guard) End(name, group, target string, now int64) bool {
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
	case a.tripped == 0 && len(a.ended) < min(g.Allowed(name), endedMax):
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
