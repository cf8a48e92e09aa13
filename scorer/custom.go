package scorer

import (
	"github.com/vigil-gateway/vigil/scorer/anomaly"
	"github.com/vigil-gateway/vigil/scorer/ensemble"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/rules"
)

// custom is what a model says beyond the weights of its signals: rules, models,
// exceptions and classes of routes.
type custom struct {
	plain bool
	rules *rules.Set
	terms judge.Terms
	// Models keep what they have learned when another risk model comes in force.
	ensembles *ensemble.Set
	anomaly   *anomaly.Set
	input     rules.Input
}

// use puts a model in force.
func (c *custom) use(m *model.Model) {
	c.plain, c.rules, c.terms = m.Plain(), rules.NewSet(m.Rules), judge.Terms{}
	if c.ensembles == nil {
		c.forget(m)
	}
	v, a := m.Volume, m.Signals[evidence.Anomaly]
	c.ensembles.Use(m.Ensembles, ensemble.Params{Look: v.Look, Quarantine: m.Learning.Quarantine})
	c.anomaly.Use(anomaly.Params{On: a.On, Max: a.Max, HalfLife: m.Session.HalfLife, Quarantine: m.Learning.Quarantine})
}

// forget drops what the models have learned.
func (c *custom) forget(m *model.Model) {
	c.ensembles, c.anomaly = ensemble.NewSet(), anomaly.NewSet(m.Limits.DetectorsMax)
}

// weigh turns findings into shares of the score under the model's terms; common is
// [Engine.common]. A model that has none takes the short way.
func (e *Engine) weigh(x *evidence.Context, findings []evidence.Finding, common *entity.Prevalence) ([]judge.Share, float64) {
	c := &e.custom
	c.terms.Class = e.model.Class(x.Event)
	class := ""
	if c.terms.Class != nil {
		class = c.terms.Class.ID
	}
	if f, found := c.anomaly.Look(x, class); found {
		findings = append(findings, f)
	}
	c.terms.Common = common
	if c.plain {
		return judge.Weigh(e.model, c.terms, findings, nil, e.shares[:0])
	}
	kind := model.KindOf(x.Event)
	c.terms.Brought = c.ensembles.Find(x, kind)
	c.terms.Exceptions = e.model.Excepted(x.Event, x.Now, c.terms.Exceptions[:0])
	shares, score := judge.Weigh(e.model, c.terms, findings, nil, e.shares[:0])
	if len(e.model.Rules) == 0 {
		return shares, score
	}
	x.Session.Suspicion.Decay(x.Now, e.model.Pace())
	c.input = rules.Input{
		Context: x, Kind: kind, Class: class, Findings: findings, Score: score,
		Suspicion: x.Session.Suspicion.Total(e.model.Session.Floor),
	}
	found := c.rules.Find(&c.input)
	c.input = rules.Input{} // The engine keeps nothing of an event.
	if len(found) == 0 {
		return shares, score
	}
	return judge.Weigh(e.model, c.terms, findings, found, e.shares[:0])
}

// teachModels lets the models learn, late, from what they were shown: from this
// event unless its session is suspicious, and from earlier ones whose sessions
// have stayed clean.
func (e *Engine) teachModels(x *evidence.Context, suspicion float64) {
	suspicious := x.Session.Tainted || suspicion >= e.model.Learning.CleanBelow
	e.custom.anomaly.Learn(x, suspicious, e.clean)
	e.custom.ensembles.Learn(x.Now, suspicious, e.clean)
}

// stillClean reports whether an actor is known, had no verdict and is not under
// suspicion.
func (e *Engine) stillClean(actor entity.Key) bool {
	clean := false
	e.visit(actor, func(s *entity.Session) {
		if s.Tainted {
			return
		}
		s.Suspicion.Decay(e.clock.Now(), e.model.Pace())
		clean = s.Suspicion.Total(0) < e.model.Learning.CleanBelow
	})
	return clean
}

// Rules says how each custom rule of the model in force has fared.
func (e *Engine) Rules() []rules.Count { return e.custom.rules.Counts() }
