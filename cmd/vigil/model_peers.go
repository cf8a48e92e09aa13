package main

import (
	"strings"

	"github.com/vigil-gateway/vigil/scorer/model"
)

type peerGroupView struct {
	ID           string          `json:"id"`
	Tenants      []string        `json:"tenants,omitempty"`
	SubjectKinds []string        `json:"subject_kinds,omitempty"`
	ClientIDs    []string        `json:"client_ids,omitempty"`
	Attributes   []attributeView `json:"attributes,omitempty"`
}

// attributeView is one condition: a group may have two on one attribute, as for who
// has two roles.
type attributeView struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

func peerGroupViews(m *model.Model) []peerGroupView {
	var views []peerGroupView
	for i := range m.PeerGroups {
		g := &m.PeerGroups[i]
		v := peerGroupView{ID: g.ID, Tenants: g.Tenants, SubjectKinds: g.SubjectKinds, ClientIDs: g.ClientIDs}
		for _, a := range g.Attributes {
			v.Attributes = append(v.Attributes, attributeView(a))
		}
		views = append(views, v)
	}
	return views
}

// peersOf says who is in a peer group.
func peersOf(g *model.PeerGroup) string {
	var parts []string
	say := func(what string, values []string) {
		if len(values) > 0 {
			parts = append(parts, what+" "+clean(strings.Join(values, " or ")))
		}
	}
	say("tenant", g.Tenants)
	say("subject kind", g.SubjectKinds)
	say("client", g.ClientIDs)
	for _, a := range g.Attributes {
		say(clean(a.Name), a.Values)
	}
	return strings.Join(parts, ", ")
}

func showPeerGroups(p printer, m *model.Model) {
	for i := range m.PeerGroups {
		g := &m.PeerGroups[i]
		say(p.w, "\n%s %s: %s\n", p.paint(bold, "PEER GROUP"), g.ID, peersOf(g))
	}
}

// peerGroups compares who is compared with whom.
func (d *differ) peerGroups(old, now *model.Model) {
	id := func(g *model.PeerGroup) string { return g.ID }
	named(d, "peer group", old.PeerGroups, now.PeerGroups, id, func(a, b *model.PeerGroup) {
		if peersOf(a) != peersOf(b) {
			d.say("peer group %s is %s instead of %s; what it has learned stays", b.ID, peersOf(b), peersOf(a))
		}
	}, func(g *model.PeerGroup) {
		d.say("peer group %s is new: %s", g.ID, peersOf(g))
	})
	d.order("peer groups", ids(old.PeerGroups, id), ids(now.PeerGroups, id))
}
