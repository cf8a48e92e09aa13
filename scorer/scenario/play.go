package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/facet"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/rules"
)

// Start is when every story begins: a Monday morning.
//
//nolint:gochecknoglobals // A constant: Go has no constant times.
var Start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// Options say how a story is played.
type Options struct {
	// NewPair is required. Its stages must have the offline clock.
	NewPair func() (*scorer.Pair, error)
	// Restarts replaces both stages by ones restored from its snapshot before each
	// event that is not history.
	Restarts bool
}

// Outcome is what the scorer made of a story.
type Outcome struct {
	// Text is every event with evidence and every verdict, for a golden.
	Text string
	// Actors are those of the story, in the order in which they were named.
	Actors []Actor
	// Signals counts how often each signal and custom rule was found, also in
	// the history.
	Signals map[string]int
	// Rules says how each custom rule fared, since the last restart.
	Rules []rules.Count
}

// Actor is somebody in a story and what came of it.
type Actor struct {
	Name string
	Want Expectation
	// Action is the last one against the actor, or [Nothing].
	Action string
	// Peak is the greatest session score, in nats.
	Peak float64
	// Signals are those that were found, in the order of their first time.
	Signals []string
}

// player plays one story.
type player struct {
	Options

	pair   *scorer.Pair
	groups []model.PeerGroup
	out    strings.Builder
	now    time.Time
	fields map[string][]string // Of each actor.
	places map[string][]string
	actors map[string]*Actor
	order  []string
	loops  []int
	offset int64
	quiet  bool
	early  int
	found  map[string]int
	causes map[string]string // Who sent an event, by its id.
	live   []judge.Proposal  // Verdicts about facets.
}

// Play plays a story to a new engine.
func Play(s *Script, o Options) (*Outcome, error) {
	p := &player{
		Options: o, groups: s.groups, now: Start, fields: make(map[string][]string), places: make(map[string][]string),
		actors: make(map[string]*Actor), found: make(map[string]int), causes: make(map[string]string),
	}
	var err error
	p.pair, err = p.newPair()
	if err != nil {
		return nil, fmt.Errorf("start scorer: %w", err)
	}
	err = p.run(s.statements)
	if err != nil {
		return nil, err
	}
	out := &Outcome{Text: p.out.String(), Signals: p.found, Rules: p.pair.Engine.Rules()}
	for _, name := range p.order {
		out.Actors = append(out.Actors, *p.actors[name])
	}
	return out, nil
}

func (p *player) run(list []statement) error {
	for i := range list {
		s := &list[i]
		switch s.verb {
		case "group": // Read before the story began.
		case "place":
			p.places[s.words[0]] = s.words[1:]
		case "actor":
			p.fields[s.words[0]] = s.words[1:]
			p.actor(s.words[0])
		case "set":
			p.fields[s.words[0]] = slices.Concat(p.fields[s.words[0]], s.words[1:])
		case "history":
			p.quiet = true
		case "now":
			p.quiet = false
			fmt.Fprintf(&p.out, "history: %d records, %d proposals\n", p.offset, p.early)
		case "expect":
			p.actor(s.words[0]).Want = s.expect
		case "wait":
			p.now = p.now.Add(s.every)
		case "repeat":
			for k := range s.times {
				begin := p.now
				p.loops = append(p.loops, k+1)
				err := p.run(s.body)
				if err != nil {
					return err
				}
				p.loops = p.loops[:len(p.loops)-1]
				p.now = begin.Add(s.every)
			}
		default:
			err := p.event(s)
			if err != nil {
				return fmt.Errorf("line %d: %w", s.line, err)
			}
		}
	}
	return nil
}

func (p *player) actor(name string) *Actor {
	a := p.actors[name]
	if a == nil {
		a = &Actor{Name: name, Want: Expectation{Action: Nothing}, Action: Nothing}
		p.actors[name] = a
		p.order = append(p.order, name)
	}
	return a
}

func (p *player) event(s *statement) error {
	e := &event.RequestEvent{
		Kind: event.KindRequest, Phase: event.PhaseComplete, Tenant: "default", Method: "GET", Status: 200, Id: fmt.Sprint("e", p.offset),
	}
	for _, f := range slices.Concat(p.fields[s.verb], s.words) {
		f, err := number(f, p.loops)
		if err != nil {
			return err
		}
		err = setField(e, f, p.places, &p.now)
		if err != nil {
			return err
		}
	}
	if e.Subject != "" && e.SubjectKind == "" {
		e.SubjectKind = event.SubjectHuman
	}
	e.Time = timestamppb.New(p.now)
	if p.Restarts && !p.quiet {
		err := p.restart()
		if err != nil {
			return err
		}
	}
	p.causes[e.Id] = s.verb
	res, facets := p.pair.Assess(scorer.Record{Event: e, Topic: topic.Requests, Offset: p.offset})
	p.offset++
	for _, a := range facets.Assessments {
		for _, v := range a.GetEvidence() {
			p.found[v.GetSignal()]++
		}
	}
	for _, v := range res.Assessment.GetEvidence() {
		p.found[v.GetSignal()]++
	}
	if p.quiet {
		p.early += len(res.Proposals) + len(facets.Proposals)
		return nil
	}
	p.say(p.actor(s.verb), e, res)
	p.sayFacets(facets)
	p.meet(p.actor(s.verb), e)
	return nil
}

