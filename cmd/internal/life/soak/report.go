package soak

import (
	"cmp"
	"slices"
	"strings"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// Report is what a soak found.
type Report struct {
	Seed            uint64 `json:"seed"`
	Subjects        int    `json:"subjects"`
	WarmupDays      int    `json:"warmup_days"`
	MeasuredDays    int    `json:"measured_days"`
	WarmupEvents    int    `json:"warmup_events"`
	WarmupProposals int    `json:"warmup_proposals"`
	// Events, and Requests among them, of the measured days.
	Events   int    `json:"events"`
	Requests int    `json:"requests"`
	Sessions int    `json:"sessions_held"`
	Evicted  uint64 `json:"entities_evicted"`

	Kinds     []*Kind     `json:"kinds"`
	Segments  []*Segment  `json:"segments"`
	Causes    []*Cause    `json:"causes"`
	Facets    []*FacetRow `json:"facets,omitempty"`
	Detection []Detection `json:"detection,omitempty"`
	Levels    []Level     `json:"levels,omitempty"`

	model    *model.Model
	kinds    map[string]*Kind
	segments map[segmentKey]*Segment
	causes   map[causeKey]*Cause
}

type segmentKey struct {
	kind  string
	trait life.Trait
}

type causeKey struct{ kind, action, evidence string }

// Alarms counts false proposals by action.
type Alarms struct {
	Throttle int `json:"throttle"`
	ReadOnly int `json:"read_only"`
	StepUp   int `json:"step_up"`
	Revoke   int `json:"revoke"`
	Block    int `json:"block"`
}

func (a *Alarms) add(action string) {
	switch action {
	case verdict.ActionThrottle:
		a.Throttle++
	case verdict.ActionReadOnly:
		a.ReadOnly++
	case verdict.ActionStepUp:
		a.StepUp++
	case verdict.ActionRevoke:
		a.Revoke++
	case verdict.ActionBlock:
		a.Block++
	}
}

// Kind is one kind of subject.
type Kind struct {
	Kind        string `json:"kind"`
	SubjectDays int    `json:"subject_days"`
	Alarms
	// Affected is how many different subjects, or addresses, the alarms hit.
	Affected int `json:"affected"`
	// Mean is the mean of exp(L) for each group and for all together, over the
	// blocks of a minute of each session.
	Mean map[string]float64 `json:"mean_exp"`

	mean     mean
	affected map[string]bool
}

// Segment is the subject-days of one kind with one trait.
type Segment struct {
	Kind        string `json:"kind"`
	Trait       string `json:"trait"`
	SubjectDays int    `json:"subject_days"`
	Alarms
	// Mean is the mean of exp(L) for each group and for all together, over the
	// blocks with events that have the trait themselves.
	Mean map[string]float64 `json:"mean_exp"`

	mean  mean
	trait life.Trait
}

// Cause is what false alarms of one action rested on.
type Cause struct {
	Kind     string   `json:"kind"`
	Action   string   `json:"action"`
	Evidence string   `json:"evidence"`
	Count    int      `json:"count"`
	Traits   []string `json:"traits"`
	Examples []string `json:"examples"`

	traits map[life.Trait]int
}

// examplesMax bounds the examples of a cause.
const examplesMax = 4

func newReport(o Options) *Report {
	return &Report{
		Seed: o.Life.Seed, Subjects: o.Life.Subjects, WarmupDays: o.Warmup, MeasuredDays: o.Life.Days - o.Warmup, model: o.Model,
		kinds: make(map[string]*Kind), segments: make(map[segmentKey]*Segment), causes: make(map[causeKey]*Cause),
	}
}

// unit is that of a kind in the model.
func (r *Report) unit(kind string) unit {
	return unit{temperature: r.model.Temperature(kind), rents: r.model.Rents}
}

func (r *Report) kind(name string) *Kind {
	k := r.kinds[name]
	if k == nil {
		k = &Kind{Kind: name, affected: make(map[string]bool)}
		r.kinds[name] = k
		r.Kinds = append(r.Kinds, k)
	}
	return k
}

func (r *Report) segment(kind string, t life.Trait) *Segment {
	key := segmentKey{kind, t}
	s := r.segments[key]
	if s == nil {
		s = &Segment{Kind: kind, Trait: t.String(), trait: t}
		r.segments[key] = s
		r.Segments = append(r.Segments, s)
	}
	return s
}

// alarm books a proposal against somebody honest.
func (r *Report) alarm(kind, actor string, traits life.Trait, p *judge.Proposal) {
	r.kind(kind).add(p.Action)
	r.kind(kind).affected[actor] = true
	for _, t := range life.Traits() {
		if traits&t != 0 {
			r.segment(kind, t).add(p.Action)
		}
	}
	key := causeKey{kind, p.Action, reasons(p)}
	c := r.causes[key]
	if c == nil {
		c = &Cause{Kind: kind, Action: p.Action, Evidence: key.evidence, traits: make(map[life.Trait]int)}
		r.causes[key] = c
		r.Causes = append(r.Causes, c)
	}
	c.Count++
	for _, t := range life.Traits() {
		if traits&t != 0 {
			c.traits[t]++
		}
	}
	if len(c.Examples) < examplesMax {
		c.Examples = append(c.Examples, p.OperatorText)
	}
}

// reasons names the evidence that makes up nine tenths of a proposal.
func reasons(p *judge.Proposal) string {
	total, sum := 0.0, 0.0
	for _, e := range p.Evidence {
		total += e.GetNats()
	}
	var names []string
	for _, e := range p.Evidence {
		if sum >= 0.85*total {
			break
		}
		sum += e.GetNats()
		names = append(names, e.GetSignal())
	}
	slices.Sort(names)
	return strings.Join(names, " + ")
}

// finish orders everything and computes what is shown.
func (r *Report) finish(s scorer.Stats) {
	r.Sessions, r.Evicted = s.Sessions, s.Evicted
	slices.SortFunc(r.Kinds, func(a, b *Kind) int { return cmp.Compare(b.SubjectDays, a.SubjectDays) })
	for _, k := range r.Kinds {
		k.Affected = len(k.affected)
		k.Mean = k.mean.byName()
	}
	for _, g := range r.Segments {
		g.Mean = g.mean.byName()
	}
	slices.SortStableFunc(r.Segments, func(a, b *Segment) int { return cmp.Compare(b.perDay(), a.perDay()) })
	slices.SortStableFunc(r.Causes, func(a, b *Cause) int { return cmp.Compare(b.Count, a.Count) })
	for _, c := range r.Causes {
		c.Traits = common(c.traits, c.Count)
	}
}

// perDay is how bad a segment is: revokes and blocks weigh as the budget has it.
func (s *Segment) perDay() float64 {
	return (float64(s.StepUp) + float64(100*(s.Revoke+s.Block)) + float64(5*(s.Throttle+s.ReadOnly))) / float64(max(s.SubjectDays, 30))
}

// common are the traits of at least four in ten of the cases.
func common(traits map[life.Trait]int, of int) []string {
	var names []string
	for _, t := range life.Traits() {
		if 10*traits[t] >= 4*of {
			names = append(names, t.String())
		}
	}
	return names
}
