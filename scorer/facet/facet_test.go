package facet_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	schema "github.com/vigil-gateway/vigil/schemas/facet"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/facet"
	"github.com/vigil-gateway/vigil/scorer/model"
)

const browser, tool = "t13d1516h2_8daaf6152771_02713d6af862", "t13d1812h1_85036bcba153_375ca2c5e164"

// story is a run of events through several first stages, as partitions are, and
// one facet stage.
type story struct {
	tb     testing.TB
	stages []*scorer.Engine
	facets *facet.Engine
	now    time.Time
	offset []int64
	found  map[string]*verdict.Evidence // The latest of each kind of target and signal.
	asked  []string                     // Verdicts, as "action kind id".
	cuts   []*schema.FacetCut
}

func newStory(tb testing.TB, partitions int) *story {
	tb.Helper()
	s := &story{tb: tb, now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), offset: make([]int64, partitions), found: map[string]*verdict.Evidence{}}
	var err error
	s.facets, err = facet.New(model.Default())
	if err != nil {
		tb.Fatal(err)
	}
	for range partitions {
		e, err := scorer.New(scorer.Options{Model: model.Default(), OfflineClock: true})
		if err != nil {
			tb.Fatal(err)
		}
		s.stages = append(s.stages, e)
	}
	return s
}

// send scores an event in the partition that its address chooses.
func (s *story) send(in time.Duration, ev *event.RequestEvent) {
	s.now = s.now.Add(in)
	p := int(evidence.Hash(ev.GetAddress()+ev.GetSubject()) % uint64(len(s.stages)))
	ev.Time, ev.Tenant = timestamppb.New(s.now), "t"
	ev.Id = fmt.Sprintf("%d-%d", p, s.offset[p])
	res := s.stages[p].Assess(scorer.Record{Event: ev, Topic: "requests", Partition: int32(p), Offset: s.offset[p]})
	s.offset[p]++
	for _, cut := range res.Cuts {
		s.take(cut)
	}
}

func (s *story) take(cut *schema.FacetCut) facet.Result {
	cut = facet.CloneCut(cut) // The collector writes over its own.
	s.cuts = append(s.cuts, cut)
	res := s.facets.Take(facet.Record{Cut: cut, Topic: "facets", Offset: int64(len(s.cuts))})
	for _, a := range res.Assessments {
		sum := 0.0
		for _, v := range a.Evidence {
			s.found[a.Target.Kind+" "+v.Signal] = v
			sum += v.Nats
		}
		if d := sum - a.Score; d > 1e-9 || d < -1e-9 || a.Session != "" || a.Subject != "" || a.Address != "" {
			s.tb.Errorf("assessment of %v: score %g of evidence %g, session %q, subject %q, address %q", a.Target, a.Score, sum, a.Session, a.Subject, a.Address)
		}
	}
	for _, p := range res.Proposals {
		s.asked = append(s.asked, p.Action+" "+p.Target.Kind+" "+p.Target.Id)
		if p.Authority != verdict.AuthorityFacet || p.ID == "" || p.EventID == "" || !p.Until.After(p.EventTime) {
			s.tb.Errorf("proposal %+v", p)
		}
	}
	return res
}

// signIn is a sign-in from the n-th of many networks.
func signIn(outcome, account, address string, asn uint32, ja4 string) *event.RequestEvent {
	return &event.RequestEvent{
		Method: "POST", Path: "/login", Route: "login", Status: 401, AuthOutcome: outcome, Account: account, Address: address, Asn: asn, Ja4: ja4,
	}
}

// settled lets thirty people sign in with a browser from an office on five days.
func (s *story) settled() {
	for day := range 5 {
		for i := range 30 {
			s.send(time.Minute, signIn(event.AuthSuccess, fmt.Sprint("s", i), "198.51.100.7", 3320, browser))
		}
		s.now = s.now.Add(time.Duration(24-day%2) * time.Hour)
	}
}

func (s *story) botnet(n int, ja4 string, account func(int) string) {
	for i := range n {
		s.send(3*time.Second, signIn(event.AuthFailure, account(i), fmt.Sprintf("203.%d.%d.9", i%250, i/250), uint32(64500+i), ja4))
	}
}

