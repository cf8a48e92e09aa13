package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/scorer/labels"
)

// proposalView is a proposal as JSON.
type proposalView struct {
	Model    string `json:"model"`
	Next     string `json:"next"`
	Labels   int    `json:"labels"`
	People   int    `json:"people"`
	Subjects int    `json:"subjects"`
	// Earlier, Other and Hard count the labels that do not count: replaced by a
	// later one, about another model's verdict, about one that rests on a hard fact.
	Earlier int                 `json:"earlier"`
	Other   int                 `json:"other_model"`
	Hard    int                 `json:"hard_fact"`
	Groups  []proposalGroupView `json:"groups"`
	Lines   string              `json:"lines,omitempty"`
}

type proposalGroupView struct {
	Group       string  `json:"group"`
	Confirmed   float64 `json:"confirmed"`
	FalseAlarms float64 `json:"false_alarms"`
	LogOdds     float64 `json:"log_odds"`
	Error       float64 `json:"standard_error"`
	Usual       float64 `json:"usual_nats"`
	Shift       float64 `json:"shift_nats"`
	Weight      float64 `json:"weight"`
	Proposed    float64 `json:"proposed"`
	Why         string  `json:"why"`
}

// calibrateGroups proposes weights of groups by what people said about verdicts.
func calibrateGroups(c *cobra.Command, env app.Env, o calibrateOptions, files []string) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if len(files) > 0 || o.ladders || len(o.budget) > 0 {
		return app.Usage("--labels: asks for the weights of groups; thresholds are found without it, from events")
	}
	m, err := readModel(o.score.model)
	if err != nil {
		return err
	}
	text, err := readLabels(env, o.labels)
	if err != nil {
		return err
	}
	all, err := labels.Parse(o.labels, text)
	if err != nil {
		return &app.ExitError{Code: app.ExitUsage, Err: err}
	}
	p := labels.Propose(m, all)
	if asJSON {
		return writeJSON(env.Stdout, proposalViewOf(&p))
	}
	return newPrinter(c, env).proposal(&p)
}

// readLabels reads a file of labels, standard input where it is called -.
func readLabels(env app.Env, file string) ([]byte, error) {
	in := env.Stdin
	if file != "-" {
		f, err := os.Open(file) //nolint:gosec // The operator names it.
		if err != nil {
			return nil, app.Usage("--labels: %w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, labels.FileBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("read labels: %w", err)
	}
	return b, nil
}

func proposalViewOf(p *labels.Proposal) proposalView {
	v := proposalView{
		Model: p.Model, Next: p.Next, Labels: p.Labels, People: p.People, Subjects: p.Subjects,
		Earlier: p.Earlier, Other: p.Other, Hard: p.Hard, Lines: string(p.Lines()),
	}
	for i := range p.Groups {
		g := &p.Groups[i]
		v.Groups = append(v.Groups, proposalGroupView{
			g.Group.String(), g.Confirmed, g.FalseAlarms, g.LogOdds, g.Error, g.Usual, g.Shift, g.Weight, g.Proposed, g.Why,
		})
	}
	return v
}

func (p printer) proposal(found *labels.Proposal) error {
	rows := make([][]string, 0, len(found.Groups))
	one := func(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }
	for i := range found.Groups {
		g := &found.Groups[i]
		odds := "-"
		if g.Confirmed+g.FalseAlarms > 0 {
			odds = fmt.Sprintf("%+.1f ± %.1f", g.LogOdds, g.Error)
		}
		rows = append(rows, []string{
			g.Group.String(), one(g.FalseAlarms), one(g.Confirmed), odds, number(g.Weight), number(g.Proposed), g.Why,
		})
	}
	err := p.table([]string{"GROUP", "FALSE", "CONFIRMED", "LOG-ODDS", "NOW", "PROPOSED", "WHY"}, rows)
	if err != nil {
		return err
	}
	say(p.w, "\n%d labels by %d people about %d subjects count", found.Labels, found.People, found.Subjects)
	for _, left := range []struct {
		n    int
		what string
	}{
		{found.Earlier, "replaced by a later one"},
		{found.Other, "about a verdict of another model"},
		{found.Hard, "about one that rests on a hard fact"},
	} {
		if left.n > 0 {
			say(p.w, "; %d left out: %s", left.n, left.what)
		}
	}
	sayln(p.w)
	lines := found.Lines()
	if lines == nil {
		sayln(p.w, "nothing moves")
		return nil
	}
	say(p.w, "\nfor the model file, model %.12s becomes %.12s; then fit the thresholds again (vigil calibrate):\n\n%s",
		found.Model, found.Next, bytes.TrimSuffix(lines, []byte("\n")))
	sayln(p.w)
	return nil
}
