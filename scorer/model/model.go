package model

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/budget"
	"github.com/vigil-gateway/vigil/scorer/ensemble"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/rules"
)

// Modes: whether verdicts leave the analyzer.
const (
	// ModeObserve scores and records, and announces nothing.
	ModeObserve = "observe"
	// ModeEnforce announces verdicts.
	ModeEnforce = "enforce"
)

// KindAddress is the ladder of those who show no credential; the other kinds
// are the subject kinds of an event.
const KindAddress = "address"

// Model is one effective risk model.
type Model struct {
	// Name is for people; it is not part of the digest.
	Name string
	Mode string
	// Signals has one setting per signal of the catalogue.
	Signals [evidence.Count]Signal
	// Clips is the most that a group adds to the score of one event, in nats.
	Clips [evidence.GroupCount]float64
	// Rents is what a group's suspicion loses in each block at least, in nats: the
	// price of having been looked at.
	Rents [evidence.GroupCount]float64
	// GroupWeights multiply what is found of a group, 1 unless labels have said
	// otherwise; hard facts and reassurance are not weighed.
	GroupWeights [evidence.GroupCount]float64
	Learning     entity.Learning
	Volume       Volume
	Session      Session
	// Ladders has one entry per kind of actor, in the order of [Kinds].
	Ladders []Ladder
	// Budgets has one entry per kind of actor, in the order of [Kinds].
	Budgets []Budget
	Limits  Limits
	// RouteClasses are asked in their order, the first that fits counts.
	RouteClasses []RouteClass
	// PeerGroups are asked in their order, the first that fits counts.
	PeerGroups []PeerGroup
	// Rules are the custom ones, compiled.
	Rules []*rules.Rule
	// Ensembles are the models that the user has brought, compiled.
	Ensembles  []*ensemble.Model
	Exceptions []Exception

	digest          string
	pace, facetPace entity.Pace
}

// Signal is how one signal counts.
type Signal struct {
	On bool
	// Weight multiplies the signal's nats, 0 to 10.
	Weight float64
	// Max is the most that the signal says before its weight, in nats.
	Max float64
	// Ceiling is the strongest action that the signal supports alone.
	Ceiling string
}

// Volume says how tail probabilities become nats.
type Volume struct {
	// Kappa is κ in the e-value κ·p^(κ-1), between 0 and 1.
	Kappa float64
	// Tail is the Pareto index beyond the largest value ever seen.
	Tail float64
	// Look is the price of looking at every minute of a session, in nats: it
	// is taken off, so that everyday variation says nothing.
	Look float64
}

// Session says how evidence adds up over a session.
type Session struct {
	// HalfLife is after how long suspicion is half forgotten.
	HalfLife time.Duration
	// Floor is what a session's suspicion never falls below, in nats.
	Floor float64
	// Block is how long a signal that renews counts its maximum once.
	Block time.Duration
	// Hysteresis is the share of a threshold below which a verdict is not renewed.
	Hysteresis float64
}

// Ladder is what may happen to one kind of actor or facet, weakest action first.
type Ladder struct {
	Kind string
	// Temperature multiplies nats of suspicion so that they are the logarithm of
	// an e-value on clean data, above 0 and at most 1; 0 for a facet, of whose nats
	// nothing is promised.
	Temperature float64
	Rungs       []Rung
}

// Rung is one action of a ladder.
type Rung struct {
	Action string
	// Threshold is the suspicion at which the action is asked for, in nats. Where
	// the rung has a Tail it is the level that keeps the kind's budget.
	Threshold float64
	// Tail is how the largest suspicion of clean subject-days is distributed, as
	// "vigil calibrate" found it; nil where the file names the threshold itself.
	Tail *budget.Tail
	// For is how long the verdict holds.
	For time.Duration
	// Groups limits whose evidence supports the action; empty means all.
	Groups []evidence.Group
}

// BudgetDays is how many subject-days a budget counts against.
const BudgetDays = 10_000

// Budget is how many false alarms one kind of actor may meet.
type Budget struct {
	Kind string
	// Days is for each action, by its [verdict.Strength], on how many of
	// [BudgetDays] clean subject-days it may be asked for; 0 names no budget.
	Days [verdictsMax]float64
	// HoldOut is the share of subject-days, 0 to [HoldOutMax], on which a step-up
	// is recorded in shadow and not asked for.
	HoldOut float64
}

// HoldOutMax bounds how many step-ups may be held out: on such a day a thief is
// met by a revoke alone.
const HoldOutMax = 0.1

// verdictsMax is the number of actions, with observe.
const verdictsMax = 6