func stranger(i int) string { return fmt.Sprint("b", i) }
func colleague(i int) string {
	return fmt.Sprint("s", i%30)
}

// TestFacets tells stories over eight partitions: what is asked of whom.
func TestFacets(t *testing.T) {
	tests := map[string]struct {
		tell func(*story)
		want []string
	}{
		"a botnet of one try each runs one program":                                  {func(s *story) { s.settled(); s.botnet(60, tool, stranger) }, []string{"throttle ja4 " + tool, "block ja4 " + tool}},
		"and tries accounts that exist":                                              {func(s *story) { s.settled(); s.botnet(60, tool, colleague) }, []string{"throttle ja4 " + tool, "block ja4 " + tool}},
		"in a browser that all use the sign-in is slowed":                            {func(s *story) { s.settled(); s.botnet(60, browser, stranger) }, []string{"throttle route login"}},
		"on accounts that exist, too":                                                {func(s *story) { s.settled(); s.botnet(60, browser, colleague) }, []string{"throttle route login"}},
		"twelve tries are not yet a botnet on the route":                             {func(s *story) { s.settled(); s.botnet(8, browser, stranger) }, nil},
		"a tenant of the first day knows nobody, so no program is judged everywhere": {func(s *story) { s.botnet(60, tool, stranger) }, nil},
		"one prefix sprays": {func(s *story) {
			for i := range 20 {
				s.send(10*time.Second, signIn(event.AuthFailure, stranger(i), fmt.Sprintf("203.0.113.%d", i), 64500, ""))
			}
		}, []string{"throttle prefix 203.0.113.0/24", "block prefix 203.0.113.0/24"}},
		"one program in one network comes before its prefix": {func(s *story) {
			for i := range 20 {
				s.send(10*time.Second, signIn(event.AuthFailure, stranger(i), fmt.Sprintf("203.0.113.%d", i), 64500, tool))
			}
		}, []string{"throttle ja4 " + tool + "@AS64500", "block ja4 " + tool + "@AS64500"}},
		"who sprays from the office is slowed with it": {func(s *story) {
			s.settled()
			for i := range 20 {
				s.send(10*time.Second, signIn(event.AuthFailure, stranger(i), fmt.Sprintf("198.51.100.%d", i+50), 3320, ""))
			}
		}, []string{"throttle prefix 198.51.100.0/24"}},
		"the office mistypes": {func(s *story) {
			s.settled()
			for i := range 30 {
				s.send(10*time.Second, signIn(event.AuthFailure, colleague(i), fmt.Sprintf("198.51.100.%d", i), 3320, browser))
			}
		}, nil},
		"the directory is down for all, at home, too": {func(s *story) {
			s.settled()
			for i := range 30 {
				s.send(10*time.Second, signIn(event.AuthFailure, colleague(i), "198.51.100.7", 3320, browser))
				s.send(10*time.Second, signIn(event.AuthFailure, stranger(i), fmt.Sprintf("192.0.%d.7", i), 8881, browser))
				if i%2 == 0 {
					s.send(10*time.Second, signIn(event.AuthFailure, stranger(i+100), fmt.Sprintf("192.1.%d.7", i), 8881, browser))
				}
			}
		}, nil},
		"one account is tried from twenty networks": {func(s *story) { s.botnet(20, "", func(int) string { return "alice" }) }, []string{"throttle account alice", "step_up account alice"}},
		"from networks where its owner is at home": {func(s *story) {
			for i := range 20 {
				s.send(time.Hour, signIn(event.AuthSuccess, "alice", "198.51.100.7", uint32(64500+i), ""))
			}
			s.botnet(20, "", func(int) string { return "alice" })
		}, nil},
		"one device fails on many accounts": {func(s *story) {
			for i := range 20 {
				ev := signIn(event.AuthFailure, stranger(i), fmt.Sprintf("203.%d.113.9", i), uint32(64500+i), "")
				ev.Device = "d"
				s.send(10*time.Second, ev)
			}
		}, []string{"throttle device d", "block device d"}},
		"one client fails on many accounts": {func(s *story) {
			s.settled()
			for i := range 20 {
				ev := signIn(event.AuthFailure, stranger(i), fmt.Sprintf("203.%d.113.9", i), uint32(64500+i), "")
				ev.ClientId = "app"
				s.send(10*time.Second, ev)
			}
		}, []string{"throttle client app", "block client app"}},
		"neighbours look for pages": {func(s *story) {
			for i := range 40 {
				s.send(10*time.Second, &event.RequestEvent{Address: fmt.Sprintf("203.0.113.%d", i%20), Path: fmt.Sprint("/guess-", i), Status: 404})
			}
		}, []string{"throttle prefix 203.0.113.0/24", "block prefix 203.0.113.0/24"}},
		"neighbours meet one dead link": {func(s *story) {
			for i := range 60 {
				s.send(10*time.Second, &event.RequestEvent{Address: fmt.Sprintf("203.0.113.%d", i%20), Path: "/dead", Status: 404})
			}
		}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, 8)
			tt.tell(s)
			if diff := cmp.Diff(tt.want, s.asked); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
		})
	}
}

