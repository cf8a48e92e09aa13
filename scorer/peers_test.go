package scorer_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/epoch"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/scenario"
)

// TestPeerGroupsHelp plays stories with their peer groups and without: who is asked
// to confirm who he is differs, in either direction.
func TestPeerGroupsHelp(t *testing.T) {
	groups := regexp.MustCompile(`(?m)^group .*$`)
	tests := map[string]struct{ story, actor, with, without string }{
		"a new hire of a small team is not asked":              {"ok-new-hire-of-a-far-team", "moved", scenario.Nothing, "step_up"},
		"who is of no team and does the same is asked":         {"ok-new-hire-of-a-far-team", "thief", "step_up", "step_up"},
		"a thief does what only another department does":       {"stolen-password-from-another-department", "thief", "step_up", scenario.Nothing},
		"who has gone to that department is not taken for one": {"ok-moves-to-another-department", "mover", scenario.Nothing, scenario.Nothing},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile("../testdata/scenarios/" + tt.story + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			for text, want := range map[string]string{string(b): tt.with, groups.ReplaceAllString(string(b), ""): tt.without} {
				script, err := scenario.Parse(tt.story, text)
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range playScript(t, script, false).Actors {
					if a.Name == tt.actor && a.Action != want {
						t.Errorf("with groups %t: %s, want %s", strings.Contains(text, "\ngroup "), a.Action, want)
					}
				}
			}
		})
	}
}

// company is people of two departments who work from two networks.
type company struct {
	engine *scorer.Engine
	at     time.Time
	offset int64
}

func grouped(tb testing.TB, groups string) *model.Model {
	tb.Helper()
	m, err := model.Parse("m.yaml", []byte("peer_groups:\n"+groups))
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

const departments = `  - {id: sales, attributes: [{name: department, values: [sales]}]}
  - {id: operations, attributes: [{name: department, values: [operations]}]}
`

func newCompany(tb testing.TB, m *model.Model) *company {
	tb.Helper()
	e, err := scorer.New(scorer.Options{Model: m, OfflineClock: true})
	if err != nil {
		tb.Fatal(err)
	}
	return &company{engine: e, at: start}
}

func (c *company) send(subject, session, department string, network uint32) scorer.Result {
	c.at = c.at.Add(20 * time.Second)
	c.offset++
	ev := &event.RequestEvent{
		Kind: event.KindRequest, Phase: event.PhaseComplete, Tenant: "default", Subject: subject, Session: session, SubjectKind: event.SubjectHuman,
		Time: timestamppb.New(c.at), Address: fmt.Sprintf("10.%d.0.1", network), Asn: network, Country: "DE", UserAgent: scenario.Agent("chrome"),
		Method: "GET", Path: "/inbox", Template: "/inbox", Status: 200,
	}
	if department != "" {
		ev.Attributes = map[string]string{"department": department}
	}
	return c.engine.Assess(scorer.Record{Topic: "t", Offset: c.offset, Event: ev})
}

// work lets so many people of each department work for days, an hour a day.
func (c *company) work(people, days int) {
	for range days {
		begin := c.at
		for range 2 {
			for i := range people {
				c.send(fmt.Sprint("s", i), fmt.Sprint("s", i), "sales", 10)
				c.send(fmt.Sprint("o", i), fmt.Sprint("o", i), "operations", 20)
			}
			c.at = c.at.Add(40 * time.Minute)
		}
		c.at = begin.Add(24 * time.Hour)
	}
}

// news is what a result says about a new network.
func news(r scorer.Result) (nats float64, text string) {
	for _, v := range r.Assessment.GetEvidence() {
		if v.GetSignal() == evidence.NewNetwork.Describe().ID {
			return v.GetNats(), v.GetText()
		}
	}
	return 0, ""
}

// TestPeerGroupOfASession looks with whom somebody is compared who has been in sales
// for a week, in sessions from the network of operations.
func TestPeerGroupOfASession(t *testing.T) {
	tests := map[string]struct {
		departments []string // Of the requests of one session, the last of which counts.
		want        string
	}{
		"the first request decides":                    {[]string{"sales"}, "; new for sales"},
		"who has moved is compared with his new peers": {[]string{"operations"}, "; operations knows it"},
		"nobody changes sides within a session":        {[]string{"sales", "operations"}, "; new for sales"},
		"who is in no group is compared with all":      {[]string{""}, "usual: AS10"},
		"and joins one as soon as a request says so":   {[]string{"", "sales"}, "; new for sales"},
		"a department that is no group is none":        {[]string{"legal"}, "usual: AS10"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCompany(t, grouped(t, departments))
			c.work(12, 8)
			for i, d := range tt.departments {
				network := uint32(10)
				if i == len(tt.departments)-1 {
					network = 20
				}
				_, text := news(c.send("s1", "another", d, network))
				if i == len(tt.departments)-1 && !strings.HasSuffix(text, tt.want) {
					t.Errorf("says %q, want it to end with %q", text, tt.want)
				}
			}
			if nats, text := news(c.send("s1", "later", "operations", 10)); nats != 0 {
				t.Errorf("his own network is news to who has moved: %.2f nats, %s", nats, text)
			}
		})
	}
}

