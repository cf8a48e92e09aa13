package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/feature"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/rules"
)

// newModelCommand looks at risk models.
func newModelCommand(env app.Env) *cobra.Command {
	c := &cobra.Command{
		Use:   "model",
		Short: "Show and compare risk models, and what rules and trees may ask for",
		Args:  noSuchCommand,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newModelShowCommand(env), newModelDiffCommand(env), newModelNamesCommand(env), newModelSignalsCommand(env), newModelRowsCommand(env), newModelInitCommand(env))
	return c
}

func newModelShowCommand(env app.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "show [FILE]",
		Short: "Show what a model comes to, with the cost of its rules and trees",
		Long: `Show what a model comes to: the file over the model that ships, which is shown
where no file is named. Rules and the trees of its models are measured on this
machine, on an event that has every field: time and allocations for one event,
and for rules the worst case in units of the Common Expression Language,
against limits.rule_cost_max.`,
		Args: atMostOne("one model"),
		RunE: func(cmd *cobra.Command, args []string) error {
			asJSON, err := wantsJSON(cmd)
			if err != nil {
				return err
			}
			m, err := readModel(strings.Join(args, ""))
			if err != nil {
				return err
			}
			costs := measureRules(m)
			if asJSON {
				return writeJSON(env.Stdout, viewOf(m, costs, env.Now()))
			}
			return showModel(newPrinter(cmd, env), m, costs, env.Now())
		},
	}
}

func newModelDiffCommand(env app.Env) *cobra.Command {
	return &cobra.Command{
		Use:     "diff OLD NEW",
		Short:   "Say in words how two models differ",
		Long:    "Say in words how the model of file NEW differs from that of file OLD. A - in\nplace of a file is the model that ships. Exit code 0 where they are the same, 1\nwhere they differ, 2 where one cannot be read.",
		Example: "  vigil model diff - model.yaml",
		Args:    exactArgs("the models OLD and NEW, or - for the one that ships", 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			asJSON, err := wantsJSON(cmd)
			if err != nil {
				return err
			}
			var both [2]*model.Model
			var faults [2]error
			for i, file := range args {
				if file == "-" {
					file = ""
				}
				both[i], faults[i] = readModel(file)
			}
			err = errors.Join(faults[0], faults[1])
			if err != nil {
				return &app.ExitError{Code: app.ExitUsage, Err: err}
			}
			lines := modelDiff(both[0], both[1])
			if asJSON {
				err = writeJSON(env.Stdout, struct {
					Old     string   `json:"old"`
					New     string   `json:"new"`
					Changes []string `json:"changes"`
				}{both[0].Digest(), both[1].Digest(), append([]string{}, lines...)})
				if err != nil {
					return err
				}
			} else {
				for _, line := range lines {
					sayln(env.Stdout, line)
				}
			}
			if len(lines) > 0 {
				return app.Findings()
			}
			say(env.Stderr, "the models are the same: %s\n", both[0].Digest())
			return nil
		},
	}
}

