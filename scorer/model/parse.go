package model

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/rules"
)

// Parse reads a model file over the model that ships. file is its name for
// messages. The error joins every [Fault], one a line, each as
// file:line:column: key: what is wrong; a file that is no YAML at all, or too
// large, is one [Fault] without a key. A file that names other files needs [ParseWith].
func Parse(file string, b []byte) (*Model, error) {
	return ParseWith(file, b, nil)
}

// ParseWith is Parse for a model file that may name others, of ensembles, which
// files reads. Their faults are among those of the model file.
func ParseWith(file string, b []byte, files Files) (*Model, error) {
	return parseOver(Default(), file, b, files)
}

func parseOver(m *Model, file string, b []byte, files Files) (*Model, error) {
	if len(b) > FileBytesMax {
		return nil, fmt.Errorf("%s: has %d B, at most %d B are read", file, len(b), FileBytesMax)
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		m.seal()
		return m, nil // An empty file changes nothing.
	}
	if err != nil {
		return nil, syntax(file, err)
	}
	r := &reader{file: file, lines: strings.Split(string(b), "\n")}
	var second yaml.Node
	err = dec.Decode(&second)
	if !errors.Is(err, io.EOF) {
		r.fault(&second, "", "only one document is read")
	}
	r.model(doc.Content[0], m)
	r.compile(m)
	r.bring(m, files)
	if r.later != nil {
		r.later()
	}
	if len(r.faults) == 0 {
		r.dial(doc.Content[0], m)
	}
	r.consistent(doc.Content[0], m)
	err = errors.Join(r.faults...)
	if err != nil {
		return nil, err
	}
	m.weigh()
	m.seal()
	return m, nil
}

// syntax is an error of the YAML reader as ours are: it names a line but in the first,
// and no column.
func syntax(file string, err error) *Fault {
	f := &Fault{File: file, Line: 1, Column: 1, Text: strings.TrimPrefix(err.Error(), "yaml: ")}
	at, text, ok := strings.Cut(strings.TrimPrefix(f.Text, "line "), ": ")
	line, err := strconv.Atoi(at)
	if ok && err == nil && text != f.Text {
		f.Line, f.Text = line, text
	}
	if strings.HasPrefix(f.Text, "found character that cannot start any token") {
		f.Text += ": YAML takes no tab to indent with, and a text that begins so must be quoted"
	}
	return f
}

