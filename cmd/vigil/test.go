package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/rules"
	"github.com/vigil-gateway/vigil/scorer/scenario"
)

const testLong = `Play scenarios to a risk model and compare what comes with what is expected.

DIR holds stories, one in each NAME.txt: who does what, and what must come of
it. Where NAME.golden is beside it, everything that the scorer says must be as
it is there; --update writes it. The end of the output says how many signals and
rules some story touches, and with -v which ones none does.

  actor alice subject=alice country=DE ua=chrome
  history
  repeat 30 every 24h
    alice session=a{i} template=/orders/{id} resource=7
  end
  now
  alice session=b country=BR ua=curl template=/orders/{id} resource=7
  expect alice nothing geo.new_country -scan.paths 5..9

expect NAME ACTION says the last action against NAME (nothing, throttle,
read_only, step_up, revoke, block); behind it may stand signals that must be
among the evidence, -signals that must not, and LOW..HIGH for the greatest
session score in nats. Who is not mentioned must be left alone.

Exit code 1 where a story ends otherwise, 2 where one cannot be read.`

// testOptions are the flags of vigil test.
type testOptions struct {
	model  string
	update bool
	all    bool
}

// newTestCommand plays scenarios.
func newTestCommand(env app.Env) *cobra.Command {
	var o testOptions
	c := &cobra.Command{
		Use:     "test DIR|FILE…",
		Short:   "Play scenarios to a risk model and compare what comes",
		Long:    testLong,
		Example: "  vigil test --model model.yaml scenarios/",
		Args:    someArgs("the scenarios, files or folders of them", 0),
		RunE:    func(cmd *cobra.Command, args []string) error { return test(cmd, env, o, args) },
	}
	c.Flags().StringVar(&o.model, "model", "", "risk model file; without it the model that ships")
	c.Flags().BoolVar(&o.update, "update", false, "write the goldens anew; read their diff")
	c.Flags().BoolVarP(&o.all, "verbose", "v", false, "also list the stories that end as expected, and the signals that no story touches")
	return c
}

// played is one story and what came of it.
type played struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Events int    `json:"events"`
	// Failures are expectations that were not met, Diff is how the text differs
	// from the golden.
	Failures []string `json:"failures,omitempty"`
	Diff     []string `json:"diff,omitempty"`
	// Updated says that the golden was written.
	Updated bool `json:"updated,omitempty"`

	signals map[string]int
	missed  []rules.Count
}

// testReport is the whole result.
type testReport struct {
	Model     string   `json:"model"`
	Scenarios []played `json:"scenarios"`
	// Signals says in how many scenarios each signal and rule was found, those
	// that the model has on.
	Signals []signalUse `json:"signals"`
	// Missed are the rules that gave no answer for some events.
	Missed []missedRule `json:"missed,omitempty"`
}

type signalUse struct {
	Signal    string `json:"signal"`
	Scenarios int    `json:"scenarios"`
}

func test(c *cobra.Command, env app.Env, o testOptions, args []string) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	m, err := readModel(o.model)
	if err != nil {
		return err
	}
	files, err := stories(args)
	if err != nil {
		return err
	}
	scripts, err := readStories(files)
	if err != nil {
		return err
	}
	r := testReport{Model: m.Digest()}
	for i, file := range files {
		if c.Context().Err() != nil {
			return c.Context().Err()
		}
		one, err := playStory(file, scripts[i], m, o.update)
		if err != nil {
			return err
		}
		r.Scenarios = append(r.Scenarios, one)
	}
	r.Signals = uses(m, r.Scenarios)
	for i := range r.Scenarios {
		r.Missed = addMissed(r.Missed, r.Scenarios[i].missed)
	}
	if asJSON {
		err = writeJSON(env.Stdout, r)
	} else {
		r.print(newPrinter(c, env), o)
	}
	if err == nil && slices.ContainsFunc(r.Scenarios, func(p played) bool { return !p.OK }) {
		err = app.Findings()
	}
	return err
}

// stories lists the scenario files of folders, or those that are named.
func stories(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, app.Usage("open scenarios: %w", err)
		}
		if !info.IsDir() {
			files = append(files, arg)
			continue
		}
		found, err := filepath.Glob(filepath.Join(arg, "*.txt"))
		if err != nil {
			return nil, app.Usage("list scenarios: %w", err)
		}
		if len(found) == 0 {
			return nil, app.Usage("%s: no scenario (NAME.txt) in this folder", arg)
		}
		files = append(files, found...)
	}
	return files, nil
}