func newModelNamesCommand(env app.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "names",
		Short: "List what the expressions of rules, and models, may ask for",
		Long: `List the names and functions that the expressions of a model's rules may use.
Those marked model are numbers that the trees of its models may see, too, where
what is missing is missing. A rule is written so:

  rules:
    - id: rule.night_export       # Begins with rule.
      group: volume               # Clipped together with this group's signals.
      expression: event.template == "/export/{id}" && state.hour < 6
      nats: 2.5                   # Or an expression: min(6.0, state.score)
      text: an export at night    # What the verdict says.
      ceiling: step_up            # Strongest action that it supports alone.
      owner: data-protection@example.com
      technique: T1567            # Optional, as is: kinds: [human, agent]

An expression that errs or costs too much has found nothing; it is counted and
fails nothing. A model that LightGBM (text) or XGBoost (JSON) has saved so:

  models:
    - id: trees.exfiltration      # Begins with trees.
      kind: trees
      file: exfiltration.txt      # Beside the model file, or an absolute path.
      features: [event.bytes_out, {name: pace, from: state.minute_requests}]
      max: 3
      calibration: {points: [{margin: -2, nats: 0}, {margin: 2, nats: 3}]}
      text: looks like the cases of last year
      owner: data-science@example.com

The features are what it was trained on; left out, its own names are names of
this list; vigil model rows writes what to train it on. Without points its rank among clean requests counts. Optional are,
as for rules, group (model), weight, ceiling, technique and kinds.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			asJSON, err := wantsJSON(cmd)
			if err != nil {
				return err
			}
			type name struct {
				Name string `json:"name"`
				Type string `json:"type"`
				Doc  string `json:"doc,omitempty"`
				// Model says that the trees of a model may see it.
				Model bool `json:"model,omitempty"`
			}
			if asJSON {
				var all []name
				for _, v := range append(rules.Variables(), rules.Functions()...) {
					_, model := feature.Find(v.Name)
					all = append(all, name{v.Name, v.Type, v.Doc, model})
				}
				return writeJSON(env.Stdout, all)
			}
			return printNames(newPrinter(cmd, env))
		},
	}
}

// printNames writes what fits a terminal of 80 columns; signals are told once.
func printNames(p printer) error {
	var names, functions [][]string
	for _, v := range rules.Variables() {
		if !strings.HasPrefix(v.Name, "signal.") {
			seen := ""
			if _, ok := feature.Find(v.Name); ok {
				seen = "model"
			}
			names = append(names, []string{v.Name, v.Type, seen, v.Doc})
		}
	}
	names = append(names, []string{"signal.ID", "number", "", "its nats, as signal.geo.new_country"})
	for _, v := range rules.Functions() {
		functions = append(functions, []string{v.Name, v.Type, v.Doc})
	}
	err := p.table([]string{"NAME", "TYPE", "SEEN BY", "WHAT"}, names)
	if err != nil {
		return err
	}
	sayln(p.w)
	return p.table([]string{"FUNCTION", "TYPE", "WHAT"}, functions)
}

func newModelInitCommand(env app.Env) *cobra.Command {
	return &cobra.Command{
		Use:     "init",
		Short:   "Print the model that ships, commented, to begin with",
		Example: "  vigil model init >model.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := env.Stdout.Write(model.DefaultYAML())
			return err
		},
	}
}

// showModel writes a model as tables for a terminal of 80 columns.
func showModel(p printer, m *model.Model, costs []ruleCost, now time.Time) error {
	say(p.w, "model %s, mode %s\ndigest %s\n\n", clean(m.Name), m.Mode, m.Digest())
	var rows [][]string
	for i, s := range m.Signals {
		d := evidence.Signal(i).Describe()
		weight := number(s.Weight)
		if !s.On {
			weight = "off"
		}
		rows = append(rows, []string{d.ID, d.Group.String(), weight, number(s.Max), number(m.Clips[d.Group]), s.Ceiling})
	}
	err := p.table([]string{"SIGNAL", "GROUP", "WEIGHT", "MAX", "CLIP", "CEILING"}, rows)
	if err != nil {
		return err
	}
	err = showGroups(p, m)
	if err != nil {
		return err
	}
	rows = nil
	for _, l := range m.Ladders {
		for _, g := range l.Rungs {
			rows = append(rows, []string{l.Kind, g.Action, number(g.Threshold), span(g.For), number(m.Budget(l.Kind, g.Action)), orWord(groupList(g.Groups), "all")})
		}
	}
	sayln(p.w)
	err = p.table([]string{"LADDER", "ACTION", "FROM", "FOR", "BUDGET", "EVIDENCE OF"}, rows)
	if err != nil {
		return err
	}
	sayln(p.w, "BUDGET counts false alarms per 10,000 subject-days; vigil calibrate keeps to it")
	showLearning(p, &m.Learning)
	say(p.w, "volume    kappa %s, tail %s, look %s\n", number(m.Volume.Kappa), number(m.Volume.Tail), number(m.Volume.Look))
	say(p.w, "session   half-life %s, floor %s, block %s, hysteresis %s\n",
		span(m.Session.HalfLife), number(m.Session.Floor), span(m.Session.Block), number(m.Session.Hysteresis))
	say(p.w, "limits    %d sessions, %d subjects, %d addresses, %d tenants\n          %d detectors, %d units for one expression of a rule\n",
		m.Limits.SessionsMax, m.Limits.SubjectsMax, m.Limits.AddressesMax, m.Limits.TenantsMax, m.Limits.DetectorsMax, m.Limits.RuleCostMax)
	showClasses(p, m)
	showPeerGroups(p, m)
	err = showRules(p, m, costs)
	if err != nil {
		return err
	}
	err = showEnsembles(p, ensembleViews(m))
	if err != nil {
		return err
	}
	return showExceptions(p, m, now)
}

// showGroups says what is done to the sum of a group, and for each kind of actor
// by what its suspicion is multiplied.
func showGroups(p printer, m *model.Model) error {
	var rows [][]string
	for i, clip := range m.Clips {
		rows = append(rows, []string{evidence.Group(i).String(), number(m.GroupWeights[i]), number(clip), number(m.Rents[i])})
	}
	sayln(p.w)
	err := p.table([]string{"GROUP", "WEIGHT", "CLIP", "RENT A BLOCK"}, rows)
	if err != nil {
		return err
	}
	rows = nil
	for _, l := range m.Ladders {
		rows = append(rows, []string{l.Kind, number(m.Temperature(l.Kind))})
	}
	sayln(p.w)
	return p.table([]string{"LADDER", "TEMPERATURE"}, rows)
}

func showLearning(p printer, l *entity.Learning) {
	say(p.w, "\nlearning  quarantine %s, clean below %s, confidence %s, concentration %s, half-life %s\n",
		span(l.Quarantine), number(l.CleanBelow), number(l.Confidence), number(l.Concentration), span(l.HalfLife))
	say(p.w, "          %d sessions teach freely, then a place takes %d days that span %s, and %d other new values a day count in full;\n          what is usual at most doubles in %s\n",
		l.FreeSessions, l.PlaceDays, span(l.PlaceSpan), l.ValuesPerDay, span(l.GrowthSpan))
	say(p.w, "          a day's sessions that count in full: %d of a subject, %d of a prefix, %d of a network, %s times the mean of a gateway\n",
		l.SubjectDeltas, l.PrefixDeltas, l.NetworkDeltas, number(l.GatewayExcess))
	say(p.w, "          a signal is common from a share of %s of the subjects' days on\n", number(l.CommonAbove))
	if !l.Releases {
		sayln(p.w, "          releases are taken for what they look like: news")
	}
}

func showClasses(p printer, m *model.Model) {
	for i := range m.RouteClasses {
		c := &m.RouteClasses[i]
		say(p.w, "\n%s %s: %s\n", p.paint(bold, "ROUTE CLASS"), c.ID, clean(strings.Join(append(append([]string{}, c.Routes...), c.Templates...), ", ")))
		for _, w := range c.Own {
			say(p.w, "  %s weighs %s instead of %s\n", w.Signal.Describe().ID, number(w.Weight), number(m.Signals[w.Signal].Weight))
		}
	}
}

func showRules(p printer, m *model.Model, costs []ruleCost) error {
	if len(m.Rules) == 0 {
		return nil
	}
	sayln(p.w)
	var rows [][]string
	for i, r := range m.Rules {
		nats := r.Nats
		if len(nats) > 8 {
			nats = "computed"
		}
		rows = append(rows, []string{
			r.ID, r.Group.String(), nats, r.Ceiling, fmt.Sprintf("%d ns", costs[i].NS), strconv.Itoa(costs[i].Allocations), strconv.FormatUint(r.CostMax, 10),
		})
	}
	err := p.table([]string{"RULE", "GROUP", "NATS", "CEILING", "TIME", "ALLOCS", "WORST"}, rows)
	if err != nil {
		return err
	}
	for i, r := range m.Rules {
		say(p.w, "\n%s: %s\n", r.ID, clean(r.Text))
		for line := range strings.Lines(strings.TrimSpace(r.Expression)) {
			say(p.w, "  when   %s\n", clean(strings.TrimSpace(line)))
		}
		say(p.w, "  nats   %s\n  owner  %s\n", clean(r.Nats), clean(r.Owner))
		if len(r.Kinds) > 0 {
			say(p.w, "  kinds  %s\n", strings.Join(r.Kinds, ", "))
		}
		if costs[i].Fault != "" {
			say(p.w, "  %s\n", p.paint(amber, "gives no answer for the event it was measured on: "+clean(costs[i].Fault)))
		}
	}
	return nil
}

func showExceptions(p printer, m *model.Model, now time.Time) error {
	if len(m.Exceptions) == 0 {
		return nil
	}
	sayln(p.w)
	var rows [][]string
	for i := range m.Exceptions {
		x := &m.Exceptions[i]
		rows = append(rows, []string{x.ID, exceptionState(x, now), x.Until.Format(time.DateOnly), clean(x.Owner), clean(exceptionFor(x))})
	}
	err := p.table([]string{"EXCEPTION", "NOW", "UNTIL", "OWNER", "FOR"}, rows)
	if err != nil {
		return err
	}
	for i := range m.Exceptions {
		x := &m.Exceptions[i]
		say(p.w, "\n%s: %s\n  takes out %s\n", x.ID, clean(x.Reason), orWord(strings.Join(x.Signals, ", "), "all but hard facts"))
	}
	return nil
}

func exceptionState(x *model.Exception, now time.Time) string {
	switch {
	case now.Before(x.From):
		return "to come"
	case !now.Before(x.Until):
		return "expired"
	}
	return "in force"
}

// exceptionFor says whom an exception is for.
func exceptionFor(x *model.Exception) string {
	var parts []string
	put := func(what, who string) {
		if who != "" {
			parts = append(parts, what+" "+who)
		}
	}
	put("subject", x.Subject)
	put("client", x.ClientID)
	if x.Prefix.IsValid() {
		put("prefix", x.Prefix.String())
	}
	put("route", x.Route)
	return strings.Join(parts, ", ")
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// span writes a duration without the zeros that Go puts at its end.
func span(d time.Duration) string {
	if d > 0 && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func groupList(groups []evidence.Group) string {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.String()
	}
	return strings.Join(names, ", ")
}
