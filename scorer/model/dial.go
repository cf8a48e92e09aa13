package model

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/vigil-gateway/vigil/scorer/budget"
)

// tail reads how the maxima of clean subject-days are distributed above a level.
func (r *reader) tail(n *yaml.Node, key string) *budget.Tail {
	var t budget.Tail
	r.mapping(n, key, []field{
		{"start", r.floatField(&t.Start, 0, thresholdMax)},
		{"scale", r.floatField(&t.Scale, 1e-6, thresholdMax)},
		{"shape", r.floatField(&t.Shape, budget.ShapeMin, budget.ShapeMax)},
		{"beyond", r.countField(&t.Beyond, tailDaysMax)},
		{"days", r.floatField(&t.Days, 1, tailDaysMax)},
	}, "start", "scale", "shape", "beyond", "days")
	if float64(t.Beyond) > t.Days {
		r.fault(n, join(key, "beyond"), fmt.Sprintf("%d days of %g cannot be beyond the start", t.Beyond, t.Days))
	}
	return &t
}

// dial turns the budget into the thresholds of all rungs that have a tail, so
// that who changes the budget need not fit anything again. A stronger action
// never needs less suspicion than a weaker one.
func (r *reader) dial(n *yaml.Node, m *Model) {
	at := section(n, "budget", "ladders")
	for i := range m.Ladders {
		l := &m.Ladders[i]
		l.Rungs = slices.Clone(l.Rungs) // The model that ships keeps its own.
		least, weaker := 0.0, ""
		for j := range l.Rungs {
			g := &l.Rungs[j]
			if g.Tail == nil {
				if least > g.Threshold {
					r.fault(at, "budget", fmt.Sprintf("keeping that of %s for %s takes %g nats, above the threshold of %s, %g: allow more, or raise that threshold", weaker, l.Kind, least, g.Action, g.Threshold))
				}
				least = g.Threshold
				continue
			}
			nats, _ := g.Tail.Threshold(m.Budget(l.Kind, g.Action) / BudgetDays)
			g.Threshold = max(least, thresholdMin, min(nats, thresholdMax))
			least, weaker = g.Threshold, g.Action
		}
	}
}

// Bounds of a threshold in nats, and of a tail in subject-days.
const (
	thresholdMin = 0.1
	thresholdMax = 1000
	tailDaysMax  = 1e9
)
