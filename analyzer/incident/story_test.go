package incident_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/incident"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/facet"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
)

const browser, toolA, toolB = "t13d1516h2_8daaf6152771_02713d6af862", "t13d1812h1_85036bcba153_375ca2c5e164", "t12d0910h1_aaaaaaaaaaaa_bbbbbbbbbbbb"

// story sends events through both stages, over eight partitions, and what they find
// into a book.
type story struct {
	tb     testing.TB
	stages []*scorer.Engine
	facets *facet.Engine
	book   *incident.Book
	now    time.Time
	offset []int64
	cuts   int64
	events map[string]*event.RequestEvent
	people map[incident.Thing]map[string]bool
	known  map[string]bool

	entries []incident.Entry
	of      map[string][]string // Of each incident what its verdicts were about.
}

func newStory(tb testing.TB) *story {
	tb.Helper()
	s := &story{
		tb: tb, book: incident.NewBook(), now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), offset: make([]int64, 8),
		events: map[string]*event.RequestEvent{}, people: map[incident.Thing]map[string]bool{}, known: map[string]bool{}, of: map[string][]string{},
	}
	var err error
	s.facets, err = facet.New(model.Default().WithMode(model.ModeEnforce))
	if err != nil {
		tb.Fatal(err)
	}
	for range s.offset {
		e, err := scorer.New(scorer.Options{Model: model.Default().WithMode(model.ModeEnforce), OfflineClock: true})
		if err != nil {
			tb.Fatal(err)
		}
		s.stages = append(s.stages, e)
	}
	return s
}

// shows lists what an event shows, as the store reads it of its row.
func shows(ev *event.RequestEvent) []incident.Thing {
	var out []incident.Thing
	add := func(kind, id string) {
		if id != "" {
			out = append(out, incident.Thing{Kind: kind, ID: id})
		}
	}
	add(verdict.TargetSession, ev.GetSession())
	add(verdict.TargetSubject, ev.GetSubject())
	add(verdict.TargetAddress, ev.GetAddress())
	add(verdict.TargetPrefix, new(evidence.Names).Prefix(ev.GetAddress()))
	add(incident.KindNetwork, fmt.Sprint("AS", ev.GetAsn()))
	add(verdict.TargetJA4, ev.GetJa4())
	add(incident.KindProgram, verdict.JA4In(ev.GetJa4(), ev.GetAsn()))
	add(verdict.TargetDevice, ev.GetDevice())
	add(verdict.TargetClient, ev.GetClientId())
	add(verdict.TargetAccount, ev.GetAccount())
	return slices.Clone(out)
}

// send scores an event; a gateway would refuse what a block holds, so that is not sent.
func (s *story) send(in time.Duration, ev *event.RequestEvent) {
	s.now = s.now.Add(in)
	p := int(evidence.Hash(ev.GetAddress()+ev.GetSubject()) % uint64(len(s.stages)))
	ev.Time, ev.Tenant = timestamppb.New(s.now), "t"
	ev.Id = fmt.Sprintf("%d-%d", p, s.offset[p])
	s.events[ev.Id] = ev
	if ev.GetSubject() != "" {
		for _, t := range shows(ev) {
			if s.people[t] == nil {
				s.people[t] = map[string]bool{}
			}
			s.people[t][ev.GetSubject()] = true
		}
		s.known[ev.GetSubject()] = true
	}
	res := s.stages[p].Assess(scorer.Record{Event: ev, Topic: "requests", Partition: int32(p), Offset: s.offset[p]})
	s.offset[p]++
	s.take(res.Proposals)
	for _, cut := range res.Cuts {
		s.cuts++
		s.take(s.facets.Take(facet.Record{Cut: facet.CloneCut(cut), Topic: "facets", Offset: s.cuts}).Proposals)
	}
}

func (s *story) take(list []judge.Proposal) {
	s.tb.Helper()
	for _, p := range list {
		f := incident.Finding{
			Tenant: p.Tenant, VerdictID: p.ID, Time: p.EventTime, Target: incident.TargetOf(p.Target.Kind, p.Target.Id),
			Action: p.Action, Score: p.Score, Announced: true, Usual: 1.0 / 168,
		}
		signals := slices.Clone(p.Evidence)
		slices.SortStableFunc(signals, func(a, b *verdict.Evidence) int { return int(1e6 * (b.Nats - a.Nats)) })
		for _, e := range signals {
			if e.Nats > 0 {
				f.Signals = append(f.Signals, e.Signal)
			}
		}
		for _, t := range append([]incident.Thing{f.Target}, shows(s.events[p.EventID])...) {
			if !slices.ContainsFunc(f.Shown, func(o incident.Shown) bool { return o.Kind == t.Kind }) {
				f.Shown = append(f.Shown, incident.Shown{Thing: t, Share: incident.Share(uint64(len(s.people[t])), uint64(len(s.known)))})
			}
		}
		e, fresh := s.book.Take(f)
		if !fresh {
			s.tb.Errorf("verdict %s was known", p.ID)
		}
		s.entries = append(s.entries, e)
		for _, gone := range e.Merges {
			s.of[e.Incident] = append(s.of[e.Incident], s.of[gone]...)
			delete(s.of, gone)
		}
		s.of[e.Incident] = append(s.of[e.Incident], f.Target.Kind+" "+f.Target.ID)
	}
}

