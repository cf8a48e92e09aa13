package entity

import (
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// PeerGroup is what the clean sessions of some of a tenant's subjects have taught:
// those whom the model counts as one group, such as a department. It stands between
// a subject's habits and the tenant's. How much somebody does is no matter of a
// group: who empties a database is not excused by colleagues who may.
type PeerGroup struct {
	Name profile.Name
	// At is when the counts were last decayed.
	At    int64
	Kinds [KindCount]profile.Categorical
	Week  profile.Week
	// Members are the subjects that have taught the group, by their hashes.
	Members Crowd
}

// hoursFrom is the weight from which a session teaches its group when it is active:
// that of a member's first two of a day.
const hoursFrom = 0.5

// Worth is what one observation of a habit says about the group, where members
// back off to it with concentration a; see [profile.Worth].
func (g *PeerGroup) Worth(kind Kind, a float64) float64 {
	return profile.Worth(g.Kinds[kind].Total(), g.Members.Size(), a)
}

// WeekWorth is Worth for an active hour.
func (g *PeerGroup) WeekWorth() float64 {
	return profile.Worth(g.Week.Total(), g.Members.Size(), profile.WeekConcentration)
}

// learn adds what a session of a member has to teach.
func (g *PeerGroup) learn(p *Pending, member uint64, now int64, halfLife time.Duration, weight float64) {
	if g.At != 0 && now > g.At {
		f := exact.Decay(float64(now-g.At), float64(halfLife))
		for i := range g.Kinds {
			g.Kinds[i].Decay(f)
		}
	}
	g.At = max(g.At, now)
	g.Members.Add(member, CrowdSmall, now)
	for i := range p.Seen {
		v := &p.Seen[i]
		if !v.Fresh || !taughtToPeers(Kind(v.Kind)) {
			continue
		}
		limit := groupValuesMax
		if Kind(v.Kind) == Routes {
			limit = groupRoutesMax
		}
		g.Kinds[v.Kind].Add(v.Name, weight, limit)
	}
	if weight >= hoursFrom { // Hours are counted whole.
		p.EachHour(g.Week.Add)
	}
}

// taughtToPeers reports whether a kind of value says something about others: no
// two people share a device key, and few a prefix.
func taughtToPeers(kind Kind) bool { return kind != Devices && kind != Prefixes && kind != Flagged }

// Group is the peer group of a name, nil where nobody has taught it.
func (t *Tenant) Group(name profile.Name) *PeerGroup {
	for i := range t.groups {
		if t.groups[i].Name == name {
			return t.groups[i]
		}
	}
	return nil
}

// LearnGroup adds what a session of a member, by his hash, has to teach the group
// that it belongs to. Names are those that the model knows, so there are few.
func (t *Tenant) LearnGroup(name profile.Name, p *Pending, member uint64, now int64, halfLife time.Duration, weight float64) {
	g := t.Group(name)
	if g == nil {
		g = &PeerGroup{Name: name}
		t.groups = append(t.groups, g)
	}
	g.learn(p, member, now, halfLife, weight)
}

// Groups is how many peer groups have been taught.
func (t *Tenant) Groups() int { return len(t.groups) }

// KeepGroups forgets the peer groups that are not to be kept, and returns how many
// that were.
func (t *Tenant) KeepGroups(keep func(profile.Name) bool) int {
	before := len(t.groups)
	t.groups = slices.DeleteFunc(t.groups, func(g *PeerGroup) bool { return !keep(g.Name) })
	return before - len(t.groups)
}

func (g *PeerGroup) code(k *snapshot.Codec) {
	g.Name.Code(k)
	k.I64(&g.At)
	for i := range g.Kinds {
		g.Kinds[i].Code(k)
	}
	g.Week.Code(k)
	g.Members.code(k)
}
