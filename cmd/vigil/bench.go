package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/benchdata"
	"github.com/vigil-gateway/vigil/cmd/internal/benchdata/takeover"
)

const benchDataLong = `Measure the anomaly ensemble on labelled tables.

DIR holds the sets as their publishers lay them out: adbench/*.npz,
kdd99/kddcup.data_10_percent.gz, memstream-syn/syn.txt with synlabel.txt. Those
that are not there are said and left out. Every row is scored before it is
learned; sets in the order of time are measured as stored, the others are the
mean of ten seeded orders. AUC / average precision, then the recall at 0.1, 1
and 5 % false positives, beside a trivial detector that is measured in the same
run: the mean of squared deviations from what came before.`

// newBenchCommand measures Vigil itself.
func newBenchCommand(env app.Env) *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure the detectors and the gateway",
		Args:  noSuchCommand,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var choice benchdata.Choice
	var only []string
	var detail, chaff, both bool
	data := &cobra.Command{
		Use:   "data DIR",
		Short: "Measure the anomaly ensemble on labelled tables",
		Long:  benchDataLong,
		Example: `  vigil bench data data
  vigil bench data --shuffle 7 --only http,smtp -o json data
  vigil bench data --chaff --only http,smtp data`,
		Args: oneArg("the folder of the sets"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if chaff {
				return benchChaff(cmd, env, args[0], choice, only)
			}
			return benchData(cmd, env, args[0], choice, only, both, detail)
		},
	}
	f := data.Flags()
	f.Uint64Var(&choice.Shuffle, "shuffle", 0, "measure every set once, in the order of this seed")
	f.Uint64Var(&choice.Seed, "seed", 1, "seed of the ensemble")
	f.StringSliceVar(&only, "only", nil, "sets to measure; without it all that are there")
	f.BoolVar(&both, "both", false, "measure each set in its other order, too: ten shuffles, or as stored")
	f.BoolVar(&chaff, "chaff", false, "measure what 5 % of added rows that look like attacks take from the AUC of each set")
	f.BoolVar(&detail, "detail", false, "print the rule sets' whole reports")
	c.AddCommand(data, newBenchTakeoverCommand(env), newBenchAttacksCommand(env), newBenchGatewayCommand(env))
	return c
}

const benchTakeoverLong = `Measure the sequence model on command logs of real people.

DIR holds masquerade-schonlau and unix-user-data-purdue as their publishers lay
them out. The tail of one person's stream is joined to another's session, for
every pair of people: how much of that is recognised, how soon, and at which
rate of false alarms. Everything is scored before it is learned. Thresholds come
from the first half of everybody's clean days, and all is counted on the second;
rows with a threshold set in hindsight say so.`

func newBenchTakeoverCommand(env app.Env) *cobra.Command {
	return &cobra.Command{
		Use:     "takeover DIR",
		Short:   "Measure the sequence model on command logs of real people",
		Long:    benchTakeoverLong,
		Example: "  vigil bench takeover data",
		Args:    oneArg("the folder of the sets"),
		RunE: func(c *cobra.Command, args []string) error {
			asJSON, err := wantsJSON(c)
			if err != nil {
				return err
			}
			report, err := takeover.Run(args[0])
			if err != nil {
				return app.Usage("%w", err)
			}
			if asJSON {
				return writeJSON(env.Stdout, report)
			}
			say(env.Stdout, "%s", report)
			return nil
		},
	}
}

// benchReport is what "bench data" measured.
type benchReport struct {
	Tables   []benchdata.Row     `json:"tables"`
	RuleSets []benchdata.Finding `json:"rule_sets"`
}

func benchData(c *cobra.Command, env app.Env, dir string, choice benchdata.Choice, only []string, both, detail bool) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	entries, sets, err := benchdata.Split(only)
	if err != nil {
		return app.Usage("--only: %w", err)
	}
	var r benchReport
	r.Tables, err = benchTables(c, env, dir, choice, entries, both)
	if err != nil {
		return err
	}
	r.RuleSets, err = benchRuleSets(c, env, dir, sets)
	if err != nil {
		return err
	}
	if len(r.Tables) == 0 && len(r.RuleSets) == 0 {
		return app.Usage("%s: no set is there", dir)
	}
	r.Tables = append(r.Tables, benchdata.Means(r.Tables)...)
	if asJSON {
		return writeJSON(env.Stdout, r)
	}
	return r.print(newPrinter(c, env), detail)
}