// Budget returns on how many of [BudgetDays] clean subject-days an action may
// be asked for, 0 where the model names no budget.
func (m *Model) Budget(kind, action string) float64 {
	strength := verdict.Strength(action)
	if strength <= 0 {
		return 0
	}
	return m.budget(kind).Days[strength]
}

// HoldOut returns on which share of its subject-days a kind of actor is not asked
// to step up.
func (m *Model) HoldOut(kind string) float64 { return m.budget(kind).HoldOut }

// budget is that of a kind, without any number where the model names none.
func (m *Model) budget(kind string) Budget {
	i := slices.IndexFunc(m.Budgets, func(b Budget) bool { return b.Kind == kind })
	if i < 0 {
		return Budget{}
	}
	return m.Budgets[i]
}

// Limits bound the state of one partition; the least recently used go first.
type Limits struct {
	SessionsMax, SubjectsMax, AddressesMax, TenantsMax int
	// RuleCostMax is the most that one expression of a rule may cost for one
	// event, in units of the Common Expression Language.
	RuleCostMax int
	// DetectorsMax bounds the detectors of signal model.anomaly.
	DetectorsMax int
}

// ActorKinds lists the kinds of actor, which the first stage judges.
func ActorKinds() []string { return []string{"human", "service", "agent", KindAddress} }

// FacetKinds lists the kinds of facet, which the facet stage judges.
func FacetKinds() []string {
	return []string{
		verdict.TargetPrefix, verdict.TargetAccount, verdict.TargetDevice, verdict.TargetClient, verdict.TargetJA4, verdict.TargetRoute,
	}
}

// Kinds lists everything that has a ladder: actors, then facets.
func Kinds() []string { return append(ActorKinds(), FacetKinds()...) }

//go:embed default.yaml
var defaultYAML []byte

// Default returns the model that ships.
func Default() *Model {
	bare := new(Model)
	for g := range bare.GroupWeights {
		bare.GroupWeights[g] = 1
	}
	m, err := parseOver(bare, "default.yaml", defaultYAML, nil)
	if err != nil {
		panic(fmt.Sprintf("model: the embedded default is broken: %v", err)) // A test parses it, so no build ships this.
	}
	return m
}

// DefaultYAML returns the file that ships, as a start for one's own.
func DefaultYAML() []byte { return append([]byte(nil), defaultYAML...) }

// KindOf is the kind of actor that an event is of: whose ladder holds.
func KindOf(ev *event.RequestEvent) string {
	switch {
	case ev.GetSession() == "" && ev.GetSubject() == "":
		return KindAddress
	case ev.GetSubjectKind() == "":
		return event.SubjectHuman
	}
	return ev.GetSubjectKind()
}

// Ladder returns the rungs of a kind of actor; a kind that nobody knows is
// treated as human, the most cautious towards the honest.
func (m *Model) Ladder(kind string) []Rung {
	for i := range m.Ladders {
		if m.Ladders[i].Kind == kind {
			return m.Ladders[i].Rungs
		}
	}
	return m.Ladders[0].Rungs
}

// Pace is how the suspicion of an actor fades.
func (m *Model) Pace() *entity.Pace { return &m.pace }

// FacetPace is how that of a facet fades: it pays no rent, because its tests run
// over hours and fade by themselves.
func (m *Model) FacetPace() *entity.Pace { return &m.facetPace }

// Temperature is that of a kind of actor's ladder.
func (m *Model) Temperature(kind string) float64 {
	for i := range m.Ladders {
		if m.Ladders[i].Kind == kind {
			return m.Ladders[i].Temperature
		}
	}
	return m.Ladders[0].Temperature
}

// Digest is the SHA-256 of the canonical form, in hexadecimal.
func (m *Model) Digest() string { return m.digest }

// WithMode returns the same model in another mode, which has another digest.
func (m *Model) WithMode(mode string) *Model {
	other := *m
	other.Mode = mode
	other.seal()
	return &other
}

// WithGroupWeights returns the same model with other weights of its groups,
// within [GroupWeightLeast] and [GroupWeightMost], which has another digest.
func (m *Model) WithGroupWeights(weights [evidence.GroupCount]float64) *Model {
	other := *m
	for g, w := range weights {
		other.GroupWeights[g] = min(GroupWeightMost, max(GroupWeightLeast, w))
	}
	other.seal()
	return &other
}

func (m *Model) seal() {
	m.pace = entity.Pace{HalfLife: m.Session.HalfLife, Block: m.Session.Block}
	m.facetPace = m.pace
	copy(m.pace.Rents[:], m.Rents[:])
	sum := sha256.Sum256(m.Canonical())
	m.digest = hex.EncodeToString(sum[:])
}

