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
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/rules"
)

// Start is when every story begins: a Monday morning.
//
//nolint:gochecknoglobals // A constant: Go has no constant times.
var Start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// Options say how a story is played.
type Options struct {
	// NewEngine is required. Its engines must have the offline clock.
	NewEngine func() (*scorer.Engine, error)
	// Restarts replaces the engine by one restored from its snapshot before each
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

	engine *scorer.Engine
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
}

// Play plays a story to a new engine.
func Play(s *Script, o Options) (*Outcome, error) {
	e, err := o.NewEngine()
	if err != nil {
		return nil, fmt.Errorf("start scorer: %w", err)
	}
	p := &player{
		Options: o, engine: e, now: Start, fields: make(map[string][]string), places: make(map[string][]string),
		actors: make(map[string]*Actor), found: make(map[string]int),
	}
	err = p.run(s.statements)
	if err != nil {
		return nil, err
	}
	out := &Outcome{Text: p.out.String(), Signals: p.found, Rules: p.engine.Rules()}
	for _, name := range p.order {
		out.Actors = append(out.Actors, *p.actors[name])
	}
	return out, nil
}

func (p *player) run(list []statement) error {
	for i := range list {
		s := &list[i]
		switch s.verb {
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
	res := p.engine.Assess(scorer.Record{Event: e, Topic: topic.Requests, Offset: p.offset})
	p.offset++
	for _, v := range res.Assessment.GetEvidence() {
		p.found[v.GetSignal()]++
	}
	if p.quiet {
		p.early += len(res.Proposals)
		return nil
	}
	p.say(p.actor(s.verb), e, res)
	return nil
}

// restart goes on with an engine that knows no more than the snapshot says.
func (p *player) restart() error {
	var b bytes.Buffer
	e, err := p.NewEngine()
	err = errors.Join(err, p.engine.Snapshot(&b))
	if err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	p.engine = e
	return e.Restore(&b, nil)
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
	for _, v := range a.Evidence {
		fmt.Fprintf(&p.out, "    %+.2f %s: %s\n", v.Nats, v.Signal, v.Text)
		if !slices.Contains(who.Signals, v.Signal) {
			who.Signals = append(who.Signals, v.Signal)
		}
	}
	for _, q := range res.Proposals {
		fmt.Fprintf(&p.out, "  => %s %s %s for %s at %.2f\n", q.Action, q.Target.Kind, q.Target.Id, q.Until.Sub(p.now), q.Score)
		who.Action = q.Action
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
