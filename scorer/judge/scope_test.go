package judge_test

import (
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// TestScope proposes after some findings, and looks whom it is about.
func TestScope(t *testing.T) {
	lost := act{0, evidence.LostProof, 20, true}
	far := act{0, evidence.ConcurrentPlaces, 16, true}
	whole := &event.RequestEvent{Session: "s", Subject: "ana", TokenId: "t", Address: "192.0.2.1"}
	tests := map[string]struct {
		event  *event.RequestEvent
		acts   []act
		others int
		want   string
	}{
		"a token without its key ends the token":              {whole, []act{lost}, 0, verdict.TargetToken},
		"and so it does where others of his meet the same":    {whole, []act{lost}, 5, verdict.TargetToken},
		"more than that ends the session":                     {whole, []act{far, lost}, 0, verdict.TargetSession},
		"two places end the session":                          {whole, []act{far}, 0, verdict.TargetSession},
		"one more session of his is no matter of the person":  {whole, []act{far}, 1, verdict.TargetSession},
		"two more sessions of his are a matter of the person": {whole, []act{far}, 2, verdict.TargetSubject},
		"but not to slow down":                                {whole, []act{{0, evidence.BytesOut, 7.8, false}}, 2, verdict.TargetSession},
		"a token that has no name ends its session":           {&event.RequestEvent{Session: "s", Subject: "ana"}, []act{lost}, 0, verdict.TargetSession},
		"who has no session is the subject":                   {&event.RequestEvent{Subject: "ana", TokenId: "t"}, []act{far}, 0, verdict.TargetSubject},
		"who has no name is the address":                      {&event.RequestEvent{Address: "192.0.2.1"}, []act{far}, 2, verdict.TargetAddress},
	}
	m := model.Default()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &entity.Session{}
			var shares []judge.Share
			var r judge.Ruling
			now := int64(1e18)
			for _, a := range tt.acts {
				shares, _ = judge.Weigh(m, []evidence.Finding{{Signal: a.signal, Nats: a.nats, Strong: a.strong, Text: "x"}}, nil)
				now += int64(time.Second)
				r = judge.Step(m, m.Pace(), m.Ladder("human"), &s.Suspicion, shares, now)
			}
			p := judge.Propose(&judge.Case{Model: m, Event: tt.event, Now: now, Session: s, Ruling: r, Shares: shares, Others: tt.others})
			if p.Target.GetKind() != tt.want {
				t.Errorf("%s is about the %s, want %s", p.Action, p.Target.GetKind(), tt.want)
			}
		})
	}
}

// A verdict on one token says nothing about the next one of the session.
func TestTheNextTokenStartsAnew(t *testing.T) {
	m := model.Default()
	s := &entity.Session{}
	now := int64(1e18)
	lost := func(token string) (judge.Ruling, judge.Proposal) {
		shares, _ := judge.Weigh(m, []evidence.Finding{{Signal: evidence.LostProof, Nats: 20, Strong: true}}, nil)
		judge.Lift(&s.Suspicion, token)
		r := judge.Step(m, m.Pace(), m.Ladder("human"), &s.Suspicion, shares, now)
		if !r.Announce {
			return r, judge.Proposal{}
		}
		return r, judge.Propose(&judge.Case{Model: m, Event: &event.RequestEvent{Session: "s", Subject: "ana", TokenId: token}, Now: now, Session: s, Ruling: r, Shares: shares})
	}
	_, first := lost("one")
	again, _ := lost("one")
	if first.Target.GetId() != "one" || again.Announce {
		t.Errorf("the first token: %v, and again: %v", first.Target, again.Announce)
	}
	judge.Lift(&s.Suspicion, "two")
	calm := judge.Step(m, m.Pace(), m.Ladder("human"), &s.Suspicion, nil, now)
	if calm.Action != verdict.ActionObserve {
		t.Errorf("the next token is met by %s at %.1f", calm.Action, calm.Total)
	}
	_, second := lost("two")
	if second.Target.GetId() != "two" || second.Action != verdict.ActionRevoke {
		t.Errorf("the next token without its key: %s %v", second.Action, second.Target)
	}
}
