package poison

import (
	"fmt"
	"strings"

	"github.com/vigil-gateway/vigil/scorer/model"
)

// defence is one defence and the lines of a model file that turn it off.
type defence struct{ name, off string }

func defences() []defence {
	return []defence{
		{"quarantine", "quarantine: 0s"},
		{"clean sessions", "clean_below: 1000"},
		{"places take days", "place_days: 1, place_span: 0s"},
		{"bounded growth", "growth_span: 0s"},
		{"values a day", "values_per_day: 10000"},
		{"cap by subject", "subject_deltas: 1000000"},
		{"cap by prefix", "prefix_deltas: 1000000"},
		{"cap by network", "network_deltas: 1000000"},
		{"cap by gateway", "gateway_excess: 1000000"},
		{"releases", "releases: false"},
		{"share for attackers", "common_above: 0"},
	}
}

// Names of the variants that are not a defence turned off.
const (
	Unprepared = "unprepared"
	Defended   = "defended"
	Undefended = "none"
)

// variant is one model under attack.
type variant struct {
	name  string
	model *model.Model
	// unprepared leaves the adversary's preparation out.
	unprepared bool
}

// variants are the columns of the table: the goal unprepared, all defences,
// without each, without any.
func variants(base *model.Model) ([]variant, error) {
	all := []variant{{Unprepared, base, true}, {Defended, base, false}}
	var off []string
	for _, d := range defences() {
		m, err := without(base, d.off)
		if err != nil {
			return nil, err
		}
		all = append(all, variant{"no " + d.name, m, false})
		off = append(off, d.off)
	}
	m, err := without(base, strings.Join(off, ", "))
	if err != nil {
		return nil, err
	}
	return append(all, variant{Undefended, m, false}), nil
}

// without is a model with other lines in its learning section.
func without(base *model.Model, lines string) (*model.Model, error) {
	changed, err := model.Parse("variant.yaml", []byte("learning: {"+lines+"}"))
	if err != nil {
		return nil, fmt.Errorf("poison: %w", err)
	}
	m := *base
	m.Learning = changed.Learning
	return &m, nil
}
