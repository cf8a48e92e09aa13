package soak

import (
	"io"

	"github.com/vigil-gateway/vigil/cmd/internal/life/sheet"
	"github.com/vigil-gateway/vigil/scorer/budget"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// Level is the threshold of one rung, and the one that the budget would bear.
type Level struct {
	Kind   string  `json:"kind"`
	Action string  `json:"action"`
	Budget float64 `json:"budget"`
	// Threshold is the model's, Fitted that of a tail fitted to the largest
	// suspicion of each clean subject-day, 0 where the days are too few.
	Threshold float64 `json:"threshold"`
	Fitted    float64 `json:"fitted"`
	// Extrapolated is how many times rarer the budget is than anything seen.
	Extrapolated float64 `json:"extrapolated"`
	// Largest is the largest suspicion of any clean subject-day.
	Largest float64 `json:"largest"`
}

func rungsOf(m *model.Model) int {
	most := 1
	for _, kind := range model.Kinds() {
		most = max(most, len(m.Ladder(kind)))
	}
	return most
}

// fit fits a tail to each rung, as vigil calibrate does.
func (r *Report) fit(m *model.Model, gather *budget.Collector) {
	for _, kind := range model.Kinds() {
		k := gather.Kinds()[kind]
		if k == nil {
			continue
		}
		for i, rung := range m.Ladder(kind) {
			l := Level{Kind: kind, Action: rung.Action, Budget: m.Budget(kind, rung.Action), Threshold: rung.Threshold}
			tail, err := budget.Fit(k.Rungs[i].Maxima, float64(k.Days))
			if err == nil && l.Budget > 0 {
				l.Fitted, l.Extrapolated = tail.Level(l.Budget / model.BudgetDays)
				l.Largest = tail.Largest
			}
			r.Levels = append(r.Levels, l)
		}
	}
}

func (r *Report) printLevels(t io.Writer) {
	if len(r.Levels) == 0 {
		return
	}
	sheet.Say(t, "\nthresholds: the model's, and what the budget would bear\nkind\taction\tbudget\tthreshold\tfitted\tbeyond data\tlargest seen\n")
	for _, l := range r.Levels {
		sheet.Say(t, "%s\t%s\t%g\t%g\t%.1f\t%.1f\t%.1f\n", l.Kind, l.Action, l.Budget, l.Threshold, l.Fitted, l.Extrapolated, l.Largest)
	}
}