// TestReplayWithPeerGroups plays weeks with and without restarts from snapshots:
// every byte is the same.
func TestReplayWithPeerGroups(t *testing.T) {
	m := grouped(t, departments)
	play := func(restartEvery int) (sums []string, compared int) {
		c := newCompany(t, m)
		for day := range 10 {
			c.work(5, 1)
			for i := range 4 {
				r := c.send(fmt.Sprint("s", i), fmt.Sprint("x", day, i), []string{"sales", "operations", ""}[(i+day)%3], uint32(30+day))
				sums = append(sums, said(t, r))
				if _, text := news(r); strings.Contains(text, "new for") {
					compared++
				}
				if restartEvery == 0 || len(sums)%restartEvery != 0 {
					continue
				}
				var b bytes.Buffer
				err := c.engine.Snapshot(&b)
				if err != nil {
					t.Fatal(err)
				}
				c.engine = newCompany(t, m).engine
				err = c.engine.Restore(&b, nil)
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		return sums, compared
	}
	want, compared := play(0)
	got, _ := play(7)
	if compared < 5 {
		t.Fatalf("%d comparisons with a group: this test needs some", compared)
	}
	for i := range want {
		if want[i] != got[i] {
			t.Fatalf("record %d:\n%s\nafter restarts:\n%s", i, want[i], got[i])
		}
	}
}

// TestAnotherModelForgetsGroups swaps models, while running and at a restore.
func TestAnotherModelForgetsGroups(t *testing.T) {
	both, one := grouped(t, departments), grouped(t, "  - {id: sales, client_ids: [x]}\n")
	c := newCompany(t, both)
	c.work(4, 3)
	var b bytes.Buffer
	err := c.engine.Snapshot(&b)
	if err != nil {
		t.Fatal(err)
	}
	see := func(e *scorer.Engine, groups int, dropped uint64) {
		t.Helper()
		if s := e.Stats(); s.PeerGroups != groups || s.PeerGroupsDropped != dropped {
			t.Errorf("%d groups, %d dropped; want %d and %d", s.PeerGroups, s.PeerGroupsDropped, groups, dropped)
		}
	}
	see(c.engine, 2, 0)
	c.engine.SwapModel(one)
	see(c.engine, 1, 1)
	c.engine.SwapModel(both)
	see(c.engine, 1, 1)
	if _, text := news(c.send("s1", "s1-new", "operations", 20)); strings.Contains(text, "operations") {
		t.Errorf("what was forgotten is known again: %s", text)
	}
	again := newCompany(t, one).engine
	err = again.Restore(&b, nil)
	if err != nil {
		t.Fatal(err)
	}
	see(again, 1, 1)
}

// TestOneMemberMovesAGroupLittle lets one member of a group show a network twelve times
// a day for two weeks beside his quiet colleagues, and twelve members once a day.
func TestOneMemberMovesAGroupLittle(t *testing.T) {
	share := func(members, visits int) (share float64) {
		c := newCompany(t, grouped(t, departments))
		for range 14 {
			c.work(30, 1)
			begin := c.at
			for n := range visits {
				c.at = begin.Add(time.Duration(n) * time.Hour)
				for i := range members {
					c.send(fmt.Sprint("loud", i), fmt.Sprint("loud", i), "sales", 30)
				}
			}
			c.at = begin
		}
		e, err := scorer.New(scorer.Options{Model: grouped(t, departments), OfflineClock: true, Watch: func(x *evidence.Context) {
			share, _ = evidence.Peers{Tenant: x.Tenant, Group: x.Group}.Share(entity.Networks, "AS30", 2)
		}})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		err = errors.Join(c.engine.Snapshot(&b), e.Restore(&b, nil))
		if err != nil {
			t.Fatal(err)
		}
		c.engine = e
		c.send("s1", "s1-new", "sales", 10)
		return share
	}
	alone, many := share(1, 12), share(12, 1)
	if !(alone > 0 && alone < many/2) {
		t.Errorf("a network that one member shows twelve times a day is %.3f of the group's, one that twelve show once %.3f; want less than half", alone, many)
	}
}

// TestConcentrationsByLevel lets people who are often somewhere else work for weeks:
// the epoch knows how far they are from their groups, and the groups from the tenant.
func TestConcentrationsByLevel(t *testing.T) {
	m := grouped(t, departments)
	e, err := scorer.New(scorer.Options{Model: m, OfflineClock: true, EpochEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	c := &company{engine: e, at: start}
	for day := range 70 {
		begin := c.at
		for i := range 60 {
			network := uint32(10 + 10*(i%2))
			if (i+day)%4 == 0 {
				network += uint32(1 + (i*7+day*3)%9)
			}
			c.send(fmt.Sprint("p", i), fmt.Sprint("p", i, "-", day), []string{"sales", "operations"}[i%2], network)
		}
		c.at = begin.Add(24 * time.Hour)
	}
	found := false
	e.Summaries(0, func(s *epoch.Summary) bool {
		found = true
		built := epoch.Build(nil, s)
		if a := built.Concentrations[entity.Networks]; a != 0 {
			t.Errorf("all are in a group, and the concentration of those who are not is %g", a)
		}
		if built.Groups.Members[entity.Networks] == 0 {
			t.Error("how far people are from their groups was not learned")
		}
		t.Logf("networks: member to group %g, group to tenant %g", built.Groups.Members[entity.Networks], built.Groups.Groups[entity.Networks])
		return true
	})
	if !found {
		t.Fatal("no summary")
	}
}
