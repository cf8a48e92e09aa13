package poison

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// Options say what is measured.
type Options struct {
	Seed     uint64
	Start    time.Time // Midnight UTC.
	Subjects int
	// Settled is how many days people live before an adversary begins.
	Settled int
	// Model is required.
	Model *model.Model
	// Plots are the attacks to play, by the first word of their names, and Columns
	// the variants; empty for all.
	Plots, Columns []string
	// Storms lets the innocent storms come, too.
	Storms bool
	// Each is told every row of an attack as soon as it is known; nil for nobody.
	Each func(Row)
}

// Report is the table.
type Report struct {
	Variants []string `json:"variants"`
	Attacks  []Row    `json:"attacks"`
	Storms   []Storm  `json:"storms"`
}

// Row is one attack; Cells has one entry for each variant.
type Row struct {
	Attack string `json:"attack"`
	Cells  []Cell `json:"cells"`
}

// Cell is what one variant made of an attack.
type Cell struct {
	// Nats is the most that the goal was suspected of, and Action what that
	// supported.
	Nats   float64 `json:"nats"`
	Action string  `json:"action"`
	// Before is the most that the goal's own session was suspected of while it
	// prepared: what is said once a session is said then.
	Before float64 `json:"nats_before"`
	// Caught says that the adversary was asked to step up, or worse, before he
	// came to his goal.
	Caught bool `json:"caught_before"`
}

// Storm is what one circumstance did to honest people: Days counts their days
// under it, StepUps how often each variant asked for a step-up or more.
type Storm struct {
	Storm   string `json:"storm"`
	Days    int    `json:"subject_days"`
	StepUps []int  `json:"step_ups"`
}

// Run plays every attack and the innocent storms.
func Run(o Options) (*Report, error) {
	all, err := variants(o.Model)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(v variant) bool { return len(o.Columns) > 0 && !slices.Contains(o.Columns, v.name) })
	r := &Report{}
	for _, v := range all {
		r.Variants = append(r.Variants, v.name)
	}
	for _, p := range plots() {
		word, _, _ := strings.Cut(p.name, ":")
		if len(o.Plots) > 0 && !slices.Contains(o.Plots, word) {
			continue
		}
		cells, err := play(o, all, p)
		if err != nil {
			return nil, err
		}
		row := Row{p.name, cells}
		r.Attacks = append(r.Attacks, row)
		if o.Each != nil {
			o.Each(row)
		}
	}
	if o.Storms {
		r.Storms, err = storms(o, all)
	}
	return r, err
}

func (o Options) life(days int) life.Options {
	return life.Options{Seed: o.Seed, Start: o.Start, Days: o.Settled + days, Subjects: o.Subjects}
}

// casing watches the settled days and picks whom an adversary is after: the
// busiest person with a bearer token, and one in twenty of his colleagues.
func casing(o Options) (*scheme, error) {
	world, err := life.New(o.life(1))
	if err != nil {
		return nil, fmt.Errorf("poison: %w", err)
	}
	begin := o.Start.AddDate(0, 0, o.Settled)
	var order []*mark
	byName := map[string]*mark{}
	ev := new(event.RequestEvent)
	for {
		label, more := world.Next(ev)
		at := ev.GetTime().AsTime()
		if !more || !at.Before(begin) {
			break
		}
		const unsuitable = life.Travelling | life.ConsumerVPN | life.MobileChurn | life.MarathonTraveller
		if ev.GetSubjectKind() != event.SubjectHuman || ev.GetBinding() == event.BindingDPoP || label.Traits&unsuitable != 0 ||
			ev.GetMethod() != "GET" || ev.GetStatus() != 200 || ev.GetPhase() != event.PhaseComplete || ev.GetKind() != event.KindRequest {
			continue
		}
		m := byName[ev.GetSubject()]
		if m == nil {
			m = &mark{subject: ev.GetSubject()}
			byName[m.subject] = m
			order = append(order, m)
		}
		if date := at.Format(time.DateOnly); m.last != date {
			m.last, m.days = date, m.days+1
			m.sample, _ = proto.Clone(ev).(*event.RequestEvent)
		}
	}
	s := &scheme{begin: begin.Add(8 * time.Hour)}
	for _, m := range order {
		if s.victim == nil || m.days > s.victim.days {
			s.victim = m
		}
	}
	if s.victim == nil {
		return nil, fmt.Errorf("poison: nobody suitable lived in the first %d days", o.Settled)
	}
	for _, m := range order {
		if m != s.victim && m.sample.GetTenant() == s.victim.sample.GetTenant() && len(s.others) < max(2, o.Subjects/20) {
			s.others = append(s.others, m)
		}
	}
	return s, nil
}

