package scorer_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/scenario"
)

// owner plays clean sessions of one person from a network, one a day.
type owner struct {
	engine *scorer.Engine
	offset int64
}

// visit plays a session of ten minutes and returns what its first request said
// about the network. change alters its first event.
func (o *owner) visit(day int, network uint32, country string, change func(*event.RequestEvent)) (news float64) {
	for n := range 20 {
		e := &event.RequestEvent{
			Kind: event.KindRequest, Phase: event.PhaseComplete, Tenant: "default", Subject: "alice", SubjectKind: event.SubjectHuman,
			Session: fmt.Sprint("s", day, network), Address: fmt.Sprintf("198.51.%d.7", network%250), Asn: network, Country: country,
			UserAgent: scenario.Agent("chrome"), Method: "GET", Template: "/accounts/{id}", Resource: "7", Status: 200, BytesOut: 2000,
			Time: timestamppb.New(start.Add(time.Duration(day)*24*time.Hour + time.Duration(n)*30*time.Second)),
		}
		if n == 0 && change != nil {
			change(e)
		}
		o.offset++
		res := o.engine.Assess(scorer.Record{Event: e, Topic: "t", Offset: o.offset})
		for _, v := range res.Assessment.GetEvidence() {
			if n == 0 && (v.GetSignal() == "net.new_network" || v.GetSignal() == "geo.new_country") {
				news += v.GetNats()
			}
		}
	}
	return news
}

// TestThiefWaitsOutTheQuarantine shows a foreign network in clean sessions on
// many days, beside those of the owner, and asks what it says on the next.
func TestThiefWaitsOutTheQuarantine(t *testing.T) {
	stepUp := func(e *event.RequestEvent) {
		e.Kind, e.Reason, e.AuthOutcome = event.KindSession, "step_up", event.AuthSuccess
	}
	unproven := func(e *event.RequestEvent) {
		e.Attributes = map[string]string{event.AttributeProducer: event.ProducerUnsigned}
	}
	tests := map[string]struct {
		days   []int
		proof  func(*event.RequestEvent)
		on     int
		silent bool
	}{
		"one clean session is nothing":              {days: []int{1}, on: 2},
		"two clean weeks less a day":                {days: []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, on: 14},
		"two days of patience":                      {days: []int{1, 20}, on: 21},
		"three days of patience, sixteen apart":     {days: []int{1, 8, 17}, on: 19, silent: true},
		"three days of patience that nobody proves": {days: []int{1, 8, 17}, proof: unproven, on: 19},
		"a step-up from there that nobody proves": {
			days: []int{1}, proof: func(e *event.RequestEvent) { stepUp(e); unproven(e) }, on: 2,
		},
		"a step-up from there": {days: []int{1}, proof: stepUp, on: 2, silent: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := &owner{engine: newEngine(t, true)}
			for day := range 20 {
				o.visit(day-20, 3320, "DE", nil)
			}
			next := 0
			for day := 1; day <= tt.on; day++ {
				if next < len(tt.days) && tt.days[next] == day {
					o.visit(day, 64500, "BR", tt.proof)
					next++
				}
				if day < tt.on {
					o.visit(day, 3320, "DE", nil)
				}
			}
			news := o.visit(tt.on, 64500, "BR", nil)
			if (news == 0) != tt.silent {
				t.Errorf("the network says %.2f nats, silence wanted: %v", news, tt.silent)
			}
		})
	}
}

// TestChaffOfOneSubjectIsBounded lets one account flood the tenant's habits with
// sessions by a tool, and asks whether that tool is then usual for others.
func TestChaffOfOneSubjectIsBounded(t *testing.T) {
	tool := func(people, chaff int, every time.Duration) float64 {
		o := &owner{engine: newEngine(t, true)}
		send := func(subject, session, address, agent string, at time.Duration) *scorer.Result {
			o.offset++
			res := o.engine.Assess(scorer.Record{Event: &event.RequestEvent{
				Kind: event.KindRequest, Phase: event.PhaseComplete, Tenant: "default", Subject: subject, SubjectKind: event.SubjectHuman, Session: session,
				Address: address, Asn: 3320, Country: "DE", UserAgent: scenario.Agent(agent), Method: "GET", Template: "/", Status: 200,
				Time: timestamppb.New(start.Add(at)),
			}, Topic: "t", Offset: o.offset})
			return &res
		}
		for day := range 20 {
			for p := range people {
				send(fmt.Sprint("p", p), fmt.Sprint("p", p, "-", day), fmt.Sprintf("10.0.%d.7", p%250), "chrome", time.Duration(day)*24*time.Hour)
			}
		}
		begin := 20 * 24 * time.Hour
		for i := range chaff {
			send("mallory", fmt.Sprint("m", i), "198.51.100.7", "python", begin+time.Duration(i)*every)
		}
		news := 0.0
		for _, v := range send("p3", "now", "10.0.3.7", "python", begin+24*time.Hour).Assessment.GetEvidence() {
			if v.GetSignal() == "client.new_family" {
				news += v.GetNats()
			}
		}
		return news
	}
	tests := map[string]struct {
		people int
		every  time.Duration
		loses  float64
	}{
		"slow enough for each session to teach before too many wait": {1000, 200 * time.Second, 1},
		"faster, so that they teach nobody else, however few he has": {10, 40 * time.Second, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			clean, led := tool(tt.people, 0, 0), tool(tt.people, int(22*time.Hour/tt.every), tt.every)
			if clean < 3 || led < clean-tt.loses {
				t.Errorf("the tool says %.2f nats, after a flood by one account %.2f", clean, led)
			}
		})
	}
}

// What an event says whose producer nothing proves counts for half.
func TestWhatNobodyProvesCountsForLess(t *testing.T) {
	news := func(change func(*event.RequestEvent)) float64 {
		o := &owner{engine: newEngine(t, true)}
		for day := range 20 {
			o.visit(day-20, 3320, "DE", nil)
		}
		return o.visit(1, 64500, "BR", change)
	}
	proven := news(nil)
	unproven := news(func(e *event.RequestEvent) {
		e.Attributes = map[string]string{event.AttributeProducer: event.ProducerUnsigned}
	})
	if unproven <= 0 || unproven > 0.51*proven {
		t.Errorf("a new network says %.2f nats where nobody proves it and %.2f else, want about half", unproven, proven)
	}
}
