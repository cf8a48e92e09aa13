package scorer_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/judge"
)

// The clean-life generator: ordinary people with homes, offices, phones,
// browsers, typing errors, cafés, lists they page through, reports they
// download and sockets they leave open. It imports nothing of the scorer's
// insides and was written before the thresholds.

type place struct {
	prefix   string
	asn      uint32
	country  string
	lat, lon float64
	mobile   bool
}

type person struct {
	id             string
	home, office   place
	phone          place
	desktop, agent string // User agents.
	templates      []string
	ids            []int
	perMinute      float64
	bytesMu        float64
	download       float64 // Chance of a download in a session.
	typo           float64
	sessions       int
}

type life struct {
	rng    *rand.Rand
	people []*person
	events []*event.RequestEvent
	serial int
}

var countries = []place{
	{country: "DE", lat: 52.5, lon: 13.4},
	{country: "DE", lat: 48.1, lon: 11.6},
	{country: "NL", lat: 52.4, lon: 4.9},
	{country: "FR", lat: 48.9, lon: 2.4},
	{country: "PL", lat: 52.2, lon: 21.0},
	{country: "AT", lat: 48.2, lon: 16.4},
}

var desktops = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36",
	"Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/%d.0",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.%d Safari/605.1.15",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36 Edg/120.0.0.0",
}

