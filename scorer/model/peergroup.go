package model

import (
	"slices"
	"strings"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

// PeerGroup is a set of subjects with whom each of them is compared before the
// tenant as a whole, such as a department. Those conditions that are set must all
// hold of an event; at least one is set.
type PeerGroup struct {
	ID string
	// Tenants, SubjectKinds and ClientIDs list what an event must say, one of each
	// that is not empty.
	Tenants, SubjectKinds, ClientIDs []string
	// Attributes must all be among those of the event.
	Attributes []AttributeValues

	name profile.Name
}

// AttributeValues is an attribute of an event, and the values one of which it must
// have. An attribute may list several, with commas between them, as that of roles
// does.
type AttributeValues struct {
	Name   string
	Values []string
}

func (a *AttributeValues) matches(ev *event.RequestEvent) bool {
	text, has := ev.GetAttributes()[a.Name]
	for has {
		var value string
		value, text, has = strings.Cut(text, ",")
		if slices.Contains(a.Values, strings.TrimSpace(value)) {
			return true
		}
	}
	return false
}

func (g *PeerGroup) matches(ev *event.RequestEvent) bool {
	one := func(list []string, value string) bool { return len(list) == 0 || slices.Contains(list, value) }
	if !one(g.Tenants, ev.GetTenant()) || !one(g.SubjectKinds, KindOf(ev)) || !one(g.ClientIDs, ev.GetClientId()) {
		return false
	}
	for i := range g.Attributes {
		if !g.Attributes[i].matches(ev) {
			return false
		}
	}
	return true
}

// PeerGroupOf is the name of the first peer group that an event's subject is in,
// empty for none.
func (m *Model) PeerGroupOf(ev *event.RequestEvent) profile.Name {
	for i := range m.PeerGroups {
		if m.PeerGroups[i].matches(ev) {
			return m.PeerGroups[i].name
		}
	}
	return profile.Name{}
}

// HasPeerGroup reports whether the model has a peer group of a name.
func (m *Model) HasPeerGroup(name profile.Name) bool {
	for i := range m.PeerGroups {
		if m.PeerGroups[i].name == name {
			return true
		}
	}
	return false
}

// WithPeerGroups returns the same model with other peer groups, which has another
// digest where they differ.
func (m *Model) WithPeerGroups(groups []PeerGroup) *Model {
	other := *m
	other.PeerGroups = slices.Clone(groups)
	for i := range other.PeerGroups {
		other.PeerGroups[i].name = profile.NameOf(other.PeerGroups[i].ID)
	}
	other.seal()
	return &other
}

// canonicalPeers is the part of the peer groups in [Model.Canonical].
func (m *Model) canonicalPeers(line func(key string, values ...string)) {
	for i := range m.PeerGroups {
		g := &m.PeerGroups[i]
		line("peer_group", quote(g.ID), quote(g.Tenants...), quote(g.SubjectKinds...), quote(g.ClientIDs...))
		for _, a := range g.Attributes {
			line("peer_group_attribute", quote(a.Name), quote(a.Values...))
		}
	}
}
