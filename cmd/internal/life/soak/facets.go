package soak

import (
	"slices"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/facet"
	"github.com/vigil-gateway/vigil/scorer/judge"
)

// FacetRow is what became of the verdicts about one kind of facet.
type FacetRow struct {
	Target   string `json:"target"`
	Action   string `json:"action"`
	Verdicts int    `json:"verdicts"`
	// Touched counts honest subjects and addresses that met one, once a verdict.
	Touched int `json:"touched"`
}

// facetBook holds the verdicts about facets that are in force.
type facetBook struct{ live []*facetVerdict }

type facetVerdict struct {
	proposal judge.Proposal
	row      *FacetRow
	touched  map[string]bool
}

// open books new verdicts and closes those that have ended.
func (b *facetBook) open(r *Report, proposals []judge.Proposal, ev *event.RequestEvent) {
	at := ev.GetTime().AsTime()
	b.live = slices.DeleteFunc(b.live, func(v *facetVerdict) bool { return !at.Before(v.proposal.Until) })
	for _, p := range proposals {
		row := r.facetRow(p.Target.GetKind(), p.Action)
		row.Verdicts++
		b.live = append(b.live, &facetVerdict{proposal: p, row: row, touched: make(map[string]bool)})
	}
}

// touching are the verdicts that touch an event.
func (b *facetBook) touching(ev *event.RequestEvent) []*facetVerdict {
	var list []*facetVerdict
	for _, v := range b.live {
		if v.proposal.Tenant == ev.GetTenant() && facet.Matches(v.proposal.Target, ev) {
			list = append(list, v)
		}
	}
	return list
}

// touch reports whether an actor meets a verdict for the first time.
func (v *facetVerdict) touch(actor string) bool {
	if v.touched[actor] {
		return false
	}
	v.touched[actor] = true
	return true
}

func (r *Report) facetRow(target, action string) *FacetRow {
	for _, f := range r.Facets {
		if f.Target == target && f.Action == action {
			return f
		}
	}
	f := &FacetRow{Target: target, Action: action}
	r.Facets = append(r.Facets, f)
	return f
}