var phones = []string{
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.%d Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (Linux; Android 13; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Mobile Safari/537.36",
}

var templates = []string{
	"/accounts/{id}", "/orders/{id}", "/", "/profile", "/search", "/cart", "/reports", "/reports/{id}", "/messages", "/settings", "/help", "/invoices/{id}",
}

func newLife(seed uint64, people int) *life {
	l := &life{rng: rand.New(rand.NewPCG(seed, 1))}
	r := l.rng
	for i := range people {
		c := countries[r.IntN(len(countries))]
		at := func(asn int, mobile bool) place {
			p := c
			p.asn, p.mobile = uint32(asn), mobile
			p.prefix = fmt.Sprintf("10.%d.%d.", asn%250, r.IntN(250))
			p.lat += r.Float64() - 0.5
			p.lon += r.Float64() - 0.5
			return p
		}
		base := int(c.lat*10) * 10
		p := &person{
			id: fmt.Sprintf("u%03d", i), home: at(base+r.IntN(3), false), office: at(base+5, false), phone: at(base+7+r.IntN(2), true),
			desktop: desktops[r.IntN(len(desktops))], agent: phones[r.IntN(len(phones))],
			perMinute: 1 + 5*r.Float64(), bytesMu: 7 + 2*r.Float64(), download: 0.15 * r.Float64(), typo: 0.2 * r.Float64(),
		}
		for _, j := range r.Perm(len(templates))[:5+r.IntN(5)] {
			p.templates = append(p.templates, templates[j])
		}
		for range 1 + r.IntN(6) {
			p.ids = append(p.ids, 1000+r.IntN(100000))
		}
		l.people = append(l.people, p)
	}
	return l
}

func (l *life) emit(e *event.RequestEvent, at time.Time) {
	l.serial++
	e.Id = fmt.Sprintf("e%d", l.serial)
	e.Tenant = "default"
	e.Time = timestamppb.New(at)
	if e.Kind == "" {
		e.Kind = event.KindRequest
	}
	if e.Phase == "" {
		e.Phase = event.PhaseComplete
	}
	l.events = append(l.events, e)
}

func (p place) on(e *event.RequestEvent, host int) {
	e.Address, e.Asn, e.Country = fmt.Sprintf("%s%d", p.prefix, host), p.asn, p.country
	lat, lon := p.lat, p.lon
	e.Latitude, e.Longitude, e.AccuracyRadiusKm = &lat, &lon, 50
}

// session lets a person use the application for a while.
func (l *life) session(p *person, from time.Time, length time.Duration) string {
	r := l.rng
	p.sessions++
	sid := fmt.Sprintf("%s-s%d", p.id, p.sessions)
	where, ua := p.home, fmt.Sprintf(p.desktop, 100+int(from.Unix()/86400)%30)
	switch x := r.Float64(); {
	case x < 0.3:
		where = p.office
	case x < 0.6:
		where, ua = p.phone, fmt.Sprintf(p.agent, 1+int(from.Unix()/86400)%30)
	case x < 0.64: // A café.
		where = p.home
		where.asn += 1000 + uint32(r.IntN(20))
		where.prefix = fmt.Sprintf("172.16.%d.", r.IntN(250))
	}
	host := 1 + r.IntN(250)
	base := func() *event.RequestEvent {
		e := &event.RequestEvent{Subject: p.id, Session: sid, TokenId: sid + "-t", SubjectKind: "human", UserAgent: ua, Method: "GET", Status: 200, Decision: "permit"}
		where.on(e, host)
		return e
	}
	l.signIn(p, base(), from)
	end := from.Add(length)
	socket := ""
	if r.Float64() < 0.5 {
		socket = sid + "-ws"
		e := base()
		e.RequestId, e.Phase, e.Stream, e.Template, e.Path = socket, event.PhaseOpen, event.StreamWebSocket, "/live", "/live"
		l.emit(e, from.Add(time.Second))
	}
	sent := uint64(0)
	nextTick := from.Add(6 * time.Second)
	for at := from.Add(2 * time.Second); at.Before(end); at = at.Add(time.Duration(-math.Log(1-r.Float64()) * 60 / p.perMinute * float64(time.Second))) {
		for socket != "" && nextTick.Before(at) {
			e := base()
			sent += uint64(50 + r.IntN(500))
			e.RequestId, e.Phase, e.Stream, e.Template, e.Path, e.BytesOut = socket, event.PhaseTick, event.StreamWebSocket, "/live", "/live", sent
			l.emit(e, nextTick)
			nextTick = nextTick.Add(5 * time.Second)
		}
		if !where.mobile && r.Float64() < 0.002 { // Leaves the house: the phone's browser goes on over the mobile network.
			where = p.phone
		}
		l.request(p, base, at)
	}
	if socket != "" {
		e := base()
		e.RequestId, e.Phase, e.Stream, e.Template, e.Path, e.BytesOut = socket, event.PhaseClose, event.StreamWebSocket, "/live", "/live", sent
		l.emit(e, nextTick)
	}
	return sid
}

func (l *life) signIn(p *person, like *event.RequestEvent, at time.Time) {
	for try := 0; ; try++ {
		e := &event.RequestEvent{
			Address: like.Address, Asn: like.Asn, Country: like.Country, Latitude: like.Latitude, Longitude: like.Longitude, AccuracyRadiusKm: 50,
			UserAgent: like.UserAgent, Method: "POST", Path: "/login", Template: "/login", Route: "login", Account: "acc-" + p.id, Status: 200, AuthOutcome: event.AuthSuccess,
		}
		failed := l.rng.Float64() < p.typo
		if failed {
			e.Status, e.AuthOutcome = 401, event.AuthFailure
		}
		l.emit(e, at.Add(time.Duration(try-9)*time.Second))
		if !failed || try > 4 {
			return
		}
	}
}

func (l *life) request(p *person, base func() *event.RequestEvent, at time.Time) {
	r := l.rng
	e := base()
	e.Template = p.templates[min(len(p.templates)-1, int(math.Abs(r.NormFloat64())*float64(len(p.templates))/2.5))]
	e.Path = e.Template
	e.BytesOut = uint64(math.Exp(p.bytesMu + r.NormFloat64()))
	if l.rng.Float64() < 0.01 {
		e.Status = 404
		e.Path = fmt.Sprintf("/gone/%d", r.IntN(1000))
		e.Template = ""
	}
	id := p.ids[r.IntN(len(p.ids))]
	if e.Template != "" && e.Template[len(e.Template)-1] == '}' {
		e.Resource = fmt.Sprint(id)
	}
	l.emit(e, at)
	if e.Resource != "" && r.Float64() < 0.05 { // Pages through a list.
		for i := 1; i <= 1+r.IntN(6); i++ {
			n := base()
			n.Template, n.Path, n.Resource, n.BytesOut = e.Template, e.Path, fmt.Sprint(id+i), 2000
			l.emit(n, at.Add(time.Duration(i)*1500*time.Millisecond))
		}
	}
	if r.Float64() < p.download/20 {
		total := uint64(math.Exp(13 + r.NormFloat64())) // Half a megabyte, give or take.
		rid := e.Id + "-dl"
		for i := 0; i <= 3; i++ {
			d := base()
			d.RequestId, d.Stream, d.Template, d.Path = rid, event.StreamDownload, "/reports/{id}", "/reports/7"
			d.Phase = []string{event.PhaseOpen, event.PhaseTick, event.PhaseTick, event.PhaseClose}[i]
			d.BytesOut = total * uint64(i) / 3
			l.emit(d, at.Add(time.Duration(i)*time.Second))
		}
	}
}

// days lets everybody live for n days before start.
func (l *life) days(n int) {
	for d := range n {
		morning := start.AddDate(0, 0, d-n)
		for _, p := range l.people {
			if wd := morning.Weekday(); (wd == time.Saturday || wd == time.Sunday) && l.rng.Float64() < 0.6 {
				continue
			}
			for range 1 + l.rng.IntN(3) {
				l.session(p, morning.Add(time.Duration(l.rng.IntN(14*60))*time.Minute), time.Duration(5+l.rng.IntN(30))*time.Minute)
			}
		}
	}
}

// take returns the events so far in the order of their times.
func (l *life) take() []*event.RequestEvent {
	out := l.events
	l.events = nil
	slices.SortStableFunc(out, func(a, b *event.RequestEvent) int {
		return cmp.Compare(a.Time.AsTime().UnixNano(), b.Time.AsTime().UnixNano())
	})
	return out
}

// warm runs the history offline and hands its state to a live engine.
func warm(tb testing.TB, history []*event.RequestEvent) (live *scorer.Engine, verdicts []judge.Proposal) {
	tb.Helper()
	off := newEngine(tb, true)
	for i, ev := range history {
		verdicts = append(verdicts, off.Assess(scorer.Record{Event: ev, Topic: "history", Offset: int64(i)}).Proposals...)
	}
	var b bytes.Buffer
	err := off.Snapshot(&b)
	if err != nil {
		tb.Fatal(err)
	}
	live = newEngine(tb, false)
	err = live.Restore(&b, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return live, verdicts
}

// play runs live events with a tick record each second, and gives every
// proposal with the number of the event of its actor that brought it about.
func play(e *scorer.Engine, events []*event.RequestEvent, each func(*event.RequestEvent, scorer.Result)) {
	tick, seq, offset := events[0].Time.AsTime(), uint64(0), int64(0)
	for _, ev := range events {
		for ; !tick.After(ev.Time.AsTime()); tick = tick.Add(time.Second) {
			seq++
			offset++
			e.Assess(scorer.Record{Event: &event.RequestEvent{Kind: event.KindTick, Gateway: "g1", Epoch: 1, Seq: seq, Time: timestamppb.New(tick)}, Offset: offset})
		}
		offset++
		seq++
		ev.Gateway, ev.Epoch, ev.Seq = "g1", 1, seq
		each(ev, e.Assess(scorer.Record{Event: ev, Topic: "vigil.requests", Offset: offset}))
	}
}

// attack adds the four attackers of the demonstration to the live hour, each
// under its own marker, and returns their sessions.
func (l *life) attack(at time.Time) map[string]string {
	r := l.rng
	marked := map[string]string{}
	thief := place{prefix: "203.0.113.", asn: 64500, country: "BR", lat: -23.5, lon: -46.6}

	victim := l.people[r.IntN(len(l.people))]
	sid := victim.id + "-stolen"
	socket := func(phase string, at time.Time) {
		e := &event.RequestEvent{
			Subject: victim.id, Session: sid, SubjectKind: "human", UserAgent: fmt.Sprintf(victim.desktop, 120), RequestId: sid + "-ws",
			Phase: phase, Stream: event.StreamWebSocket, Template: "/live", Path: "/live", Status: 101, Method: "GET",
		}
		victim.home.on(e, 9)
		l.emit(e, at)
	}
	socket(event.PhaseOpen, at)
	for i := 1; i < 20; i++ {
		socket(event.PhaseTick, at.Add(time.Duration(i)*5*time.Second))
	}
	for i := range 20 {
		e := &event.RequestEvent{
			Subject: victim.id, Session: sid, SubjectKind: "human", UserAgent: "python-requests/2.31", Method: "GET",
			Template: "/accounts/{id}", Path: "/accounts/7", Resource: fmt.Sprint(victim.ids[0]), Status: 200, BytesOut: 3000, Host: "thief",
		}
		thief.on(e, 5)
		l.emit(e, at.Add(60*time.Second+time.Duration(i)*500*time.Millisecond))
	}
	marked["stolen"] = sid

	for i := range 40 {
		e := &event.RequestEvent{
			UserAgent: "python-requests/2.31", Method: "POST", Path: "/login", Template: "/login", Route: "login",
			Account: fmt.Sprint("stuffed-", i), Status: 401, AuthOutcome: event.AuthFailure, Host: "stuffer",
		}
		thief.on(e, 66)
		l.emit(e, at.Add(3*time.Minute+time.Duration(i)*700*time.Millisecond))
	}
	marked["stuffing"] = "203.0.113.66"

	for _, who := range []string{"walker", "stranger"} {
		p := l.people[r.IntN(len(l.people))]
		subject := p.id
		if who == "stranger" {
			subject = "nobody-knows"
		}
		for i := range 40 {
			e := &event.RequestEvent{
				Subject: subject, Session: who, SubjectKind: "human", UserAgent: fmt.Sprintf(p.desktop, 120), Method: "GET",
				Template: "/accounts/{id}", Path: fmt.Sprint("/accounts/", 500+i), Resource: fmt.Sprint(500 + i), Status: 200, BytesOut: 1500, Host: who,
			}
			p.home.on(e, 20)
			l.emit(e, at.Add(6*time.Minute+time.Duration(i)*400*time.Millisecond))
		}
		marked[who] = who
	}

	for _, who := range []string{"exfil", "exfil-stranger"} {
		p := l.people[r.IntN(len(l.people))]
		subject := p.id
		if who == "exfil-stranger" {
			subject = "nobody-knows-either"
		}
		for i := range 60 {
			e := &event.RequestEvent{
				Subject: subject, Session: who, SubjectKind: "human", UserAgent: fmt.Sprintf(p.desktop, 120), Method: "GET", RequestId: who,
				Template: "/export", Path: "/export", Status: 200, BytesOut: uint64(i) << 23, Phase: event.PhaseTick, Stream: event.StreamDownload, Host: who,
			}
			if i == 0 {
				e.Phase = event.PhaseOpen
			}
			p.home.on(e, 21)
			l.emit(e, at.Add(10*time.Minute+time.Duration(i)*time.Second))
		}
		marked[who] = who
	}
	return marked
}

// TestLife is the promise of the demonstration: nobody honest is stopped, no more
// are asked or slowed down than the budget allows, and every attacker is caught at once.
func TestLife(t *testing.T) {
	var touched atomic.Int64
	seeds, people := 20, 50
	switch {
	case testing.Short():
		seeds = 2
	case raceEnabled: // Ten times slower, and two engines at once are all that is concurrent.
		seeds, people = 2, 25
	}
	t.Cleanup(func() { // When all seeds are through.
		// So many people a seed live that day; the budget is 100 step-ups and 20 throttles in 10,000 days.
		if most := int64(1 + seeds*people*120/10_000); touched.Load() > most {
			t.Errorf("%d honest sessions were asked or slowed down, at most %d are in the budget", touched.Load(), most)
		}
	})
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			l := newLife(seed, people)
			l.days(30)
			engine, early := warm(t, l.take())
			if len(early) > 10 { // 1,200 subject-days; the budget is 100 step-ups and 20 throttles in 10,000, which is 14.
				for _, p := range early {
					t.Errorf("history: %s for %s: %s", p.Action, p.Target.GetId(), p.OperatorText)
				}
			}
			honest := map[string]bool{}
			for _, p := range l.people {
				honest[l.session(p, start.Add(time.Duration(l.rng.IntN(1800))*time.Second), 30*time.Minute)] = true
			}
			attackers := l.attack(start.Add(20 * time.Minute))
			tries := map[string]int{}
			caught := map[string]string{}
			play(engine, l.take(), func(ev *event.RequestEvent, res scorer.Result) {
				for _, p := range res.Proposals {
					who := ""
					for name, id := range attackers {
						if p.Target.GetId() == id {
							who = name
						}
					}
					if who == "" {
						touched.Add(1)
						t.Logf("honest %s %s got %s: %s", p.Target.GetKind(), p.Target.GetId(), p.Action, p.OperatorText)
						if verdict.Strength(p.Action) > verdict.Strength(verdict.ActionStepUp) {
							t.Error("who is honest was stopped")
						}
						continue
					}
					caught[who] += fmt.Sprintf(" %s@%d", p.Action, tries[ev.Host]+1)
					limit := map[string]int{"stolen": 3, "stuffing": 12, "walker": 20, "stranger": 20, "exfil": 40, "exfil-stranger": 60}[who]
					if verdict.Strength(p.Action) >= verdict.Strength(wanted(who)) && tries[ev.Host]+1 <= limit {
						caught[who] += "!"
					}
				}
				tries[ev.Host]++
			})
			for name := range attackers {
				if !strings.Contains(caught[name], "!") {
					t.Errorf("%s not caught in time: %q", name, caught[name])
				}
			}
			t.Log(caught)
		})
	}
}

