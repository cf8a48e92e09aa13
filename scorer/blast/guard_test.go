package blast_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/scorer/blast"
)

// ends are verdicts on targets first, first+1, …, each a second after the one before.
type ends struct {
	after  time.Duration
	tenant string
	group  string
	first  int
	n      int
}

func TestGuard(t *testing.T) {
	limits := blast.Limits{Share: 0.05, Least: 3, Window: 10 * time.Minute}
	tests := map[string]struct {
		active []int // By partition, of tenant a.
		story  []ends
		want   int // How many of the last chapter are allowed.
	}{
		"a few may always be ended":                  {nil, []ends{{0, "a", "walk", 0, 10}}, 3},
		"a large tenant may lose more":               {[]int{150, 50}, []ends{{0, "a", "walk", 0, 20}}, 10},
		"one target counts once":                     {nil, []ends{{0, "a", "walk", 0, 2}, {0, "a", "walk", 0, 2}, {0, "a", "walk", 1, 2}}, 2},
		"each group has its own account":             {nil, []ends{{0, "a", "walk", 0, 9}, {0, "a", "network", 0, 9}}, 3},
		"each tenant has its own account":            {nil, []ends{{0, "a", "walk", 0, 9}, {0, "b", "walk", 0, 9}}, 3},
		"another tenant's sessions do not count":     {[]int{1000}, []ends{{0, "b", "walk", 0, 9}}, 3},
		"what was ended long ago does not count":     {nil, []ends{{0, "a", "walk", 0, 3}, {11 * time.Minute, "a", "walk", 10, 3}}, 3},
		"who has tripped waits, however long":        {nil, []ends{{0, "a", "walk", 0, 4}, {24 * time.Hour, "a", "walk", 10, 3}}, 0},
		"who has tripped waits for old targets, too": {nil, []ends{{0, "a", "walk", 0, 4}, {0, "a", "walk", 0, 3}}, 0},
		"many at the edge of the window are bounded": {nil, []ends{{0, "a", "walk", 0, 3}, {9 * time.Minute, "a", "walk", 10, 3}}, 0},
		"time that runs backwards opens nothing":     {nil, []ends{{0, "a", "walk", 0, 3}, {-time.Hour, "a", "walk", 10, 3}}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := blast.New(limits)
			for p, n := range tt.active {
				g.Active(p, map[string]int{"a": n})
			}
			now, allowed := int64(1e18), 0
			for _, c := range tt.story {
				now += int64(c.after)
				allowed = 0
				for i := range c.n {
					now += int64(time.Second)
					if g.End(c.tenant, c.group, fmt.Sprint("s", c.first+i), false, now) {
						allowed++
					}
				}
			}
			if allowed != tt.want {
				t.Errorf("%d are allowed, want %d", allowed, tt.want)
			}
		})
	}
}

func TestAPersonReleases(t *testing.T) {
	g := blast.New(blast.Limits{Share: 0.05, Least: 1, Window: time.Minute})
	at := time.Date(2026, time.March, 2, 8, 0, 0, 0, time.UTC)
	for i := range 4 {
		g.End("a", "walk", fmt.Sprint(i), false, at.UnixNano())
	}
	want := []blast.Trip{{Tenant: "a", Group: "walk", Since: at, Held: 3}}
	if diff := cmp.Diff(want, g.Trips()); diff != "" || !g.Tripped("a", "walk") {
		t.Errorf("what waits (-want +got):\n%s", diff)
	}
	if g.Release("a", "network") || !g.Release("a", "walk") || len(g.Trips()) != 0 {
		t.Errorf("after the release %v wait", g.Trips())
	}
	if !g.End("a", "walk", "x", false, at.UnixNano()) || g.End("a", "walk", "y", false, at.UnixNano()) {
		t.Error("the account does not begin anew")
	}
}

// However many tenants and groups there are, only so many are told apart.
func TestTheGuardIsBounded(t *testing.T) {
	g := blast.New(blast.Limits{Share: 1, Least: 1, Window: time.Hour})
	const tenants, groups = 5000, 200
	for i := range tenants {
		g.End(fmt.Sprint("t", i), "walk", "x", false, 1)
	}
	for i := range groups {
		g.End("t0", fmt.Sprint("g", i), fmt.Sprint("x", i), false, 1)
	}
	trips := g.Trips()
	if len(trips) != 1 || trips[0].Tenant != "t0" || trips[0].Group != "" {
		t.Errorf("late-comers share an account: %v", trips)
	}
}

// A partition's sessions count as it says last, and not once it has gone.
func TestOnlyActiveSessionsCount(t *testing.T) {
	g := blast.New(blast.Limits{Share: 0.1, Least: 1, Window: time.Hour})
	tests := []struct {
		name      string
		partition int
		sessions  map[string]int
		want      int // Of tenant a.
	}{
		{"two partitions add up", 0, map[string]int{"a": 100, "b": 50}, 10},
		{"two partitions add up", 1, map[string]int{"a": 100}, 20},
		{"a tenant that is not named has none", 0, map[string]int{"b": 50}, 10},
		{"a partition that has gone has none", 1, nil, 1},
	}
	for _, tt := range tests {
		g.Active(tt.partition, tt.sessions)
		if got := g.Allowed("a", false); got != tt.want {
			t.Errorf("%s: %d may be ended, want %d", tt.name, got, tt.want)
		}
	}
}

// What one process may end is its part of what all may, and what is judged in one place
// may end of all sessions, not of those that are scored there.
func TestTheAllowanceIsThatOfAllPartitions(t *testing.T) {
	tests := map[string]struct {
		partitions  int
		active      []int // By partition that is scored here.
		part, whole int
	}{
		"one process has all of it":                           {4, []int{100, 100, 100, 100}, 40, 40},
		"a quarter of the sessions has a quarter":             {4, []int{100}, 10, 40},
		"of the least, too":                                   {4, []int{8}, 2, 8},
		"a part of the least is rounded up":                   {48, []int{0}, 1, 8},
		"facets alone know of no session":                     {4, nil, 8, 8},
		"partitions that nobody has counted are those here":   {0, []int{100, 100}, 20, 20},
		"a count that is older than what is here is not less": {1, []int{100, 100}, 20, 20},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := blast.New(blast.Limits{Share: 0.1, Least: 8, Window: time.Hour})
			g.Of(tt.partitions)
			for p, n := range tt.active {
				g.Active(p, map[string]int{"a": n})
			}
			if part, whole := g.Allowed("a", false), g.Allowed("a", true); part != tt.part || whole != tt.whole {
				t.Errorf("%d may be ended here and %d of a whole, want %d and %d", part, whole, tt.part, tt.whole)
			}
		})
	}
}
