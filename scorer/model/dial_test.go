package model_test

import (
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// dialled is a model of one ladder whose step-up has a tail: 300 of 10,000 days
// go beyond 4 nats, and each nat more makes them e times as rare.
func dialled(budget, revoke string) string {
	return `
ladders:
  - kind: human
    rungs:
      - {action: throttle, threshold: 5, for: 10m}
      - {action: step_up, for: 30m, tail: {start: 4, scale: 1, shape: 0, beyond: 300, days: 10000}}
      - {action: revoke, threshold: ` + revoke + `, for: 12h}
budget: [{kind: human, step_up: ` + budget + `}]
`
}

func TestTheBudgetIsTheDial(t *testing.T) {
	for _, tt := range []struct {
		name, budget string
		want         float64
	}{
		{"a tenth of what goes beyond the start takes ln 10 more", "30", 6.31},
		{"a third of that takes ln 3 more", "10", 7.41},
		{"more than reaches the start stays above the weaker action", "400", 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := model.Parse("m.yaml", []byte(dialled(tt.budget, "15")))
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range m.Ladder(event.SubjectHuman) {
				if g.Action == verdict.ActionStepUp && g.Threshold != tt.want {
					t.Errorf("step_up at %g nats, want %g", g.Threshold, tt.want)
				}
			}
		})
	}
	strict, err := model.Parse("m.yaml", []byte(dialled("10", "15")))
	if err != nil {
		t.Fatal(err)
	}
	loose, err := model.Parse("m.yaml", []byte(dialled("30", "15")))
	if err != nil {
		t.Fatal(err)
	}
	if strict.Digest() == loose.Digest() {
		t.Error("two budgets have one digest")
	}
}

func TestDialsThatCannotBe(t *testing.T) {
	for _, tt := range []struct{ name, file, want string }{
		{"a budget that needs more than a stronger action", dialled("0.1", "8"), "keeping that of step_up for human takes 12.01 nats, above the threshold of revoke, 8"},
		{"threshold and tail", strings.Replace(dialled("10", "15"), "step_up, ", "step_up, threshold: 6, ", 1), "ladders[0].rungs[1].threshold: is what the tail and the budget say"},
		{"neither of them", strings.Replace(dialled("10", "15"), "threshold: 5, ", "", 1), "ladders[0].rungs[0].threshold: is missing"},
		{"a tail in part", strings.Replace(dialled("10", "15"), "shape: 0, ", "", 1), "ladders[0].rungs[1].tail.shape: is missing"},
		{"a tail heavier than moments allow", strings.Replace(dialled("10", "15"), "shape: 0,", "shape: 0.9,", 1), "ladders[0].rungs[1].tail.shape"},
		{"more days beyond than days", strings.Replace(dialled("10", "15"), "days: 10000", "days: 100", 1), "300 days of 100 cannot be beyond the start"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := model.Parse("m.yaml", []byte(tt.file))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse: %v, want %q in it", err, tt.want)
			}
		})
	}
}
