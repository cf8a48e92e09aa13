package scorer

import (
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/rules"
)

// custom is what a model says beyond the weights of its signals: rules,
// exceptions and classes of routes.
type custom struct {
	plain bool
	rules *rules.Set
	terms judge.Terms
	input rules.Input
}

func newCustom(m *model.Model) custom {
	return custom{plain: m.Plain(), rules: rules.NewSet(m.Rules)}
}

// weigh turns findings into shares of the score under the model's terms. A
// model that has none takes the short way.
func (e *Engine) weigh(x *evidence.Context, findings []evidence.Finding) ([]judge.Share, float64) {
	if e.custom.plain {
		return judge.Weigh(e.model, findings, e.shares[:0])
	}
	c := &e.custom
	c.terms.Class = e.model.Class(x.Event)
	c.terms.Exceptions = e.model.Excepted(x.Event, x.Now, c.terms.Exceptions[:0])
	shares, score := judge.WeighUnder(e.model, c.terms, findings, nil, e.shares[:0])
	if len(e.model.Rules) == 0 {
		return shares, score
	}
	x.Session.Suspicion.Decay(x.Now, e.model.Pace())
	c.input = rules.Input{
		Context: x, Kind: kindOf(x.Event), Findings: findings, Score: score,
		Suspicion: x.Session.Suspicion.Total(e.model.Session.Floor),
	}
	if c.terms.Class != nil {
		c.input.Class = c.terms.Class.ID
	}
	found := c.rules.Find(&c.input)
	c.input = rules.Input{} // The engine keeps nothing of an event.
	if len(found) == 0 {
		return shares, score
	}
	return judge.WeighUnder(e.model, c.terms, findings, found, e.shares[:0])
}

// Rules says how each custom rule of the model in force has fared.
func (e *Engine) Rules() []rules.Count { return e.custom.rules.Counts() }