// TestClientSpread lets the services of a client begin in networks that are new.
func TestClientSpread(t *testing.T) {
	s := newStory(t, 4)
	begin := func(i int, asn uint32) {
		s.send(time.Minute, &event.RequestEvent{
			Subject: fmt.Sprint("svc", i), Session: fmt.Sprint("s", s.now.Unix()), SubjectKind: event.SubjectService, ClientId: "key",
			Address: "198.51.100.7", Asn: asn, Status: 200,
		})
	}
	for i := range 100 {
		begin(i, 64496)
	}
	if s.found["client "+evidence.ClientSpread.Describe().ID] != nil {
		t.Error("a client in its one network is suspected")
	}
	for i := range 4 {
		begin(i, uint32(64600+i))
	}
	v := s.found["client "+evidence.ClientSpread.Describe().ID]
	if v.GetRawNats() < 4 || len(s.asked) > 0 {
		t.Errorf("four new networks within four minutes say %v and bring %v, want some nats and nothing", v, s.asked)
	}
	for i := range 30 {
		begin(i, uint32(64700+i))
	}
	if len(s.asked) == 0 {
		t.Fatal("thirty-four new networks bring nothing, want a throttle")
	}
	for _, p := range s.asked {
		if p != "throttle client key" {
			t.Errorf("asked for %s, want a throttle of the client and no more", p)
		}
	}
}

// TestEverySignalIsTold compares the stories with the catalogue.
func TestEverySignalIsTold(t *testing.T) {
	told := []evidence.Signal{
		evidence.SprayedPrefix, evidence.TargetedAccount, evidence.Botnet, evidence.ProbingNeighbours, evidence.ClientSpread,
		evidence.SharedDevice, // In testdata/scenarios.
		evidence.SuspendedDevice,
	}
	for i := range evidence.Count {
		s := evidence.Signal(i)
		found := false
		for _, k := range told {
			found = found || k == s
		}
		if s.Describe().Facet != found {
			t.Errorf("%s: told %v, a signal of the facet stage %v", s.Describe().ID, found, s.Describe().Facet)
		}
	}
}

// TestDuplicatesChangeNothing takes every cut twice, and once more from a
// snapshot.
func TestDuplicatesChangeNothing(t *testing.T) {
	s := newStory(t, 3)
	s.settled()
	s.botnet(40, tool, stranger)
	var before bytes.Buffer
	err := s.facets.Snapshot(&before)
	if err != nil {
		t.Fatal(err)
	}
	again, err := facet.New(model.Default())
	if err != nil {
		t.Fatal(err)
	}
	err = again.Restore(bytes.NewReader(before.Bytes()), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]*facet.Engine{"the same engine": s.facets, "a restored one": again} {
		for i, cut := range s.cuts {
			res := e.Take(facet.Record{Cut: cut, Topic: "facets", Offset: int64(i)})
			if !res.Duplicate || len(res.Assessments) > 0 {
				t.Fatalf("%s took cut %d twice: %+v", name, i, res)
			}
		}
		var after bytes.Buffer
		err = e.Snapshot(&after)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(before.Bytes(), after.Bytes()) {
			t.Errorf("%s: the state has changed", name)
		}
	}
}

