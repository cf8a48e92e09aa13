package main

import (
	"runtime"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/rules"
)

// How rules and models are measured: the fastest of some rounds, because everything else
// on the machine only makes one slower.
const (
	measureRounds = 5
	measureTimes  = 2000
)

// ruleCost is what one rule costs for one event on this machine.
type ruleCost struct {
	Rule        string `json:"rule"`
	NS          int64  `json:"ns"`
	Allocations int    `json:"allocations"`
	// Worst is the estimate that limits.rule_cost_max is held against.
	Worst uint64 `json:"worst"`
	// Fault says why the rule gives no answer for the event it was measured on.
	Fault string `json:"fault,omitempty"`
}

// measureRules runs each rule of a model on an event that has every field.
func measureRules(m *model.Model) []ruleCost {
	costs := make([]ruleCost, 0, len(m.Rules))
	in := sampleInput()
	for _, r := range m.Rules {
		c := ruleCost{Rule: r.ID, Worst: r.CostMax}
		_, err := r.Evaluate(in)
		if err != nil {
			c.Fault = err.Error()
		}
		c.NS, c.Allocations = measure(func() {
			_, _ = r.Evaluate(in) // Its fault is noted above.
		})
		costs = append(costs, c)
	}
	return costs
}

// measure says what a piece of work takes: time in nanoseconds and allocations.
func measure(work func()) (ns int64, allocations int) {
	for round := range measureRounds {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		for range measureTimes {
			work()
		}
		took := time.Since(begin).Nanoseconds() / measureTimes
		runtime.ReadMemStats(&after)
		made := int((after.Mallocs - before.Mallocs) / measureTimes)
		if round == 0 || took < ns {
			ns = took
		}
		if round == 0 || made < allocations {
			allocations = made
		}
	}
	return ns, allocations
}

// sampleInput is an event that has every field, of a subject with a history.
func sampleInput() *rules.Input {
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	lat, lon := 52.5, 13.4
	in := &rules.Input{
		Context: &evidence.Context{
			Event: &event.RequestEvent{
				Kind: event.KindRequest, Phase: event.PhaseComplete, Time: timestamppb.New(at), Tenant: "default", Gateway: "gw-1",
				Subject: "subject-1", Issuer: "https://idp.example.com", Session: "session-1", ClientId: "client-1", Device: "device-1",
				Binding: event.BindingDPoP, AuthMethod: "jwt", Acr: "2", Amr: []string{"pwd", "otp"}, AuthTime: timestamppb.New(at.Add(-time.Hour)),
				SubjectKind: event.SubjectHuman, Address: "203.0.113.7", Asn: 64500, AsOrg: "Example Hosting", Country: "NL", Latitude: &lat, Longitude: &lon,
				NetworkTags: []string{"hosting", "vpn"}, Ja4: "t13d1516h2_8daaf6152771_02713d6af862",
				UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
				Method:    "GET", Host: "shop.example.com", Path: "/accounts/4711/statements/2026-02", Route: "accounts", Template: "/accounts/{id}/statements/{id}",
				Resource: "4711", Sensitivity: "high", Region: "eu", Status: 200, Decision: event.DecisionPermit, AuthOutcome: event.AuthNone,
				BytesIn: 800, BytesOut: 40_000, DurationUs: 12_000, WafScore: 1, WafRules: []string{"920300"}, Attributes: map[string]string{"channel": "web"},
			},
			Now: at.UnixNano(), At: at.UnixNano(), Network: "AS64500", Agent: evidence.Agent{Family: "Firefox", System: "Linux"},
			Session: &entity.Session{Start: at.Add(-time.Hour).UnixNano(), Requests: 120},
			Subject: &entity.Subject{Total: 5000}, Tenant: &entity.Tenant{},
		},
		Kind: event.SubjectHuman, Score: 5, Suspicion: 2,
		Findings: []evidence.Finding{{Signal: evidence.NewCountry, Nats: 5}},
	}
	in.Subject.Kinds[entity.Countries].Add("DE", 30, 12)
	return in
}