// model reads the top level.
func (r *reader) model(n *yaml.Node, m *Model) {
	r.mapping(n, "", []field{
		{"version", func(n *yaml.Node, key string) {
			if v, ok := r.number(n, key, 1, 1); ok && v != 1 {
				r.fault(n, key, "only version 1 is known")
			}
		}},
		{"name", func(n *yaml.Node, key string) { r.text(n, key, &m.Name) }},
		{"mode", func(n *yaml.Node, key string) { r.oneOf(n, key, &m.Mode, []string{ModeObserve, ModeEnforce}) }},
		{"signals", func(n *yaml.Node, key string) { r.signals(n, key, m) }},
		{"groups", func(n *yaml.Node, key string) { r.groups(n, key, m) }},
		{"learning", func(n *yaml.Node, key string) {
			l := &m.Learning
			r.mapping(n, key, []field{
				{"quarantine", r.durationField(&l.Quarantine, 0, "24h")},
				{"clean_below", r.floatField(&l.CleanBelow, 0.1, 1000)},
				{"confidence", r.floatField(&l.Confidence, 0, 1e6)},
				{"concentration", r.floatField(&l.Concentration, 0.01, 1e6)},
				{"half_life", r.durationField(&l.HalfLife, 1, "3650d")},
				{"free_sessions", r.countField(&l.FreeSessions, 1e6)},
				{"place_days", r.countField(&l.PlaceDays, 60)},
				{"place_span", r.durationField(&l.PlaceSpan, 0, "365d")},
				{"growth_span", r.durationField(&l.GrowthSpan, 0, "365d")},
				{"values_per_day", r.countField(&l.ValuesPerDay, 1e4)},
				{"subject_deltas", r.countField(&l.SubjectDeltas, 1e6)},
				{"prefix_deltas", r.countField(&l.PrefixDeltas, 1e6)},
				{"network_deltas", r.countField(&l.NetworkDeltas, 1e6)},
				{"gateway_excess", r.floatField(&l.GatewayExcess, 1, 1e6)},
				{"common_above", r.floatField(&l.CommonAbove, 0, 1)},
				{"releases", func(n *yaml.Node, key string) { r.boolean(n, key, &l.Releases) }},
			})
		}},
		{"volume", func(n *yaml.Node, key string) {
			v := &m.Volume
			r.mapping(n, key, []field{
				{"kappa", r.floatField(&v.Kappa, 0.001, 0.999)},
				{"tail", r.floatField(&v.Tail, 0.1, 20)},
				{"look", r.floatField(&v.Look, 0, 100)},
			})
		}},
		{"session", func(n *yaml.Node, key string) {
			s := &m.Session
			r.mapping(n, key, []field{
				{"half_life", r.durationField(&s.HalfLife, 1, "365d")},
				{"floor", r.floatField(&s.Floor, -100, 100)},
				{"block", r.durationField(&s.Block, 1, "24h")},
				{"hysteresis", r.floatField(&s.Hysteresis, 0, 1)},
			})
		}},
		{"ladders", func(n *yaml.Node, key string) { r.ladders(n, key, m) }},
		{"budget", func(n *yaml.Node, key string) { r.budgets(n, key, m) }},
		{"limits", func(n *yaml.Node, key string) {
			l := &m.Limits
			r.mapping(n, key, []field{
				{"sessions_max", r.countField(&l.SessionsMax, 1<<24)},
				{"subjects_max", r.countField(&l.SubjectsMax, 1<<24)},
				{"addresses_max", r.countField(&l.AddressesMax, 1<<24)},
				{"tenants_max", r.countField(&l.TenantsMax, 1<<16)},
				{"rule_cost_max", r.countField(&l.RuleCostMax, rules.CostMax)},
				{"detectors_max", r.countField(&l.DetectorsMax, 1<<12)},
			})
		}},
		{"route_classes", func(n *yaml.Node, key string) { r.routeClasses(n, key, m) }},
		{"peer_groups", func(n *yaml.Node, key string) { r.peerGroups(n, key, m) }},
		{"rules", r.rules},
		{"models", r.models},
		{"exceptions", func(n *yaml.Node, key string) {
			r.later = func() { r.exceptions(n, key, m) } // They may name rules that stand below.
		}},
	})
}

func (r *reader) signals(n *yaml.Node, key string, m *Model) {
	r.named(n, key, "id", signalNames(), func(n *yaml.Node, key string, i int) {
		s := &m.Signals[i]
		r.mapping(n, key, []field{
			{"id", nil},
			{"on", func(n *yaml.Node, key string) { r.boolean(n, key, &s.On) }},
			{"weight", r.floatField(&s.Weight, 0, 10)},
			{"max", r.floatField(&s.Max, 0, 100)},
			{"ceiling", func(n *yaml.Node, key string) { r.oneOf(n, key, &s.Ceiling, actions()) }},
		})
	})
}

func (r *reader) groups(n *yaml.Node, key string, m *Model) {
	r.named(n, key, "id", groupNames(), func(n *yaml.Node, key string, i int) {
		r.mapping(n, key, []field{
			{"id", nil},
			{"clip", r.floatField(&m.Clips[i], 0, 100)},
			{"rent", r.floatField(&m.Rents[i], 0, 100)},
			{"weight", r.floatField(&m.GroupWeights[i], GroupWeightLeast, GroupWeightMost)},
		})
	})
}

func (r *reader) ladders(n *yaml.Node, key string, m *Model) {
	m.Ladders = slices.Clone(m.Ladders)
	for _, kind := range Kinds() {
		if !slices.ContainsFunc(m.Ladders, func(l Ladder) bool { return l.Kind == kind }) {
			m.Ladders = append(m.Ladders, Ladder{Kind: kind})
		}
	}
	r.named(n, key, "kind", Kinds(), func(n *yaml.Node, key string, i int) {
		r.mapping(n, key, []field{
			{"kind", nil},
			{"temperature", r.floatField(&m.Ladders[i].Temperature, 0.01, 1)},
			{"rungs", func(n *yaml.Node, key string) {
				m.Ladders[i].Rungs = nil
				r.sequence(n, key, func(n *yaml.Node, key string) {
					m.Ladders[i].Rungs = append(m.Ladders[i].Rungs, r.rung(n, key))
				})
				r.weakestFirst(n, key, m.Ladders[i].Rungs)
			}},
		})
	})
}

