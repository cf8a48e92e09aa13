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
		others judge.Company
		want   string
	}{
		"a token without its key ends the token":                                     {whole, []act{lost}, judge.Company{}, verdict.TargetToken},
		"and so it does where others of his meet the same":                           {whole, []act{lost}, judge.Company{Held: 5}, verdict.TargetToken},
		"more than that ends the session":                                            {whole, []act{far, lost}, judge.Company{}, verdict.TargetSession},
		"two places end the session":                                                 {whole, []act{far}, judge.Company{}, verdict.TargetSession},
		"one more session of his is no matter of the person":                         {whole, []act{far}, judge.Company{Held: 1}, verdict.TargetSession},
		"two more sessions of his are a matter of the person":                        {whole, []act{far}, judge.Company{Held: 2}, verdict.TargetSubject},
		"they are one of the device that shows them all, while he goes on elsewhere": {whole, []act{far}, judge.Company{Held: 2, Blamed: true, OnDevice: true, Elsewhere: true}, verdict.TargetSession},
		"of the person where he goes on nowhere else":                                {whole, []act{far}, judge.Company{Held: 2, Blamed: true, OnDevice: true}, verdict.TargetSubject},
		"of the person where another device shows one of them":                       {whole, []act{far}, judge.Company{Held: 2, Blamed: true, Elsewhere: true}, verdict.TargetSubject},
		"but not to slow down":                                                       {whole, []act{{0, evidence.BytesOut, 7.8, false}}, judge.Company{Held: 2}, verdict.TargetSession},
		"a token that has no name ends its session":                                  {&event.RequestEvent{Session: "s", Subject: "ana"}, []act{lost}, judge.Company{}, verdict.TargetSession},
		"who has no session is the subject":                                          {&event.RequestEvent{Subject: "ana", TokenId: "t"}, []act{far}, judge.Company{}, verdict.TargetSubject},
		"who has no name is the address":                                             {&event.RequestEvent{Address: "192.0.2.1"}, []act{far}, judge.Company{Held: 2}, verdict.TargetAddress},
	}
	m := model.Default()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &entity.Session{}
			var shares []judge.Share
			var r judge.Ruling
			now := int64(1e18)
			for _, a := range tt.acts {
				shares, _ = judge.Weigh(m, judge.Terms{}, []evidence.Finding{{Signal: a.signal, Nats: a.nats, Strong: a.strong, Text: "x"}}, nil, nil)
				now += int64(time.Second)
				r = judge.Step(m, m.Pace(), m.Ladder("human"), &s.Suspicion, shares, now)
			}
			p := judge.Propose(&judge.Case{Model: m, Event: tt.event, Now: now, Session: s, Ruling: r, Shares: shares, Company: tt.others})
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
		shares, _ := judge.Weigh(m, judge.Terms{}, []evidence.Finding{{Signal: evidence.LostProof, Nats: 20, Strong: true}}, nil, nil)
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

// TestCompany looks at whose matter it is that sessions of one person are suspended.
func TestCompany(t *testing.T) {
	m := model.Default()
	now := int64(1e18)
	session := func(devices ...string) *entity.Session {
		s := &entity.Session{Last: now - int64(time.Minute)}
		for _, d := range devices {
			s.Pending.Note(entity.Devices, d)
		}
		return s
	}
	held := func(on string, devices ...string) *entity.Session {
		s := session(devices...)
		s.Suspicion.Level, s.Suspicion.LevelUntil = verdict.Strength(verdict.ActionStepUp), now+1
		s.SuspendOn(evidence.Hash(on))
		return s
	}
	suspected := session("phone")
	suspected.Suspicion.Hold(3, 0, 4)
	old := session("phone")
	old.Last = now - int64(48*time.Hour)
	over := held("loot", "loot")
	over.Suspicion.LevelUntil = now
	tests := map[string]struct {
		own    *entity.Session
		others []*entity.Session
		shown  judge.Shown
		want   int
	}{
		"three on a stranger's device, and a phone":       {session("loot"), []*entity.Session{held("loot", "loot"), held("loot", "loot"), session("phone")}, judge.Shown{Device: "loot"}, 3},
		"a session without a device is elsewhere, too":    {session("loot"), []*entity.Session{held("loot", "loot"), held("loot", "loot"), session()}, judge.Shown{Device: "loot"}, 3},
		"sessions that were taken over from the owner's":  {session("desk", "loot"), []*entity.Session{held("loot", "desk", "loot"), held("loot", "desk", "loot"), session("desk")}, judge.Shown{Device: "loot"}, 3},
		"three on his own laptop that none other came to": {session("desk"), []*entity.Session{held("desk", "desk"), held("desk", "desk"), session("phone")}, judge.Shown{Device: "desk", Known: true}, 3},
		"his own laptop is not to blame for a stranger's": {session("desk", "loot"), []*entity.Session{held("desk", "desk", "loot"), held("desk", "desk"), session("phone")}, judge.Shown{Device: "desk", Known: true}, 0},
		"two are too few":                                  {session("loot"), []*entity.Session{held("loot", "loot"), session("phone")}, judge.Shown{Device: "loot"}, 0},
		"a verdict that is over does not count":            {session("loot"), []*entity.Session{held("loot", "loot"), over, session("phone")}, judge.Shown{Device: "loot"}, 0},
		"one was suspended on another device":              {session("loot"), []*entity.Session{held("loot", "loot"), held("prey", "prey"), session("phone")}, judge.Shown{Device: "loot"}, 0},
		"nobody goes on elsewhere":                         {session("loot"), []*entity.Session{held("loot", "loot"), held("loot", "loot")}, judge.Shown{Device: "loot"}, 0},
		"the one elsewhere is suspected":                   {session("loot"), []*entity.Session{held("loot", "loot"), held("loot", "loot"), suspected}, judge.Shown{Device: "loot"}, 0},
		"the one elsewhere has not been used for two days": {session("loot"), []*entity.Session{held("loot", "loot"), held("loot", "loot"), old}, judge.Shown{Device: "loot"}, 0},
		"the one elsewhere was shown by the device, too":   {session("loot"), []*entity.Session{held("loot", "loot"), held("loot", "loot"), session("phone", "loot")}, judge.Shown{Device: "loot"}, 0},
		"who shows no device has none to blame":            {session(), []*entity.Session{held("loot", "loot"), held("loot", "loot"), session("phone")}, judge.Shown{}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := judge.CompanyOf(m, append(tt.others, tt.own), tt.own, tt.shown, verdict.ActionStepUp, now)
			if c.Together() != tt.want {
				t.Errorf("%d sessions are a matter of the device, want %d: %+v", c.Together(), tt.want, c)
			}
		})
	}
}