// bench is the engines of all variants on the same records.
type bench struct {
	engines []*scorer.Engine
	offsets []int64
}

func newBench(all []variant) (*bench, error) {
	b := &bench{offsets: make([]int64, len(all))}
	for _, v := range all {
		e, err := scorer.New(scorer.Options{Model: v.model, OfflineClock: true})
		if err != nil {
			return nil, fmt.Errorf("poison: %w", err)
		}
		b.engines = append(b.engines, e)
	}
	return b, nil
}

func (b *bench) assess(i int, ev *event.RequestEvent) scorer.Result {
	b.offsets[i]++
	return b.engines[i].Assess(scorer.Record{Event: ev, Topic: topic.Requests, Offset: b.offsets[i]})
}

// play runs one attack against every variant.
func play(o Options, all []variant, p plot) ([]Cell, error) {
	s, err := casing(o)
	if err != nil {
		return nil, err
	}
	p.run(s)
	world, err := life.New(o.life(p.days))
	if err != nil {
		return nil, fmt.Errorf("poison: %w", err)
	}
	b, err := newBench(all)
	if err != nil {
		return nil, err
	}
	cells := make([]Cell, len(all))
	for i := range cells {
		cells[i].Action = verdict.ActionObserve
	}
	moves := s.sorted()
	goal := moves[len(moves)-1].ev.GetSession()
	ev := new(event.RequestEvent)
	for {
		_, more := world.Next(ev)
		for len(moves) > 0 && (!more || moves[0].at.Before(ev.GetTime().AsTime())) {
			m := moves[0]
			moves = moves[1:]
			for i := range all {
				if m.goal || !all[i].unprepared {
					cells[i].see(b.assess(i, m.ev), m.goal, m.ev.GetSession() == goal)
				}
			}
		}
		if !more {
			return cells, nil
		}
		for i := range all {
			b.assess(i, ev)
		}
	}
}

// see takes note of what an engine made of a move: of the goal, or of what prepares
// it, perhaps in the goal's own session.
func (c *Cell) see(res scorer.Result, goal, own bool) {
	a := res.Assessment
	if a == nil {
		return
	}
	strength := verdict.Strength(a.GetAction())
	if !goal {
		if own {
			c.Before = max(c.Before, a.GetSessionScore())
		}
		c.Caught = c.Caught || strength >= verdict.Strength(verdict.ActionStepUp)
		return
	}
	c.Nats = max(c.Nats, a.GetSessionScore())
	if strength > verdict.Strength(c.Action) {
		c.Action = a.GetAction()
	}
}

// storms counts what reaches honest people under the circumstances that come
// to everybody at once.
func storms(o Options, all []variant) ([]Storm, error) {
	traits := []life.Trait{life.BrowserSwap, life.GeoIPChange, life.AppRelease}
	list := make([]Storm, len(traits), len(traits)+1)
	for i, t := range traits {
		list[i] = Storm{Storm: t.String(), StepUps: make([]int, len(all))}
	}
	every := Storm{Storm: "every day", StepUps: make([]int, len(all))}
	world, err := life.New(o.life(9))
	if err != nil {
		return nil, fmt.Errorf("poison: %w", err)
	}
	b, err := newBench(all)
	if err != nil {
		return nil, err
	}
	begin := o.Start.AddDate(0, 0, o.Settled)
	seen := map[string]life.Trait{}
	ev := new(event.RequestEvent)
	for {
		label, more := world.Next(ev)
		if !more {
			return append(list, every), nil
		}
		counts := ev.GetSubjectKind() == event.SubjectHuman && !ev.GetTime().AsTime().Before(begin)
		var fresh life.Trait
		first := false
		if counts {
			key := ev.GetSubject() + ev.GetTime().AsTime().Format(time.DateOnly)
			had, known := seen[key]
			fresh, first = label.Traits&^had, !known
			seen[key] = had | label.Traits
		}
		if first {
			every.Days++
		}
		for k, t := range traits {
			if fresh&t != 0 {
				list[k].Days++
			}
		}
		for i := range all {
			res := b.assess(i, ev)
			if !counts || len(res.Proposals) == 0 || verdict.Strength(res.Proposals[0].Action) < verdict.Strength(verdict.ActionStepUp) {
				continue
			}
			every.StepUps[i]++
			for k, t := range traits {
				if label.Traits&t != 0 {
					list[k].StepUps[i]++
				}
			}
		}
	}
}