// settled lets forty people sign in with a browser from an office, and work, on
// five days.
func (s *story) settled() {
	for day := range 5 {
		for i := range 40 {
			name := fmt.Sprint("person", i)
			s.send(20*time.Second, signIn(event.AuthSuccess, name, "198.51.100.7", 3320, browser))
			s.send(time.Second, &event.RequestEvent{
				Subject: name, Session: fmt.Sprint(name, "-", day), SubjectKind: event.SubjectHuman, Address: "198.51.100.7", Asn: 3320, Ja4: browser,
				Method: "GET", Path: "/", Route: "web", Status: 200, Decision: event.DecisionPermit,
			})
		}
		s.now = s.now.Add(23 * time.Hour)
	}
	if len(s.entries) > 0 {
		s.tb.Fatalf("verdicts about ordinary people: %v", s.of)
	}
}

func signIn(outcome, account, address string, asn uint32, ja4 string) *event.RequestEvent {
	return &event.RequestEvent{
		Method: "POST", Path: "/login", Route: "login", Status: 401, AuthOutcome: outcome, Account: account, Address: address, Asn: asn, Ja4: ja4,
	}
}

// botnet lets each of n addresses, all in networks of their own, try some accounts;
// step is called between two.
func (s *story) botnet(n, tries int, base, ja4 string, step func(i int)) {
	for i := range n * tries {
		bot := i % n
		s.send(700*time.Millisecond, signIn(event.AuthFailure, fmt.Sprint(base, i), fmt.Sprintf("%s.%d.%d.9", base, bot%250, bot/250), uint32(64500+bot), ja4))
		if step != nil {
			step(i)
		}
	}
}

// crawl lets a program that nobody has told better look for pages that do not exist.
func (s *story) crawl(i int) {
	s.send(50*time.Millisecond, &event.RequestEvent{
		Method: "GET", Address: "192.0.2.77", Asn: 64499, Ja4: browser, Path: fmt.Sprint("/old-page-", i), Status: 404,
	})
}

// A botnet of two hundred addresses is one incident, however many of its addresses
// are judged one by one.
func TestBotnetIsOneIncident(t *testing.T) {
	s := newStory(t)
	s.settled()
	s.botnet(200, 12, "203", toolA, nil)
	t.Logf("%d findings", len(s.entries))
	if len(s.of) != 1 || len(s.entries) < 20 {
		t.Errorf("%d findings in %d incidents, want at least 20 in one: %v", len(s.entries), len(s.of), s.of)
	}
}

// Two campaigns at the same time are two, and a crawler that is throttled meanwhile
// is none of both.
func TestTwoCampaignsAndAnInnocent(t *testing.T) {
	s := newStory(t)
	s.settled()
	other := 0
	s.botnet(60, 12, "203", toolA, func(i int) {
		s.send(10*time.Millisecond, signIn(event.AuthFailure, fmt.Sprint("x", other), fmt.Sprintf("45.%d.1.9", other%60), uint32(65000+other%60), toolB))
		other++
		if i%8 == 0 {
			s.crawl(i)
		}
	})
	t.Logf("%d findings", len(s.entries))
	for id, list := range s.of {
		t.Log(id, len(list), list[len(list)-1])
	}
	a, b, c := s.incidentOf(t, "address 203.0.0.9"), s.incidentOf(t, "address 45.0.1.9"), s.incidentOf(t, "address 192.0.2.77")
	for i := range 60 {
		if s.incidentOf(t, fmt.Sprintf("address 203.%d.0.9", i)) != a || s.incidentOf(t, fmt.Sprintf("address 45.%d.1.9", i)) != b {
			t.Errorf("bots %d are not in the incidents of their campaigns", i)
		}
	}
	if a == b || a == c || b == c || len(s.of) != 3 {
		t.Errorf("campaigns %s and %s, crawler %s; of %d incidents", a, b, c, len(s.of))
	}
}

// incidentOf is the one incident with verdicts about a target.
func (s *story) incidentOf(t *testing.T, target string) string {
	t.Helper()
	found := ""
	for id, list := range s.of {
		if slices.Contains(list, target) {
			if found != "" {
				t.Errorf("%s is in two incidents", target)
			}
			found = id
		}
	}
	if found == "" {
		t.Errorf("%s is in no incident: %v", target, s.of)
	}
	return found
}

// The same findings in the same order give the same entries; a book made of entries
// goes on as the one that wrote them; what was taken is not taken again.
func TestReplayGivesTheSameIncidents(t *testing.T) {
	s := newStory(t)
	s.settled()
	s.botnet(60, 12, "203", toolA, func(i int) {
		if i%8 == 0 {
			s.crawl(i)
		}
	})
	for _, cut := range []int{0, len(s.entries) / 3, len(s.entries)} {
		again := incident.NewBook()
		for _, e := range s.entries[:cut] {
			again.Apply(e)
		}
		for _, e := range s.entries[:cut] {
			_, fresh := again.Take(e.Finding)
			if fresh {
				t.Fatalf("restarted after %d entries: %s was taken twice", cut, e.Finding.VerdictID)
			}
		}
		for _, want := range s.entries[cut:] {
			got, fresh := again.Take(want.Finding)
			if !fresh || got.Incident != want.Incident || got.Ordinal != want.Ordinal || !slices.Equal(got.Merges, want.Merges) {
				t.Fatalf("restarted after %d entries: entry %d is of %s, merges %v (%v), want %s, %v", cut, want.Ordinal, got.Incident, got.Merges, fresh, want.Incident, want.Merges)
			}
		}
	}
}
