package evidence

import (
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

// Peers are those with whom a subject is compared: its tenant, and before that its
// peer group where it has one that has been taught.
type Peers struct {
	Tenant *entity.Tenant
	Group  *entity.PeerGroup // nil for none.
}

// Share is how usual a value is among the peers, and a what they weigh against the
// subject's own habit, in sessions; otherwise is that where it was not learned yet.
func (p Peers) Share(kind entity.Kind, name string, otherwise float64) (share, a float64) {
	share = tenantShare(p.Tenant, kind, name)
	a = p.Tenant.Shared.Concentration(int(kind), otherwise)
	if !p.grouped(kind) {
		return share, a
	}
	a, weight := p.Tenant.Shared.GroupConcentration(int(kind), a, otherwise)
	return p.Group.Kinds[kind].PAmong(name, p.Group.Worth(kind, a), share, weight), a
}

// grouped reports whether a group stands between the subject and the tenant.
func (p Peers) grouped(kind entity.Kind) bool {
	return p.Group != nil && p.Group.Kinds[kind].Total() > 0
}

// Hour is how usual an hour of the week is among the peers.
func (p Peers) Hour(hour int) float64 {
	share := p.Tenant.Week.P(hour, 1.0/profile.WeekHours)
	if p.Group == nil {
		return share
	}
	return p.Group.Week.PAmong(hour, p.Group.WeekWorth(), share)
}

// Trials are what values of one kind say about how far habits lie from each other:
// those of subjects without a group from the tenant's, those of members from their
// group's, and those of groups from the tenant's.
type Trials struct{ Tenant, Member, Group profile.Trial }

// Compare lets a value say so that a subject is about to learn. A group is asked
// only for what its member did not know, so only that says something about it.
func (p Peers) Compare(own *entity.Subject, kind entity.Kind, name string, otherwise float64, t *Trials) {
	share, a := p.Share(kind, name, otherwise)
	if !p.grouped(kind) {
		t.Tenant.Observe(&own.Kinds[kind], name, share)
		return
	}
	t.Member.Observe(&own.Kinds[kind], name, share)
	if !own.Kinds[kind].Has(name) {
		t.Group.ObserveAmong(&p.Group.Kinds[kind], name, p.Group.Worth(kind, a), tenantShare(p.Tenant, kind, name))
	}
}

// tenantShare is how much of a tenant's habit a value is, with the prior of any one
// value behind it.
func tenantShare(t *entity.Tenant, kind entity.Kind, name string) float64 {
	uniform := [entity.KindCount]float64{
		entity.Countries: countryUniform, entity.Networks: networkUniform, entity.Families: familyUniform, entity.Systems: systemUniform,
		entity.Devices: deviceUniform, entity.Routes: routeUniform, entity.Prefixes: prefixUniform, entity.JA4s: ja4Uniform,
	}
	return t.Subjects.Kinds[kind].P(name, uniform[kind], profile.PeerConcentration)
}

// toGroup says what a value that is new for the subject is for his peer group, ""
// where there is none.
func (k *Collector) toGroup(x *Context, kind entity.Kind, name string) string {
	switch {
	case !x.peers().grouped(kind):
		return ""
	case x.Group.Kinds[kind].Has(name):
		return k.sayf("; %s knows it", x.Group.Name.String())
	}
	return k.sayf("; new for %s", x.Group.Name.String())
}