func (r *reader) budgets(n *yaml.Node, key string, m *Model) {
	m.Budgets = slices.Clone(m.Budgets)
	for _, kind := range Kinds() {
		if !slices.ContainsFunc(m.Budgets, func(b Budget) bool { return b.Kind == kind }) {
			m.Budgets = append(m.Budgets, Budget{Kind: kind})
		}
	}
	r.named(n, key, "kind", Kinds(), func(n *yaml.Node, key string, i int) {
		fields := []field{{"kind", nil}}
		if kind := m.Budgets[i].Kind; kind != KindAddress && slices.Contains(ActorKinds(), kind) {
			fields = append(fields, field{"hold_out", r.floatField(&m.Budgets[i].HoldOut, 0, HoldOutMax)})
		}
		for _, action := range actions() {
			fields = append(fields, field{action, r.floatField(&m.Budgets[i].Days[verdict.Strength(action)], 0.001, BudgetDays)})
		}
		r.mapping(n, key, fields)
	})
}

func (r *reader) rung(n *yaml.Node, key string) Rung {
	var g Rung
	r.mapping(n, key, []field{
		{"action", func(n *yaml.Node, key string) { r.oneOf(n, key, &g.Action, actions()) }},
		{"threshold", r.floatField(&g.Threshold, thresholdMin, thresholdMax)},
		{"tail", func(n *yaml.Node, key string) { g.Tail = r.tail(n, key) }},
		{"for", r.durationField(&g.For, 1, "365d")},
		{"groups", func(n *yaml.Node, key string) {
			r.sequence(n, key, func(n *yaml.Node, key string) {
				var name string
				if r.oneOf(n, key, &name, groupNames()) {
					g.Groups = append(g.Groups, evidence.Group(slices.Index(groupNames(), name)))
				}
			})
		}},
	}, "action", "for")
	switch {
	case g.Tail != nil && g.Threshold != 0:
		r.fault(n, join(key, "threshold"), "is what the tail and the budget say: leave one of threshold and tail out")
	case g.Tail == nil && g.Threshold == 0:
		r.fault(n, join(key, "threshold"), "is missing")
	}
	return g
}

// weakestFirst reports rungs that are out of order.
func (r *reader) weakestFirst(n *yaml.Node, key string, rungs []Rung) {
	for i := 1; i < len(rungs); i++ {
		was, is := slices.Index(actions(), rungs[i-1].Action), slices.Index(actions(), rungs[i].Action)
		at := n.Content[i]
		switch {
		case was < 0 || is < 0: // Reported where it was read.
		case is <= was:
			r.fault(at, fmt.Sprintf("%s[%d].action", key, i), fmt.Sprintf("%s must come before %s: weakest first, each once", rungs[i].Action, rungs[i-1].Action))
		case rungs[i].Tail == nil && rungs[i-1].Tail == nil && rungs[i].Threshold < rungs[i-1].Threshold:
			r.fault(at, fmt.Sprintf("%s[%d].threshold", key, i), fmt.Sprintf("%g is below the %g of the weaker %s", rungs[i].Threshold, rungs[i-1].Threshold, rungs[i-1].Action))
		}
	}
}

// consistent reports what no single key shows.
func (r *reader) consistent(n *yaml.Node, m *Model) {
	at := section(n, "groups", "signals")
	for g := range m.Clips {
		if m.Clips[g] != 0 {
			continue
		}
		var silent []string
		for i, s := range m.Signals {
			if d := evidence.Signal(i).Describe(); int(d.Group) == g && s.On && s.Weight > 0 && s.Max > 0 {
				silent = append(silent, d.ID)
			}
		}
		if len(silent) > 0 {
			r.fault(at, "groups", fmt.Sprintf("the clip of group %s is 0, so that these can say nothing: turn them off instead: %s", evidence.Group(g), strings.Join(silent, ", ")))
		}
	}
}

// section is the first of some sections that the file has, else the file.
func section(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		if at := child(n, key); at != nil {
			return at
		}
	}
	return n
}

func signalNames() []string {
	ids := make([]string, evidence.Count)
	for i := range ids {
		ids[i] = evidence.Signal(i).Describe().ID
	}
	return ids
}

func groupNames() []string {
	names := make([]string, 0, evidence.GroupCount)
	for _, g := range evidence.Groups() {
		names = append(names, g.String())
	}
	return names
}

// join writes a key's path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return strings.Join([]string{path, key}, ".")
}