func benchTables(c *cobra.Command, env app.Env, dir string, choice benchdata.Choice, entries []benchdata.Entry, both bool) ([]benchdata.Row, error) {
	rows := make([]benchdata.Row, 0, len(entries))
	for _, e := range entries {
		set, err := e.Load(dir)
		if errors.Is(err, fs.ErrNotExist) {
			say(env.Stderr, "%s is left out: %s\n", e.Name, err)
			continue
		}
		if err != nil {
			return nil, app.Usage("%w", err)
		}
		row, err := benchdata.Run(c.Context(), e, set, choice)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
		if !both || e.Single {
			continue
		}
		other := choice
		other.Other = true
		row, err = benchdata.Run(c.Context(), e, set, other)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// benchChaff measures what chaff takes from each set.
func benchChaff(c *cobra.Command, env app.Env, dir string, choice benchdata.Choice, only []string) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	entries, err := benchdata.Pick(only)
	if err != nil {
		return app.Usage("--only: %w", err)
	}
	var rows []benchdata.ChaffRow
	var table [][]string
	for _, e := range entries {
		set, err := e.Load(dir)
		if errors.Is(err, fs.ErrNotExist) {
			say(env.Stderr, "%s is left out: %s\n", e.Name, err)
			continue
		}
		if err != nil {
			return app.Usage("%w", err)
		}
		for _, kind := range benchdata.Chaffs() {
			r, err := benchdata.RunChaff(c.Context(), e, set, choice, kind)
			if err != nil {
				return err
			}
			rows = append(rows, r)
			table = append(table, []string{
				r.Set, r.Order, string(r.Chaff), pair(r.Clean), pair(r.Now), signed(r.Loss()), pair(r.TrivialClean), pair(r.Trivial), signed(r.TrivialLoss()),
			})
		}
	}
	if len(rows) == 0 {
		return app.Usage("%s: no set is there", dir)
	}
	if asJSON {
		return writeJSON(env.Stdout, rows)
	}
	return newPrinter(c, env).table([]string{"SET", "ORDER", "5 % CHAFF", "WITHOUT", "WITH", "AUC LOST", "TRIVIAL Z WITHOUT", "WITH", "AUC LOST"}, table)
}

func signed(x float64) string { return strconv.FormatFloat(x, 'f', 4, 64) }

func benchRuleSets(c *cobra.Command, env app.Env, dir string, sets []benchdata.RuleSet) ([]benchdata.Finding, error) {
	found := make([]benchdata.Finding, 0, len(sets))
	for _, s := range sets {
		f, err := s.Run(c.Context(), dir)
		if errors.Is(err, fs.ErrNotExist) {
			say(env.Stderr, "%s is left out: %s\n", s.Name, err)
			continue
		}
		if err != nil {
			return nil, app.Usage("%w", err)
		}
		found = append(found, f)
	}
	return found, nil
}

func (r *benchReport) print(p printer, detail bool) error {
	if len(r.Tables) > 0 {
		err := benchTable(p, r.Tables)
		if err != nil {
			return err
		}
	}
	if len(r.RuleSets) == 0 {
		return nil
	}
	var table [][]string
	for _, f := range r.RuleSets {
		met := "missed"
		if f.Met {
			met = "met"
		}
		table = append(table, []string{f.Set, f.Asked, f.Reference, f.Now, met})
	}
	if len(r.Tables) > 0 {
		sayln(p.w)
	}
	err := p.table([]string{"SET", "ASKED", "REFERENCE", "NOW", ""}, table)
	if err != nil || !detail {
		return err
	}
	for _, f := range r.RuleSets {
		say(p.w, "\n%s\n%s", f.Set, f.Detail)
	}
	return nil
}

func benchTable(p printer, rows []benchdata.Row) error {
	var table [][]string
	for _, r := range rows {
		cells := []string{r.Set, r.Order, pair(r.Asked), pair(r.Reference), pair(r.Trivial), pair(r.Now)}
		for _, tpr := range []float64{r.Now.TPR01, r.Now.TPR1, r.Now.TPR5} {
			cells = append(cells, strconv.FormatFloat(tpr, 'f', 2, 64))
		}
		if r.Rows == 0 {
			cells = append(cells, "", "", "")
		} else {
			cells = append(cells, strconv.FormatFloat(r.Nanoseconds, 'f', 0, 64), strconv.FormatFloat(r.Allocations, 'f', 2, 64), r.Hash)
		}
		table = append(table, append(cells, r.By))
	}
	return p.table([]string{
		"SET", "ORDER", "ASKED", "REFERENCE", "TRIVIAL Z", "NOW", "TPR@0.1%", "1%", "5%", "NS/ROW", "ALLOCS/ROW", "HASH", "REFERENCE BY",
	}, table)
}

// pair is AUC and average precision, a dash where there is none.
func pair(q benchdata.Quality) string {
	one := func(x float64, digits int) string {
		if x == 0 {
			return "–"
		}
		return strconv.FormatFloat(x, 'f', digits, 64)
	}
	if q.AUC == 0 && q.AP == 0 {
		return "–"
	}
	return fmt.Sprintf("%s / %s", one(q.AUC, 4), one(q.AP, 3))
}
