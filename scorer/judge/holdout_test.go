package judge_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// propose judges one finding of a subject at a time.
func propose(m *model.Model, subject string, a act, at time.Time) judge.Proposal {
	shares, _ := judge.Weigh(m, judge.Terms{}, []evidence.Finding{{Signal: a.signal, Nats: a.nats, Strong: a.strong, Text: "x"}}, nil, nil)
	s := &entity.Session{}
	r := judge.Step(m, m.Pace(), m.Ladder("human"), &s.Suspicion, shares, at.UnixNano())
	ev := &event.RequestEvent{Session: "s-" + subject, Subject: subject, TokenId: "t", Address: "192.0.2.1"}
	return judge.Propose(&judge.Case{Model: m, Event: ev, Now: at.UnixNano(), Session: s, Ruling: r, Shares: shares})
}

// A share of the days is held out from step-ups, each as a whole, and from nothing else.
func TestHoldOut(t *testing.T) {
	const share, people = 0.1, 20_000
	m, err := model.Parse("test.yaml", []byte("mode: enforce\nbudget: [{kind: human, hold_out: 0.1}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	ask := act{0, evidence.ConcurrentPlaces, 9, false}
	day := time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC)
	out := make(map[string]bool)
	for i := range people {
		who := fmt.Sprint("person-", i)
		p := propose(m, who, ask, day)
		if p.Action != verdict.ActionStepUp {
			t.Fatalf("asks for %s, want a step-up", p.Action)
		}
		out[who] = p.Shadow
		if later := propose(m, who, ask, day.Add(20*time.Hour)); later.Shadow != p.Shadow {
			t.Fatalf("%s is held out for a part of the day", who)
		}
		if p.Shadow {
			for what, a := range map[string]act{"a revoke": {0, evidence.ConcurrentPlaces, 16, true}, "a hard fact": {0, evidence.LostProof, 20, true}} {
				if stronger := propose(m, who, a, day); stronger.Shadow {
					t.Fatalf("%s is held out: %s", what, stronger.Action)
				}
			}
		}
	}
	held, again := 0, 0
	for who, shadow := range out {
		if shadow {
			held++
			if propose(m, who, ask, day.AddDate(0, 0, 1)).Shadow {
				again++
			}
		}
	}
	deviation := math.Sqrt(people * share * (1 - share))
	if math.Abs(float64(held)-people*share) > 4*deviation {
		t.Errorf("%d of %d are held out, want about %g", held, people, people*share)
	}
	if again > held/4 {
		t.Errorf("%d of %d are held out on the next day, too", again, held)
	}
	for i := range 1000 {
		if propose(model.Default().WithMode(model.ModeEnforce), fmt.Sprint("person-", i), ask, day).Shadow {
			t.Fatal("a model without hold_out holds out")
		}
	}
}

func TestHoldOutIsForActors(t *testing.T) {
	for file, want := range map[string]string{
		"budget: [{kind: human, hold_out: 0.2}]":     "hold_out",
		"budget: [{kind: address, hold_out: 0.01}]":  "hold_out",
		"budget: [{kind: account, hold_out: 0.01}]":  "hold_out",
		"budget: [{kind: service, hold_out: -0.01}]": "hold_out",
	} {
		_, err := model.Parse("test.yaml", []byte(file))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
	m, err := model.Parse("test.yaml", []byte("budget: [{kind: agent, hold_out: 0}]"))
	if err != nil || m.Digest() != model.Default().Digest() {
		t.Errorf("naming the value that ships changes the digest: %v", err)
	}
}