// TestATopicMadeAnewIsAnotherSource takes cuts of a topic, of the one that was made
// under its name afterwards, and what a straggler still has of the first.
func TestATopicMadeAnewIsAnotherSource(t *testing.T) {
	e, err := facet.New(model.Default())
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		name      string
		id        string
		last      int64
		duplicate bool
	}{
		{"the first cut", "a", 100, false},
		{"the first cut again", "a", 100, true},
		{"a lower offset of the topic made anew", "b", 5, false},
		{"that again", "b", 5, true},
		{"a straggler's of the topic that is gone", "a", 101, true},
		{"the new topic goes on", "b", 9, false},
		{"a third topic", "c", 2, false},
		{"a straggler's of the second", "b", 50, true},
		{"an analyzer that knows no ids", "", 3, false},
		{"that again", "", 3, true},
		{"one that does", "c", 4, false},
		{"a fourth topic", "d", 3, false},
	} {
		cut := &schema.FacetCut{Topic: "requests", TopicId: step.id, Partition: 1, LastOffset: step.last, Time: timestamppb.New(time.Unix(1e9, 0)), Tenant: "t"}
		res := e.Take(facet.Record{Cut: cut, Topic: "facets", Offset: int64(i)})
		if res.Duplicate != step.duplicate {
			t.Errorf("%s: duplicate %t, want %t", step.name, res.Duplicate, step.duplicate)
		}
	}
}

// TestRestartBetweenAnyTwoCuts goes on from snapshots and expects the same.
func TestRestartBetweenAnyTwoCuts(t *testing.T) {
	s := newStory(t, 3)
	s.settled()
	s.botnet(40, tool, stranger)
	for i := range 20 {
		s.send(10*time.Second, signIn(event.AuthFailure, stranger(i), fmt.Sprintf("203.0.113.%d", i), 64500, ""))
	}
	straight, broken := results(t, s.cuts, 0), results(t, s.cuts, 7)
	if diff := cmp.Diff(straight, broken, protocmp.Transform()); diff != "" {
		t.Errorf("after restarts (-straight +broken):\n%s", diff)
	}
	if len(straight) == 0 {
		t.Error("nothing came of it")
	}
}

// results takes cuts, with a restart after every so many.
func results(t *testing.T, cuts []*schema.FacetCut, every int) []facet.Result {
	t.Helper()
	e, err := facet.New(model.Default())
	if err != nil {
		t.Fatal(err)
	}
	var out []facet.Result
	for i, cut := range cuts {
		if every > 0 && i%every == 0 {
			var b bytes.Buffer
			next, err := facet.New(model.Default())
			if err != nil {
				t.Fatal(err)
			}
			err = e.Snapshot(&b)
			if err != nil {
				t.Fatal(err)
			}
			err = next.Restore(&b, nil)
			if err != nil {
				t.Fatal(err)
			}
			e = next
		}
		res := e.Take(facet.Record{Cut: cut, Topic: "facets", Offset: int64(i)})
		if len(res.Assessments) > 0 {
			out = append(out, res)
		}
	}
	return out
}

// TestFloodIsBounded lets every event show other facets: a cut stays a record,
// and the broad facets are in it.
func TestFloodIsBounded(t *testing.T) {
	s := newStory(t, 1)
	for i := range 5000 {
		s.send(time.Microsecond, signIn(event.AuthFailure, fmt.Sprint("a", i), fmt.Sprintf("10.%d.%d.9", i/250, i%250), uint32(i), fmt.Sprint("ja4", i)))
	}
	s.send(2*time.Second, signIn(event.AuthFailure, "last", "198.51.100.7", 1, "x"))
	var left uint64
	for _, c := range s.cuts {
		b, err := c.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Deltas) > schema.DeltasMax || len(b) > schema.RecordBytesMax {
			t.Errorf("a cut of %d deltas has %d B", len(c.Deltas), len(b))
		}
		if c.Deltas[0].Kind != schema.KindTenant || c.Deltas[1].Kind != verdict.TargetRoute {
			t.Errorf("a cut begins with %s and %s", c.Deltas[0].Kind, c.Deltas[1].Kind)
		}
		_, err = schema.Decode(b)
		if err != nil {
			t.Error(err)
		}
		left += c.LeftOut
	}
	if left == 0 {
		t.Error("a flood left nothing out")
	}
}

