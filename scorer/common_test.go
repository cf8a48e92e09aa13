package scorer_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/scenario"
)

// What many people of a tenant do every day is not held against one of them,
// although none of their sessions is ever clean enough to teach it. What one does
// is held against the next.
func TestWhatIsCommonIsNoCrime(t *testing.T) {
	const people, last = 30, 7
	// most is the most that the last person is suspected of on the last day, on
	// which he walks, as those do every day for whom it is usual.
	most := func(usual func(person int) bool, commonAbove string) float64 {
		engine, offset, highest := engineOf(t, "learning: {common_above: "+commonAbove+"}"), int64(0), 0.0
		for day := range last + 1 {
			for person := range people {
				walks := day > 0 && usual(person) || day == last && person == people-1
				for i := range 60 {
					offset++
					resource := i % 3
					if walks {
						resource = 100*person + 1000*day + i
					}
					r := engine.Assess(scorer.Record{Event: &event.RequestEvent{
						Kind: event.KindRequest, Phase: event.PhaseComplete, Tenant: "default", Subject: fmt.Sprint("p", person), SubjectKind: event.SubjectHuman,
						Session: fmt.Sprint("s", person, "-", day), Address: fmt.Sprintf("198.51.%d.7", person), Asn: uint32(3320 + person), Country: "DE",
						UserAgent: scenario.Agent("chrome"), Method: "GET", Template: "/accounts/{id}", Resource: strconv.Itoa(resource), Status: 200, BytesOut: 900,
						Time: timestamppb.New(start.Add(time.Duration(day)*24*time.Hour + time.Duration(person)*time.Minute + time.Duration(i)*2*time.Second)),
					}, Topic: "t", Offset: offset})
					if person == people-1 && day == last {
						highest = max(highest, r.Assessment.GetSessionScore())
					}
				}
			}
		}
		return highest
	}
	one, many := func(p int) bool { return p == 0 }, func(p int) bool { return p%3 == 0 }
	uncounted, alone := most(many, "1"), most(one, "0.01")
	if got := most(many, "0.01"); got > 5 || got > uncounted/2 || got > alone/2 {
		t.Errorf("a walk that every third person has every day says %.1f nats; %.1f where nobody counts, %.1f where one person has it", got, uncounted, alone)
	}
}

func engineOf(t *testing.T, lines string) *scorer.Engine {
	t.Helper()
	m, err := model.Parse("test.yaml", []byte("version: 1\nname: test\n"+lines+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := scorer.New(scorer.Options{Model: m, OfflineClock: true})
	if err != nil {
		t.Fatal(err)
	}
	return e
}
