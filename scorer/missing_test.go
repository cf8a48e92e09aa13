package scorer_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/scenario"
)

// told plays events one after the other, a minute between them unless they have a
// time, and returns what each signal said at most, and all proposals.
func told(t *testing.T, events []*event.RequestEvent) (most map[string]float64, targets []*verdict.Target) {
	t.Helper()
	e := newEngine(t, true)
	most = make(map[string]float64)
	for i, ev := range events {
		if ev.Time == nil {
			ev.Time = at(time.Duration(i) * time.Minute)
		}
		res := e.Assess(scorer.Record{Event: ev, Topic: "t", Offset: int64(i)})
		for _, v := range res.Assessment.GetEvidence() {
			most[v.GetSignal()] = max(most[v.GetSignal()], v.GetNats())
		}
		for _, p := range res.Proposals {
			targets = append(targets, p.Target)
		}
	}
	return most, targets
}

// TestNobodyIsNoOne sends sign-ins that failed, and attacks, of which nothing says
// who or where they came from: each is judged, and no two of them are one actor's.
func TestNobodyIsNoOne(t *testing.T) {
	failed := func(i int, address string) *event.RequestEvent {
		return &event.RequestEvent{
			Kind: event.KindRequest, Phase: event.PhaseComplete, Tenant: "default", Address: address, Method: "POST", Path: "/login", Status: 401,
			AuthOutcome: event.AuthFailure, Account: fmt.Sprint("account-", i), Time: at(time.Duration(i) * time.Second),
		}
	}
	var nobody, somebody []*event.RequestEvent
	for i := range 30 {
		nobody, somebody = append(nobody, failed(i, "")), append(somebody, failed(i, "192.0.2.1"))
	}
	nobody = append(nobody, &event.RequestEvent{
		Kind: event.KindRequest, Phase: event.PhaseComplete, Tenant: "default", Path: "/files/../../etc/passwd", Status: 404, UserAgent: "sqlmap/1.7",
		Time: at(time.Minute),
	})
	most, targets := told(t, nobody)
	if one := 1.58; most["credential.failures_by_address"] > one {
		t.Errorf("thirty unknown clients are held for one: %.1f nats", most["credential.failures_by_address"])
	}
	if most["scan.paths"] < 9 {
		t.Errorf("an attack from nowhere says %.1f nats, want what it says from anywhere", most["scan.paths"])
	}
	if len(targets) > 0 {
		t.Errorf("verdicts about nobody: %v", targets)
	}
	_, targets = told(t, somebody)
	if len(targets) == 0 || slices.ContainsFunc(targets, func(v *verdict.Target) bool { return v.GetId() != "192.0.2.1" }) {
		t.Errorf("verdicts about one address: %v", targets)
	}
}

// TestWhatIsMissingIsNoOtherPlace takes from one event after the other what it says of
// its network and client: that is no token in other hands, and no new network.
func TestWhatIsMissingIsNoOtherPlace(t *testing.T) {
	const refresh, network, signedOut = "credential.refresh_anomaly", "net.new_network", "credential.use_after_sign_out"
	home := func(change func(*event.RequestEvent)) *event.RequestEvent {
		ev := &event.RequestEvent{
			Kind: event.KindRequest, Phase: event.PhaseComplete, Tenant: "default", Subject: "ana", Session: "s", TokenId: "first", Address: "192.0.2.1", Asn: 3320,
			Country: "DE", UserAgent: scenario.Agent("chrome"), Method: "GET", Path: "/a", Template: "/a", Status: 200, BytesOut: 100, Decision: event.DecisionPermit,
		}
		if change != nil {
			change(ev)
		}
		return ev
	}
	bare := func(ev *event.RequestEvent) { ev.Address, ev.Asn, ev.Country, ev.UserAgent = "", 0, "", "" }
	away := func(ev *event.RequestEvent) {
		ev.Address, ev.Asn, ev.Country, ev.UserAgent = "203.0.113.9", 9009, "BR", scenario.Agent("python")
	}
	both := func(changes ...func(*event.RequestEvent)) func(*event.RequestEvent) {
		return func(ev *event.RequestEvent) {
			for _, change := range changes {
				change(ev)
			}
		}
	}
	second := func(ev *event.RequestEvent) { ev.TokenId = "second" }
	renews := func(ev *event.RequestEvent) { ev.Kind, ev.Reason = event.KindSession, event.ReasonRefresh }
	leaves := func(ev *event.RequestEvent) { ev.Kind, ev.Reason = event.KindSession, event.ReasonLogout }
	refused := func(ev *event.RequestEvent) { ev.Status, ev.Decision = 401, event.DecisionDeny }
	unsaid := func(ev *event.RequestEvent) { ev.Status, ev.Decision = 0, "" }
	history := func(last *event.RequestEvent) []*event.RequestEvent {
		var all []*event.RequestEvent
		for day := range 40 {
			all = append(all, home(func(ev *event.RequestEvent) {
				ev.Session, ev.Time = fmt.Sprint("day", day), at(time.Duration(day)*24*time.Hour)
			}))
		}
		last.Session, last.Time = "now", at(40*24*time.Hour)
		return append(all, last)
	}
	tests := map[string]struct {
		signal string
		// What nothing is missing of, and the same with something missing.
		whole, without []*event.RequestEvent
	}{
		"of the replaced token": {
			refresh,
			[]*event.RequestEvent{home(nil), home(second), home(nil), home(nil), home(nil), home(away)},
			[]*event.RequestEvent{home(nil), home(second), home(nil), home(nil), home(nil), home(bare)},
		},
		"of the token that replaced it": {
			refresh,
			[]*event.RequestEvent{home(nil), home(both(second, away)), home(nil), home(nil), home(nil)},
			[]*event.RequestEvent{home(nil), home(both(second, bare)), home(nil), home(nil), home(nil)},
		},
		"of the later refresh": {
			refresh,
			[]*event.RequestEvent{home(nil), home(renews), home(both(renews, away))},
			[]*event.RequestEvent{home(nil), home(renews), home(both(renews, bare))},
		},
		"of the earlier refresh": {
			refresh,
			[]*event.RequestEvent{home(nil), home(both(renews, away)), home(renews)},
			[]*event.RequestEvent{home(nil), home(both(renews, bare)), home(renews)},
		},
		"of the session before it was signed out": {
			refresh,
			[]*event.RequestEvent{home(nil), home(leaves), home(both(refused, away))},
			[]*event.RequestEvent{home(bare), home(leaves), home(both(refused, away))},
		},
		"of what became of a request after the sign-out": {
			signedOut,
			[]*event.RequestEvent{home(nil), home(leaves), home(nil)},
			[]*event.RequestEvent{home(nil), home(leaves), home(unsaid)},
		},
		"of the network of a known address": {
			network,
			history(home(func(ev *event.RequestEvent) { ev.Address, ev.Asn = "203.0.113.9", 9009 })),
			history(home(func(ev *event.RequestEvent) { ev.Asn = 0 })),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			most, _ := told(t, test.whole)
			if most[test.signal] <= 0 {
				t.Errorf("%s says nothing where all is known", test.signal)
			}
			most, _ = told(t, test.without)
			if most[test.signal] != 0 {
				t.Errorf("%s takes what is missing for something else: %.1f nats", test.signal, most[test.signal])
			}
		})
	}
}