// readStories reads all before any is played, so that every mistake shows at once.
func readStories(files []string) ([]*scenario.Script, error) {
	scripts := make([]*scenario.Script, len(files))
	var faults []error
	for i, file := range files {
		b, err := os.ReadFile(file) //nolint:gosec // The operator names it.
		if err != nil {
			return nil, app.Usage("read scenario: %w", err)
		}
		scripts[i], err = scenario.Parse(file, string(b))
		if err != nil {
			faults = append(faults, err)
		}
	}
	err := errors.Join(faults...)
	if err != nil {
		return nil, &app.ExitError{Code: app.ExitUsage, Err: err}
	}
	return scripts, nil
}

func playStory(file string, s *scenario.Script, m *model.Model, update bool) (played, error) {
	one := played{Name: strings.TrimSuffix(file, ".txt"), Events: s.Events()}
	out, err := scenario.Play(s, scenario.Options{
		NewPair: func() (*scorer.Pair, error) {
			return scorer.NewPair(scorer.Options{Model: m, OfflineClock: true})
		},
	})
	if err != nil {
		return one, app.Usage("play %s: %w", file, err)
	}
	one.Failures, one.signals, one.missed = out.Failures(), out.Signals, out.Rules
	golden := one.Name + ".golden"
	want, err := os.ReadFile(golden) //nolint:gosec // Beside what the operator names.
	switch {
	case update && (err != nil || string(want) != out.Text):
		err = os.WriteFile(golden, []byte(out.Text), 0o644) //nolint:gosec // For everybody to read.
		if err != nil {
			return one, fmt.Errorf("write golden: %w", err)
		}
		one.Updated = true
	case errors.Is(err, os.ErrNotExist): // Judged by what it expects alone.
	case err != nil:
		return one, app.Usage("read golden: %w", err)
	default:
		one.Diff = lineDiff(string(want), out.Text)
	}
	one.OK = len(one.Failures) == 0 && len(one.Diff) == 0
	return one, nil
}

// uses says in how many stories each signal, rule and ensemble of a model was found.
func uses(m *model.Model, scenarios []played) []signalUse {
	var list []signalUse
	put := func(id string) {
		u := signalUse{Signal: id}
		for i := range scenarios {
			if scenarios[i].signals[id] > 0 {
				u.Scenarios++
			}
		}
		list = append(list, u)
	}
	for i, s := range m.Signals {
		if s.On {
			put(evidence.Signal(i).Describe().ID)
		}
	}
	for _, r := range m.Rules {
		put(r.ID)
	}
	for _, e := range m.Ensembles {
		put(e.ID)
	}
	return list
}

func (r *testReport) print(p printer, o testOptions) {
	bad, events, updated := 0, 0, 0
	for i := range r.Scenarios {
		one := &r.Scenarios[i]
		events += one.Events
		switch {
		case !one.OK:
			bad++
			say(p.w, "%s  %s\n", p.paint(red, "FAIL"), one.Name)
		case one.Updated:
			say(p.w, "%s  %s\n", p.paint(amber, "new "), one.Name)
		case o.all:
			say(p.w, "%s  %s\n", p.paint(green, "ok  "), one.Name)
		}
		if one.Updated {
			updated++
		}
		for _, f := range one.Failures {
			say(p.w, "      %s\n", clean(f))
		}
		for _, line := range one.Diff {
			say(p.w, "      %s\n", p.paint(diffColor(line), clean(line)))
		}
	}
	for _, missed := range r.Missed {
		say(p.w, "%s\n", p.paint(amber, missed.String()))
	}
	var untouched []string
	for _, s := range r.Signals {
		if s.Scenarios == 0 {
			untouched = append(untouched, s.Signal)
		}
	}
	say(p.w, "scenarios: %d (%d events), failed: %d%s, model %.12s\n", len(r.Scenarios), events, bad, orNothing(", goldens written: ", positive(updated)), r.Model)
	say(p.w, "signals: %d of %d are found in a scenario", len(r.Signals)-len(untouched), len(r.Signals))
	switch {
	case len(untouched) == 0:
		sayln(p.w)
	case !o.all:
		sayln(p.w, "; -v lists the others")
		return
	default:
		sayln(p.w, "; in none:")
	}
	for _, s := range untouched {
		say(p.w, "      %s\n", s)
	}
}

func positive(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func diffColor(line string) string {
	switch line[:min(1, len(line))] {
	case "-":
		return red
	case "+":
		return green
	}
	return plain
}