// TestExceptionsHoldForFacets takes a prefix out.
func TestExceptionsHoldForFacets(t *testing.T) {
	m, err := model.Parse("m.yaml", []byte(`exceptions: [{id: EX-1, owner: ana, reason: own test, from: 2026-03-01, until: 2026-04-01, prefix: 203.0.113.0/24}]`))
	if err != nil {
		t.Fatal(err)
	}
	s := newStory(t, 1)
	s.facets.SwapModel(m)
	for i := range 20 {
		s.send(10*time.Second, signIn(event.AuthFailure, stranger(i), fmt.Sprintf("203.0.113.%d", i), 64500, ""))
	}
	v := s.found["prefix "+evidence.SprayedPrefix.Describe().ID]
	if len(s.asked) > 0 || v.GetNats() != 0 || v.GetRawNats() == 0 || !strings.Contains(v.GetText(), "EX-1") {
		t.Errorf("asked for %v by %v", s.asked, v)
	}
}

// TestClearBeginsAgain lifts a verdict: the next try does not bring it back, the
// whole attack again does.
func TestClearBeginsAgain(t *testing.T) {
	s := newStory(t, 1)
	spray := func(from, n int) {
		for i := range n {
			s.send(10*time.Second, signIn(event.AuthFailure, stranger(from+i), fmt.Sprintf("203.0.113.%d", i), 64500, ""))
		}
	}
	spray(0, 15)
	before := len(s.asked)
	s.facets.Clear("t", &verdict.Target{Kind: verdict.TargetPrefix, Id: "203.0.113.0/24"})
	spray(100, 5)
	if before != 2 || len(s.asked) != before {
		t.Errorf("verdicts before the clear and after five more tries: %v", s.asked)
	}
	spray(200, 15)
	if len(s.asked) != before+2 {
		t.Errorf("verdicts after another attack: %v", s.asked)
	}
}

// TestAClockThatIsSetBack takes the cuts of a partition whose clock stood 73 years
// ahead, and then those from after it was set back: they are judged by their own
// time, and nothing is left of what was asked for until 2099. A partition that lags
// sets nothing back.
func TestAClockThatIsSetBack(t *testing.T) {
	s := newStory(t, 1)
	s.settled()
	s.botnet(40, browser, func(i int) string { return fmt.Sprint("s", i%30) })
	e, err := facet.New(model.Default())
	if err != nil {
		t.Fatal(err)
	}
	offset := int64(0)
	replay := func(partition int32, years int) (latest time.Time) {
		for _, old := range s.cuts {
			offset++
			c := facet.CloneCut(old)
			c.Partition, c.LastOffset = partition, offset
			c.Time = timestamppb.New(old.GetTime().AsTime().AddDate(years, 0, 0))
			for _, a := range e.Take(facet.Record{Cut: c, Topic: "facets", Offset: offset}).Assessments {
				latest = a.GetStreamTime().AsTime()
			}
		}
		return latest
	}
	ahead := s.now.AddDate(72, 0, 0)
	if got := replay(0, 73); got.Before(ahead) {
		t.Fatalf("the clock stands at %s in 2099", got)
	}
	if got := replay(1, 0); !got.IsZero() && got.Before(ahead) {
		t.Errorf("a partition that lags set the clock back to %s", got)
	}
	if got := replay(0, 0); got.IsZero() || got.After(s.now) {
		t.Errorf("the clock was set back, and stands at %s", got)
	}
}