// Canonical returns the text that the digest covers: every effective value, in
// a fixed order, one a line.
func (m *Model) Canonical() []byte {
	var b strings.Builder
	line := func(key string, values ...string) { fmt.Fprintf(&b, "%s %s\n", key, strings.Join(values, " ")) }
	num := func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
	line("format", "1")
	line("mode", m.Mode)
	for i, s := range m.Signals {
		line("signal", evidence.Signal(i).Describe().ID, strconv.FormatBool(s.On), num(s.Weight), num(s.Max), s.Ceiling)
	}
	for i, c := range m.Clips {
		line("group", evidence.Group(i).String(), num(c), num(m.Rents[i]))
		if m.GroupWeights[i] != 1 { // Left out where nothing was said, so that older digests stay.
			line("group_weight", evidence.Group(i).String(), num(m.GroupWeights[i]))
		}
	}
	l := &m.Learning
	line("learning", l.Quarantine.String(), num(l.CleanBelow), num(l.Confidence), num(l.Concentration), l.HalfLife.String(),
		strconv.Itoa(l.FreeSessions), strconv.Itoa(l.PlaceDays), l.PlaceSpan.String(), l.GrowthSpan.String(), strconv.Itoa(l.ValuesPerDay),
		strconv.Itoa(l.SubjectDeltas), strconv.Itoa(l.PrefixDeltas), strconv.Itoa(l.NetworkDeltas), num(l.GatewayExcess), strconv.FormatBool(l.Releases), num(l.CommonAbove))
	line("volume", num(m.Volume.Kappa), num(m.Volume.Tail), num(m.Volume.Look))
	line("session", m.Session.HalfLife.String(), num(m.Session.Floor), m.Session.Block.String(), num(m.Session.Hysteresis))
	for _, l := range m.Ladders {
		line("ladder", l.Kind, num(l.Temperature))
		for _, r := range l.Rungs {
			groups := make([]string, len(r.Groups))
			for i, g := range r.Groups {
				groups[i] = g.String()
			}
			line("rung", l.Kind, r.Action, num(r.Threshold), r.For.String(), strings.Join(groups, ","))
		}
	}
	for _, b := range m.Budgets {
		for i, days := range b.Days[1:] {
			line("budget", b.Kind, actions()[i], num(days))
		}
		if b.HoldOut != 0 { // Left out where nothing was said, so that older digests stay.
			line("hold_out", b.Kind, num(b.HoldOut))
		}
	}
	line("limits", strconv.Itoa(m.Limits.SessionsMax), strconv.Itoa(m.Limits.SubjectsMax), strconv.Itoa(m.Limits.AddressesMax), strconv.Itoa(m.Limits.TenantsMax), strconv.Itoa(m.Limits.DetectorsMax))
	for i := range m.RouteClasses {
		c := &m.RouteClasses[i]
		line("route_class", quote(c.ID), quote(c.Routes...), quote(c.Templates...))
		for _, w := range c.Own {
			line("route_class_signal", w.Signal.Describe().ID, num(w.Weight))
		}
	}
	m.canonicalPeers(line)
	for _, r := range m.Rules {
		line("rule", quote(r.ID, r.Group.String(), r.Expression, r.Nats, r.Text, r.Ceiling, r.Technique, r.Owner), quote(r.Kinds...))
	}
	if len(m.Rules) > 0 {
		line("rule_cost_max", strconv.Itoa(m.Limits.RuleCostMax))
	}
	for _, e := range m.Ensembles {
		line("ensemble", quote(e.ID, e.Group.String(), e.Digest(), e.Text, e.Ceiling, e.Technique, e.Owner), num(e.Max), num(e.Weight), quote(e.Kinds...))
		for _, p := range e.Points {
			line("ensemble_point", num(p.Margin), num(p.Nats))
		}
	}
	for i := range m.Exceptions {
		x := &m.Exceptions[i]
		prefix := ""
		if x.Prefix.IsValid() {
			prefix = x.Prefix.String()
		}
		line("exception", quote(x.ID, x.Owner, x.Reason, x.From.Format(time.RFC3339Nano), x.Until.Format(time.RFC3339Nano),
			x.Subject, x.ClientID, prefix, x.Route), quote(x.Signals...))
	}
	return []byte(b.String())
}

// quote writes texts of the author's so that no two lists look alike.
func quote(texts ...string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = strconv.Quote(t)
	}
	return "[" + strings.Join(quoted, " ") + "]"
}

// actions that a rung may name, weakest first.
func actions() []string {
	return []string{verdict.ActionThrottle, verdict.ActionReadOnly, verdict.ActionStepUp, verdict.ActionRevoke, verdict.ActionBlock}
}
