package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/budget"
	"github.com/vigil-gateway/vigil/scorer/model"
)

const calibrateLong = `Find the thresholds that keep a budget of false alarms.

The events of ordinary life, as "vigil score" reads them, go through the live
scorer. Of each subject and day the largest suspicion counts, for each rung of
the ladder. A generalised Pareto distribution is fitted to the largest of them,
and the threshold is where it exceeds the budget: so many days out of 10,000 on
which an action may be asked for although nothing was wrong. The budget is the
model's, for each kind of actor and facet; --budget sets it for all kinds.

What many share is calibrated alike, by days of its own: a prefix, an account, a
device, a client, a TLS fingerprint or a route on which something was tried. Of
routes and clients there are few, and so are their days: then the threshold stays
and the note says so. An access log has neither accounts nor devices, clients and
fingerprints. Where ordinary life bears a lower threshold than the model's, that is
shown; it need not be taken.

The history should be that of an installation that observes, without incidents:
what is in it is taken for innocent. Days in whose middle it begins or ends are left
out. Where verdicts were in force, a day on which one met somebody says only that its
suspicion would have come to so much or more. --state takes a history that was learnt
before; without it the first days teach and are counted too. "beyond data" says
how many times rarer the budget is than anything the history can show.

--ladders writes the sections for the model file. What was fitted stands there as
a rung's tail, so that from then on the budget alone moves the threshold.

With --labels the weights of the groups of evidence are looked at instead, by
what people said about verdicts. The file has one verdict a line, as "vigil
label -o json" lists them: a verdict with three members more, label (false_alarm
or confirmed), by (who says so) and at (when):

  vigil label VG-AAAA-AAAA false_alarm
  vigil label -o json | jq -c '.[]' >labels.ndjson

What comes is a proposal with its reasons: lines for the model file. No running
model changes by it. Only verdicts of the model named by --model count, so the
same labels move a weight once; a version moves it by at most 5 %, all of them
by at most 25 %, and hard facts not at all.`

// perDays is what a budget counts against.
const perDays = model.BudgetDays

// calibrateOptions are the flags of vigil calibrate.
type calibrateOptions struct {
	score   scoreOptions
	budget  map[string]string
	ladders bool
	labels  string
}

// newCalibrateCommand fits thresholds to a budget.
func newCalibrateCommand(env app.Env) *cobra.Command {
	var o calibrateOptions
	c := &cobra.Command{
		Use:   "calibrate [FILE…]",
		Short: "Find the thresholds that keep a budget of false alarms",
		Long:  calibrateLong,
		Example: `  vigil calibrate last-month.ndjson
  vigil calibrate --budget step_up=50,revoke=0.5 --ladders last-month.ndjson >ladders.yaml
  vigil calibrate --model model.yaml --labels labels.ndjson`,
		RunE: func(cmd *cobra.Command, files []string) error {
			if cmd.Flags().Changed("labels") {
				return calibrateGroups(cmd, env, o, files)
			}
			return calibrate(cmd, env, o, files)
		},
	}
	o.score.inputFlags(c)
	f := c.Flags()
	f.StringToStringVar(&o.budget, "budget", nil, "false alarms allowed per 10,000 subject-days, by action, in place of the model's for all kinds")
	f.StringVar(&o.labels, "labels", "", "file of what people said about verdicts; proposes weights of the groups of evidence")
	f.BoolVar(&o.ladders, "ladders", false, "print the section ladders of a model file instead of a table")
	return c
}

// calibration is what was found for one rung.
type calibration struct {
	Kind   string `json:"kind"`
	Action string `json:"action"`
	// Budget, Reached and Expected count per 10,000 subject-days, or days of a facet: allowed, seen
	// at the threshold now, and expected there by the fit (absent where there is none).
	Budget float64 `json:"budget"`
	Days   int     `json:"subject_days"`
	// LeftOut counts the days that do not count, because the history begins or ends in
	// the middle of them.
	LeftOut  int      `json:"days_left_out,omitempty"`
	Reached  float64  `json:"reached"`
	Expected *float64 `json:"expected,omitempty"`
	// Threshold is the model's, Suggested the one that keeps the budget, in nats.
	Threshold float64 `json:"threshold"`
	Suggested float64 `json:"suggested"`
	// BeyondData is by which factor the budget is rarer than anything seen, at least 1.
	BeyondData float64 `json:"beyond_data,omitempty"`
	Note       string  `json:"note,omitempty"`
	// tail is what was fitted, nil where nothing was.
	tail *budget.Tail
}