// newPair returns new stages, which know the story's peer groups.
func (p *player) newPair() (*scorer.Pair, error) {
	pair, err := p.NewPair()
	if err == nil && len(p.groups) > 0 {
		pair.SwapModel(pair.Engine.Model().WithPeerGroups(p.groups))
	}
	return pair, err
}

// restart goes on with stages that know no more than the snapshot says.
func (p *player) restart() error {
	var b bytes.Buffer
	pair, err := p.newPair()
	err = errors.Join(err, p.pair.Snapshot(&b))
	if err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	p.pair = pair
	return pair.Restore(&b, nil)
}

func (p *player) say(who *Actor, e *event.RequestEvent, res scorer.Result) {
	a := res.Assessment
	if a == nil {
		return
	}
	who.Peak = max(who.Peak, a.SessionScore)
	if len(a.Evidence) > 0 {
		what := e.Path
		if what == "" {
			what = e.Template
		}
		fmt.Fprintf(&p.out, "%s %s %s %s %d: score %.2f, session %.2f, %s\n",
			e.Time.AsTime().Format("02T15:04:05"), who.Name, e.Method, what, e.Status, a.Score, a.SessionScore, a.Action)
	}
	p.evidence(who, a.Evidence)
	for _, q := range res.Proposals {
		p.propose(&q)
		who.Action = q.Action
	}
}

func (p *player) evidence(who *Actor, list []*verdict.Evidence) {
	for _, v := range list {
		fmt.Fprintf(&p.out, "    %+.2f %s: %s\n", v.Nats, v.Signal, v.Text)
		if !slices.Contains(who.Signals, v.Signal) {
			who.Signals = append(who.Signals, v.Signal)
		}
	}
}

func (p *player) propose(q *judge.Proposal) {
	fmt.Fprintf(&p.out, "  => %s %s %s for %s at %.2f\n", q.Action, q.Target.Kind, q.Target.Id, q.Until.Sub(p.now), q.Score)
}

// sayFacets says what the facet stage found, and holds it against who sent the
// event that tipped it.
func (p *player) sayFacets(res facet.Result) {
	for _, a := range res.Assessments {
		who := p.actor(p.causes[a.EventId])
		who.Peak = max(who.Peak, a.SessionScore)
		fmt.Fprintf(&p.out, "  %s %s: score %.2f, facet %.2f, %s\n", a.Target.Kind, a.Target.Id, a.Score, a.SessionScore, a.Action)
		p.evidence(who, a.Evidence)
	}
	for _, q := range res.Proposals {
		p.propose(&q)
		p.actor(p.causes[q.EventID]).hit(q.Action)
		p.live = append(p.live, q)
	}
}

// meet lets an actor run into the verdicts about facets that are in force.
func (p *player) meet(who *Actor, e *event.RequestEvent) {
	p.live = slices.DeleteFunc(p.live, func(q judge.Proposal) bool { return !p.now.Before(q.Until) })
	for i := range p.live {
		if facet.Matches(p.live[i].Target, e) {
			who.hit(p.live[i].Action)
		}
	}
}

// hit notes an action that is at least as strong as the one before.
func (a *Actor) hit(action string) {
	if verdict.Strength(action) >= verdict.Strength(a.Action) {
		a.Action = action
	}
}

// Failures says how what came differs from what the story expects, one a line;
// none where it came as expected.
func (o *Outcome) Failures() []string {
	var list []string
	for i := range o.Actors {
		a := &o.Actors[i]
		say := func(format string, args ...any) { list = append(list, a.Name+": "+fmt.Sprintf(format, args...)) }
		if a.Action != a.Want.Action {
			say("got %s, want %s", a.Action, a.Want.Action)
		}
		if a.Want.Banded && !(a.Peak >= a.Want.Least && a.Peak <= a.Want.Most) {
			say("reached %.2f nats, want %g to %g", a.Peak, a.Want.Least, a.Want.Most)
		}
		for _, s := range a.Want.Found {
			if !slices.Contains(a.Signals, s) {
				say("%s found nothing, want evidence", s)
			}
		}
		for _, s := range a.Want.Absent {
			if slices.Contains(a.Signals, s) {
				say("%s found something, want none", s)
			}
		}
	}
	return list
}
