package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// signalRow is what the catalogue and the model that ships say about a signal.
type signalRow struct {
	ID    string `json:"id"`
	Group string `json:"group"`
	// Max is the most that the signal says, in nats: it says 0 to Max, and one that
	// reassures 0 to -Max. Ceiling is the strongest action that it supports alone.
	Max       float64 `json:"max"`
	Reassures bool    `json:"reassures,omitempty"`
	Ceiling   string  `json:"ceiling"`
	Hard      bool    `json:"hard,omitempty"`
	Facet     bool    `json:"facet,omitempty"`
	Technique string  `json:"technique"`
	Needs     string  `json:"needs"`
	Formula   string  `json:"formula"`
	// Source is where the formula comes from: a paper, or an estimate of our own.
	Source   string `json:"source"`
	Innocent string `json:"innocent"`
}

func newModelSignalsCommand(env app.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "signals [ID]",
		Short: "Explain the signals: what each needs, where its nats come from, who sets it off",
		Long: `Explain the signals of the catalogue, or one of them: the range of what it says in
nats, the strongest action that it supports alone, the technique it looks for, the
fields it needs, its formula and where that comes from, and how an honest user sets it off. Maxima and
ceilings are those of the model that ships. A signal that lacks what it needs is
silent: what is missing is no evidence, neither for nor against.`,
		Example: `  vigil model signals
  vigil model signals geo.impossible_travel`,
		Args: atMostOne("one signal"),
		RunE: func(cmd *cobra.Command, args []string) error {
			asJSON, err := wantsJSON(cmd)
			if err != nil {
				return err
			}
			rows := signalRows()
			if len(args) == 1 {
				s, ok := evidence.Lookup(args[0])
				if !ok {
					return app.Usage("no signal %q; \"vigil model signals\" lists them", args[0])
				}
				rows = rows[s : s+1]
			}
			if asJSON {
				return writeJSON(env.Stdout, rows)
			}
			for i := range rows {
				if i > 0 {
					sayln(env.Stdout)
				}
				rows[i].print(env)
			}
			return nil
		},
	}
}

func signalRows() []signalRow {
	m := model.Default()
	rows := make([]signalRow, evidence.Count)
	for i := range rows {
		d, s := evidence.Signal(i).Describe(), m.Signals[i]
		rows[i] = signalRow{
			ID: d.ID, Group: d.Group.String(), Max: s.Max, Reassures: evidence.Signal(i) == evidence.ProvenKey, Ceiling: s.Ceiling,
			Hard: d.Hard, Facet: d.Facet, Technique: d.Technique, Needs: d.Needs, Formula: d.Formula, Source: evidence.Signal(i).Source(), Innocent: d.Innocent,
		}
	}
	return rows
}

func (r *signalRow) print(env app.Env) {
	nats := fmt.Sprintf("0 to %g nats", r.Max)
	if r.Reassures {
		nats = fmt.Sprintf("-%g to 0 nats: it reassures", r.Max)
	}
	of := "of one event"
	if r.Facet {
		of = "of what many share"
	}
	if r.Hard {
		of += ", a hard fact: it revokes below every threshold and teaches nothing"
	}
	say(env.Stdout, "%s  (%s) %s\n", r.ID, r.Group, of)
	say(env.Stdout, "  range      %s; alone at most %s\n", nats, r.Ceiling)
	say(env.Stdout, "  technique  %s\n", r.Technique)
	say(env.Stdout, "  needs      %s; silent without\n", r.Needs)
	say(env.Stdout, "  formula    %s\n", r.Formula)
	say(env.Stdout, "  source     %s\n", r.Source)
	say(env.Stdout, "  innocent   %s\n", r.Innocent)
}