func calibrate(c *cobra.Command, env app.Env, o calibrateOptions, files []string) error {
	err := o.score.validate()
	if err != nil {
		return err
	}
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	allowed, err := o.allowed()
	if err != nil {
		return err
	}
	m, err := readModel(o.score.model)
	if err != nil {
		return err
	}
	gather := budget.NewCollector(len(ladder()))
	pair, err := scorer.NewPair(scorer.Options{Model: m, OfflineClock: true, Gather: gather})
	if err != nil {
		return fmt.Errorf("start scorer: %w", err)
	}
	err = readState(pair, o.score.state)
	if err != nil {
		return err
	}
	s := &scoring{
		pair: pair, options: o.score, stderr: env.Stderr,
		take: func(*event.RequestEvent, scorer.Result, scorer.FacetResult) error { return nil },
	}
	err = s.inputs(c.Context(), env.Stdin, files)
	if err != nil {
		return err
	}
	gather.Close()
	found := calibrations(m, gather, allowed)
	s.summary()
	switch {
	case asJSON:
		err = writeJSON(env.Stdout, found)
	case o.ladders:
		err = writeLadders(env.Stdout, m, found, allowed)
	default:
		err = newPrinter(c, env).calibrations(found)
	}
	if err == nil && s.bad > 0 {
		return app.Findings()
	}
	return err
}

// allowed reads the budget that was asked for in place of the model's, by action.
func (o *calibrateOptions) allowed() (map[string]float64, error) {
	out := make(map[string]float64)
	for action, text := range o.budget {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !(n > 0) || n > perDays {
			return nil, app.Usage("--budget: %s: must be above 0 and at most %d per %d subject-days, is %q", action, perDays, perDays, text)
		}
		if verdict.Strength(action) <= verdict.Strength(verdict.ActionObserve) {
			return nil, app.Usage("--budget: action must be one of %s, is %q", strings.Join(ladder()[1:], ", "), action)
		}
		out[action] = n
	}
	return out, nil
}

// calibrations fits each rung of each ladder whose kind was seen. A rung never
// needs less than a weaker one, as the model file demands.
func calibrations(m *model.Model, gather *budget.Collector, allowed map[string]float64) []calibration {
	found := []calibration{}
	for _, kind := range model.Kinds() {
		seen := gather.Kinds()[kind]
		if seen == nil {
			continue
		}
		least := 0.0
		for i, rung := range m.Ladder(kind) {
			one := calibration{
				Kind: kind, Action: rung.Action, Budget: m.Budget(kind, rung.Action), Days: seen.Days,
				Reached: perDays * float64(seen.Rungs[i].Reached) / float64(max(1, seen.Days)), LeftOut: seen.LeftOut,
				Threshold: rung.Threshold, Suggested: rung.Threshold,
			}
			if asked, ok := allowed[rung.Action]; ok {
				one.Budget = asked
			}
			one.fit(seen.Rungs[i].Maxima)
			one.Suggested = max(one.Suggested, least)
			least = one.Suggested
			found = append(found, one)
		}
	}
	return found
}

func (x *calibration) fit(maxima []budget.Maximum) {
	if x.Budget == 0 {
		x.Note = "no budget: stays"
		return
	}
	tail, err := budget.Fit(maxima, float64(x.Days))
	switch {
	case errors.Is(err, budget.ErrTooFew) && x.Days >= perDays:
		x.Note = "ordinary life never comes near: stays"
	case err != nil && x.LeftOut > 0:
		x.Note = fmt.Sprintf("%v; %d more lie only in part in the history", err, x.LeftOut)
	case err != nil:
		x.Note = err.Error()
	default:
		expected := perDays * tail.Probability(x.Threshold)
		x.Expected = &expected
		x.Suggested, x.BeyondData = tail.Threshold(x.Budget / perDays)
		x.tail = &tail
	}
}

func (p printer) calibrations(found []calibration) error {
	rows := make([][]string, 0, len(found))
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) }
	for i := range found {
		x := &found[i]
		expected, beyond := "-", "-"
		if x.Expected != nil {
			expected, beyond = number(*x.Expected), strconv.FormatFloat(x.BeyondData, 'f', 1, 64)+"×"
		}
		rows = append(rows, []string{
			x.Kind, x.Action, number(x.Budget), strconv.Itoa(x.Days), number(x.Reached), expected,
			number(x.Threshold), number(x.Suggested), beyond, x.Note,
		})
	}
	return p.table([]string{"KIND", "ACTION", "BUDGET", "DAYS", "REACHED", "EXPECTED", "NOW", "SUGGESTED", "BEYOND DATA", "NOTE"}, rows)
}
