package scorer

import (
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// common is what the days of subjects like the event's show, nil for addresses:
// anybody can have a thousand of those.
func (e *Engine) common(x *evidence.Context) *entity.Prevalence {
	switch {
	case x.Subject == nil || e.model.Learning.CommonAbove >= 1:
		return nil
	case model.KindOf(x.Event) == event.SubjectHuman:
		return &x.Tenant.People
	}
	return &x.Tenant.Machines
}

// dawn counts a day of the event's subject when it is over.
func (e *Engine) dawn(x *evidence.Context, common *entity.Prevalence) {
	if common == nil || !x.Subject.DayOver(x.Now) {
		return
	}
	place := &x.Subject.LastPlace
	weight := x.Tenant.Days.Weight(place.Prefix, evidence.Hash(place.Network.String()), x.Now, &e.model.Learning)
	x.Subject.Turn(x.Now, common, weight)
}

// remember takes down what the event adds to its subject's day. Of a day on
// which somebody was found out to be another, nothing counts.
func (e *Engine) remember(x *evidence.Context, common *entity.Prevalence, ruling *judge.Ruling) {
	if common == nil {
		return
	}
	for i := range e.shares {
		s := &e.shares[i]
		if s.Rule == nil && s.Ensemble == nil && s.Common() {
			x.Subject.Show(int(s.Signal), s.Finding.Nats)
		}
	}
	if ruling.Hard || verdict.Strength(ruling.Action) >= verdict.Strength(verdict.ActionRevoke) {
		x.Subject.Unshow()
	}
}
