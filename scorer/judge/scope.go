package judge

import (
	"github.com/zeebo/xxh3"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// heldLeast is how many sessions of one subject that meet the same action at
// the same time make it a matter of the subject: two may be one person on the
// road, three are one key ring in other hands.
const heldLeast = 3

// NameOf is the narrowest target that an event names: its session, else its
// subject, else its address.
func NameOf(ev *event.RequestEvent) (kind, id string) {
	switch {
	case ev.GetSession() != "":
		return verdict.TargetSession, ev.GetSession()
	case ev.GetSubject() != "":
		return verdict.TargetSubject, ev.GetSubject()
	}
	return verdict.TargetAddress, ev.GetAddress()
}

// scope is the narrowest target that the evidence supports: the token where the
// action rests on what was done with the event's own token alone; the subject
// where at least two other sessions of his meet such an action now; else what
// the event names.
func scope(c *Case) *verdict.Target {
	ev := c.Event
	switch {
	case ev.GetSession() == "" || ev.GetSubject() == "":
	case ev.GetTokenId() != "" && onToken(c.Ruling.Rung, &c.Session.Suspicion, c.Shares):
		return &verdict.Target{Kind: verdict.TargetToken, Id: ev.GetTokenId()}
	case verdict.Suspends(c.Ruling.Action) && 1+c.Others >= heldLeast:
		return &verdict.Target{Kind: verdict.TargetSubject, Id: ev.GetSubject()}
	}
	kind, id := NameOf(ev)
	return &verdict.Target{Kind: kind, Id: id}
}

// onToken reports whether an action rests on the event's token: the event says
// something about how that is bound to a key, and all else that is held against
// the session would not do.
func onToken(rung *model.Rung, s *entity.Suspicion, shares []Share) bool {
	bound := false
	for i := range shares {
		bound = bound || shares[i].Describe().Group == evidence.Binding && shares[i].Nats > 0
	}
	other := 0.0
	for _, p := range s.Piles {
		if int(p.Ceiling) >= verdict.Strength(rung.Action) && evidence.Group(p.Group) != evidence.Binding {
			other += p.Nats
		}
	}
	return bound && other < rung.Threshold
}

// confine notes that a verdict ends one token only: what it rests on ends with
// the token, and says nothing about the next one of the session.
func confine(s *entity.Suspicion, token string) {
	s.LevelToken = xxh3.HashString(token)
	for c := range entity.CeilingSlots {
		s.Hold(c, int(evidence.Binding), 0)
	}
}

// Lift forgets a verdict that ended another token than the event's.
func Lift(s *entity.Suspicion, token string) {
	if s.LevelToken != 0 && s.LevelToken != xxh3.HashString(token) {
		s.Level, s.LevelUntil, s.LevelToken = 0, 0, 0
	}
}

// Held counts the sessions of a list, but for the event's own, against which an
// action at least as strong is in force now.
func Held(sessions []*entity.Session, own *entity.Session, action string, now int64) int {
	n := 0
	for _, s := range sessions {
		if s != own && s.Suspicion.Level >= verdict.Strength(action) && now < s.Suspicion.LevelUntil {
			n++
		}
	}
	return n
}
