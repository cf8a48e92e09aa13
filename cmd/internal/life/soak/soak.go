package soak

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/budget"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// Options say what is measured.
type Options struct {
	Life life.Options
	// Warmup is the number of days that only teach.
	Warmup int
	// Model is required.
	Model *model.Model
}

// proofAfter is how long a person needs to confirm that it is he.
const proofAfter = 45 * time.Second

// aftermath is how long after the last event of an attack an alarm may still be the
// attack's doing: of what it left behind nothing is left after twelve half-lives.
const aftermath = 6 * time.Hour

// touch is the attack that had to do with somebody, and until when.
type touch struct {
	attack int
	until  time.Time
}

// run is one pass of a history through an engine.
type run struct {
	options  Options
	pair     *scorer.Pair
	gather   *budget.Collector
	measured time.Time // When the measured days begin.
	report   *Report

	days    *dayBook
	blocks  *blockBook
	facets  facetBook
	cases   []incident
	touched map[string]touch // Sessions, subjects and addresses of attackers.
	proven  map[string]*timestamppb.Timestamp
	offset  int64
}

// Run feeds a history to a new engine and reports on the measured days.
func Run(o Options) (*Report, error) {
	if o.Model == nil {
		return nil, errors.New("soak: a model is required")
	}
	gather := budget.NewCollector(rungsOf(o.Model))
	pair, err := scorer.NewPair(scorer.Options{Model: o.Model, OfflineClock: true, Gather: gather})
	if err != nil {
		return nil, fmt.Errorf("soak: %w", err)
	}
	world, err := life.New(o.Life)
	if err != nil {
		return nil, fmt.Errorf("soak: %w", err)
	}
	r := &run{
		options: o, pair: pair, gather: gather, measured: o.Life.Start.AddDate(0, 0, o.Warmup), report: newReport(o),
		days: newDayBook(), blocks: newBlockBook(), cases: make([]incident, len(world.Attacks())),
		touched: make(map[string]touch), proven: make(map[string]*timestamppb.Timestamp),
	}
	ev := new(event.RequestEvent)
	for {
		label, more := world.Next(ev)
		if !more {
			break
		}
		r.one(ev, label)
	}
	r.days.close(r.report)
	r.blocks.close(r.report)
	r.report.detect(world.Attacks(), r.cases)
	if len(world.Attacks()) == 0 {
		gather.Close()
		r.report.fit(o.Model, gather)
	}
	r.report.finish(pair.Engine.Stats())
	return r.report, nil
}

// one scores an event and books what came of it.
func (r *run) one(ev *event.RequestEvent, label life.Label) {
	if label.Attack < 0 {
		if at := r.proven[ev.GetSession()]; at != nil && ev.GetTime().AsTime().After(at.AsTime()) {
			ev.AuthTime = at // He has confirmed; his token says so from now on.
		}
	}
	measured := !ev.GetTime().AsTime().Before(r.measured)
	if measured && r.report.Events == 0 {
		r.gather.Clear()
	}
	r.offset++
	res, facets := r.pair.Assess(scorer.Record{Event: ev, Topic: topic.Requests, Offset: r.offset})
	begins := ev.GetPhase() == event.PhaseComplete || ev.GetPhase() == event.PhaseOpen
	if !measured {
		r.report.WarmupEvents++
		r.report.WarmupProposals += len(res.Proposals) + len(facets.Proposals)
		r.answer(ev, label, res.Proposals)
		return
	}
	r.report.Events++
	if ev.Terminal() {
		r.report.Requests++
	}
	victim, stolen := r.mark(ev, label)
	if label.Attack >= 0 {
		r.cases[label.Attack].see(label, begins, ev.GetTime().AsTime())
	}
	for i := range res.Proposals {
		p := &res.Proposals[i]
		switch {
		case victim >= 0 && (stolen || p.Target.GetKind() != verdict.TargetSession):
			r.cases[victim].take(p, label.Attack >= 0, ev.GetTime().AsTime())
		default:
			r.report.alarm(model.KindOf(ev), actorOf(ev), r.days.traits(ev, label), p)
		}
	}
	r.facets.open(r.report, facets.Proposals, ev)
	r.meet(ev, label, victim)
	if victim < 0 {
		r.days.see(r.report, ev, label)
		r.blocks.see(r.report, ev, label, &res)
	}
	r.answer(ev, label, res.Proposals)
}

// meet lets an event run into the verdicts about facets that are in force. Each
// honest subject that does is a false alarm of his own kind, once a verdict.
func (r *run) meet(ev *event.RequestEvent, label life.Label, victim int) {
	for _, v := range r.facets.touching(ev) {
		switch {
		case label.Attack >= 0:
			r.cases[label.Attack].take(&v.proposal, true, ev.GetTime().AsTime())
		case victim < 0 && v.touch(actorOf(ev)):
			v.row.Touched++
			r.report.alarm(model.KindOf(ev), actorOf(ev), r.days.traits(ev, label), &v.proposal)
		}
	}
}

// mark remembers whose sessions and addresses an attack has touched, and returns the
// attack that an event belongs to, -1 for none: it is the attack's own, or its
// victim's while the attack goes on or in its aftermath. stolen says that it stands in
// what the attack uses itself; a verdict about another session of the victim stops
// no thief, and is a false alarm.
func (r *run) mark(ev *event.RequestEvent, label life.Label) (attack int, stolen bool) {
	now := ev.GetTime().AsTime()
	if label.Attack >= 0 {
		t := touch{label.Attack, now.Add(aftermath)}
		for _, k := range [...]string{ev.GetSession(), ev.GetSubject()} {
			if k != "" {
				r.touched[k] = t
			}
		}
		if ev.GetSubject() == "" {
			r.touched[ev.GetAddress()] = t
		}
		return label.Attack, true
	}
	own := ev.GetSession()
	if own == "" && ev.GetSubject() == "" {
		own = ev.GetAddress()
	}
	if t, ok := r.touched[own]; ok && own != "" && now.Before(t.until) {
		return t.attack, true
	}
	if t, ok := r.touched[ev.GetSubject()]; ok && ev.GetSubject() != "" && now.Before(t.until) {
		return t.attack, ev.GetSession() == ""
	}
	return -1, false
}

// answer is what honest people and operators do about a verdict: a person
// confirms a step-up; who cannot, or is sent away, is restored by an operator.
func (r *run) answer(ev *event.RequestEvent, label life.Label, proposals []judge.Proposal) {
	if label.Attack >= 0 {
		return
	}
	for i := range proposals {
		p := &proposals[i]
		level := verdict.Strength(p.Action)
		switch {
		case level < verdict.Strength(verdict.ActionStepUp) || ev.GetSubject() == "":
		case level == verdict.Strength(verdict.ActionStepUp) && ev.GetSubjectKind() == event.SubjectHuman:
			r.proven[ev.GetSession()] = timestamppb.New(ev.GetTime().AsTime().Add(proofAfter))
		default:
			if attack, _ := r.mark(ev, label); attack >= 0 {
				continue // Nobody restores what is being attacked.
			}
			r.pair.Assess(scorer.Record{Event: &event.RequestEvent{
				Kind: event.KindControl, Reason: event.ReasonClear, Time: ev.GetTime(), Tenant: ev.GetTenant(),
				Session: ev.GetSession(), Subject: ev.GetSubject(),
			}})
		}
	}
}