// TestASessionForEachRequestTeaches plays a service that fetches a token for each
// request, and so has a session for each: it learns, whatever some of them were
// suspected of, and its stolen key is told.
func TestASessionForEachRequestTeaches(t *testing.T) {
	for name, tainted := range map[string]int{"clean": 0, "after forty sessions with a verdict": 40} {
		t.Run(name, func(t *testing.T) {
			var events []*event.RequestEvent
			request := func(i int, change func(*event.RequestEvent)) {
				ev := &event.RequestEvent{
					Kind: event.KindRequest, Phase: event.PhaseComplete, Tenant: "default", Subject: "robot", SubjectKind: event.SubjectService,
					Session: fmt.Sprint("s", i), Address: "192.0.2.1", Asn: 3320, Country: "DE", UserAgent: scenario.Agent("python"), Method: "GET",
					Path: "/a", Template: "/a", Status: 200, BytesOut: 100, Time: at(time.Duration(i) * 30 * time.Second),
				}
				if change != nil {
					change(ev)
				}
				events = append(events, ev)
			}
			for i := range tainted {
				request(i, func(ev *event.RequestEvent) { ev.Path, ev.Template = "/../../etc/passwd", "" })
				request(i, func(ev *event.RequestEvent) { ev.Path, ev.Template = "/cgi-bin/../../bin/sh", "" })
			}
			for i := range 6000 {
				request(tainted+i, nil)
			}
			request(tainted+6000, func(ev *event.RequestEvent) {
				ev.Address, ev.Asn, ev.Country, ev.UserAgent = "203.0.113.9", 9009, "BR", "curl/8"
			})
			most, _ := told(t, events)
			if most["machine.service_moved"] < 5 {
				t.Errorf("after 6,000 requests machine.service_moved says %.1f nats, want 5 at least: the service has not learned", most["machine.service_moved"])
			}
		})
	}
}

// TestLateFromElsewhere lets an event of some minutes ago arrive behind those of now.
func TestLateFromElsewhere(t *testing.T) {
	place := func(minute int, latitude, longitude float64, country string) *event.RequestEvent {
		return &event.RequestEvent{
			Kind: event.KindRequest, Phase: event.PhaseComplete, Tenant: "default", Subject: "ana", Session: fmt.Sprint("s", country), Status: 200, Template: "/a",
			Country: country, Latitude: &latitude, Longitude: &longitude, Time: at(time.Duration(minute) * time.Minute), UserAgent: scenario.Agent("chrome"),
		}
	}
	const signal = "geo.impossible_travel"
	inOrder, _ := told(t, []*event.RequestEvent{place(100, 48.1, 11.6, "DE"), place(109, 50.1, 14.4, "CZ")})
	late, _ := told(t, []*event.RequestEvent{place(109, 50.1, 14.4, "CZ"), place(100, 48.1, 11.6, "DE")})
	if inOrder[signal] != late[signal] || late[signal] <= 0 {
		t.Errorf("%s says %.2f nats of nine minutes, and %.2f when they are told backwards", signal, inOrder[signal], late[signal])
	}
}

// TestFirewallScoreBeyondAllRules sends scores that no firewall gives.
func TestFirewallScoreBeyondAllRules(t *testing.T) {
	said := func(score float64) string {
		e := newEngine(t, true)
		res := e.Assess(scorer.Record{Topic: "t", Event: &event.RequestEvent{
			Kind: event.KindRequest, Phase: event.PhaseComplete, Tenant: "default", Address: "192.0.2.1", Path: "/a", Template: "/a", Status: 200, WafScore: score, Time: at(0),
		}})
		return fmt.Sprint(res.Assessment.GetEvidence())
	}
	most := said(200)
	if len(most) < 20 {
		t.Fatalf("says %q", most)
	}
	for _, score := range []float64{1e6, 1e19, 1e300} {
		if got := said(score); got != most {
			t.Errorf("%g points say %s, want %s", score, got, most)
		}
	}
}