// wanted is the action that must be reached against an attacker.
func wanted(attacker string) string {
	switch attacker {
	case "stolen":
		return verdict.ActionRevoke
	case "stuffing":
		return verdict.ActionBlock
	}
	return verdict.ActionStepUp
}

// TestRestartOnLives restarts an engine in the middle of ordinary lives and
// attacks; what it says afterwards is the same to the byte.
func TestRestartOnLives(t *testing.T) {
	l := newLife(7, 8)
	l.days(12)
	l.attack(start.Add(-30 * time.Minute))
	for _, p := range l.people {
		l.session(p, start.Add(-time.Hour), 50*time.Minute)
	}
	events := l.take()
	whole := newEngine(t, true)
	want := make([]string, len(events))
	var snapshots []bytes.Buffer
	cuts := []int{1, len(events) / 3, len(events) - 400, len(events) - 250, len(events) - 120, len(events) - 30}
	for i, ev := range events {
		if slices.Contains(cuts, i) {
			var b bytes.Buffer
			err := whole.Snapshot(&b)
			if err != nil {
				t.Fatal(err)
			}
			snapshots = append(snapshots, b)
		}
		want[i] = said(t, whole.Assess(scorer.Record{Event: ev, Topic: "t", Offset: int64(i)}))
	}
	for n, cut := range cuts {
		again := newEngine(t, true)
		err := again.Restore(bytes.NewReader(snapshots[n].Bytes()), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := cut; i < len(events); i++ {
			got := said(t, again.Assess(scorer.Record{Event: events[i], Topic: "t", Offset: int64(i)}))
			if got != want[i] {
				t.Fatalf("restart at %d: record %d says\n%s\nwant\n%s", cut, i, got, want[i])
			}
		}
	}
}
