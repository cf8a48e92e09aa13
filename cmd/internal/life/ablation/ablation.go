package ablation

import (
	"fmt"

	"github.com/vigil-gateway/vigil/cmd/internal/life/soak"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/scenario"
)

// Options say what is measured.
type Options struct {
	// Soak is the history; its model is the one that signals are taken from.
	Soak soak.Options
	// Scenarios are stories whose ends are compared.
	Scenarios []*scenario.Script
	// Signals limits the rows to these; nil means every signal and group.
	Signals []evidence.Signal
}

// Row is the model without one signal or group.
type Row struct {
	// Without is the signal or group, empty for the whole model.
	Without string `json:"without"`
	// Attacks in the history, how many of them were caught, and how many were
	// ended.
	Attacks int `json:"attacks"`
	Caught  int `json:"caught"`
	Ended   int `json:"ended"`
	// Lost and Gained name the kinds of attack of which fewer, and more, are
	// caught than by the whole model, with how many.
	Lost   []string `json:"lost,omitempty"`
	Gained []string `json:"gained,omitempty"`
	// Later names the kinds that are met later in the median.
	Later []string `json:"later,omitempty"`
	// StepUps and Throttles are false alarms, Ends false revokes and blocks.
	StepUps   int `json:"step_ups"`
	Throttles int `json:"throttles"`
	Ends      int `json:"ends"`
	// Stories is how many actors of scenarios meet another end.
	Stories int `json:"stories"`

	detection []soak.Detection
	actions   []string
}

// Idle reports whether nothing gets worse without it.
func (r *Row) Idle() bool {
	return r.Without != "" && len(r.Lost) == 0 && len(r.Later) == 0 && r.Stories == 0
}

// Run measures the whole model first and then every row; each is given to show
// as soon as it is known.
func Run(o Options, show func(*Row)) ([]*Row, error) {
	whole, err := measure(o, "", o.Soak.Model)
	if err != nil {
		return nil, err
	}
	rows := []*Row{whole}
	show(whole)
	add := func(name string, m *model.Model) error {
		r, err := measure(o, name, m)
		if err != nil {
			return err
		}
		r.compare(whole)
		rows = append(rows, r)
		show(r)
		return nil
	}
	signals := o.Signals
	if signals == nil {
		for i := range evidence.Count {
			signals = append(signals, evidence.Signal(i))
		}
	}
	for _, s := range signals {
		if !o.Soak.Model.Signals[s].On {
			continue
		}
		m := *o.Soak.Model
		m.Signals[s].On = false
		err = add(s.Describe().ID, &m)
		if err != nil {
			return nil, err
		}
	}
	if o.Signals != nil {
		return rows, nil
	}
	for _, g := range evidence.Groups() {
		m := *o.Soak.Model
		for i := range m.Signals {
			if evidence.Signal(i).Describe().Group == g {
				m.Signals[i].On = false
			}
		}
		err = add("group "+g.String(), &m)
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func measure(o Options, name string, m *model.Model) (*Row, error) {
	s := o.Soak
	s.Model = m
	report, err := soak.Run(s)
	if err != nil {
		return nil, fmt.Errorf("without %s: %w", name, err)
	}
	r := &Row{Without: name, detection: report.Detection}
	for _, d := range report.Detection {
		r.Attacks += d.Attacks
		r.Caught += d.Caught
		r.Ended += d.Ended
	}
	for _, k := range report.Kinds {
		r.StepUps += k.StepUp
		r.Throttles += k.Throttle + k.ReadOnly
		r.Ends += k.Revoke + k.Block
	}
	for _, script := range o.Scenarios {
		out, err := scenario.Play(script, scenario.Options{
			NewPair: func() (*scorer.Pair, error) { return scorer.NewPair(scorer.Options{Model: m, OfflineClock: true}) },
		})
		if err != nil {
			return nil, fmt.Errorf("without %s: %w", name, err)
		}
		for _, a := range out.Actors {
			r.actions = append(r.actions, a.Action)
		}
	}
	return r, nil
}

// compare says what is otherwise than by the whole model.
func (r *Row) compare(whole *Row) {
	for i := range whole.actions {
		if r.actions[i] != whole.actions[i] {
			r.Stories++
		}
	}
	for i, d := range whole.detection {
		now := r.detection[i]
		switch {
		case now.Caught < d.Caught:
			r.Lost = append(r.Lost, fmt.Sprintf("%s -%d", d.Kind, d.Caught-now.Caught))
		case now.Caught > d.Caught:
			r.Gained = append(r.Gained, fmt.Sprintf("%s +%d", d.Kind, now.Caught-d.Caught))
		case now.StepUpMedian > d.StepUpMedian:
			r.Later = append(r.Later, fmt.Sprintf("%s %d→%d", d.Kind, d.StepUpMedian, now.StepUpMedian))
		}
	}
}
