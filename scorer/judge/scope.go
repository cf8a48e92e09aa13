package judge

import (
	"time"

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
// where at least two other sessions of his meet such an action now, unless all of
// them do so on one device while he goes on elsewhere; else what the event names.
// That device is a matter of the facet stage, which alone writes verdicts about
// devices: it is told (see [Company.Together]).
func scope(c *Case) *verdict.Target {
	ev := c.Event
	switch {
	case ev.GetSession() == "" || ev.GetSubject() == "":
	case ev.GetTokenId() != "" && onToken(c.Ruling.Rung, &c.Session.Suspicion, c.Shares):
		return &verdict.Target{Kind: verdict.TargetToken, Id: ev.GetTokenId()}
	case verdict.Suspends(c.Ruling.Action) && c.Company.whole():
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

// Company is what the open sessions of a subject say about whose matter an action
// against one of them is.
type Company struct {
	// Held counts the others that meet an action at least as strong.
	Held int
	// Blamed says that the event's own session speaks against the device that the
	// event shows, and OnDevice that those that are held do so, too.
	Blamed, OnDevice bool
	// Elsewhere says that another one is calm, was used lately and has never been
	// shown by that device.
	Elsewhere bool
}

// Shown is the device that an event shows.
type Shown struct {
	// Device is its name by [evidence.DeviceOf], "" for none.
	Device string
	// Known says that it is a habit of the subject. A stranger's device that comes
	// into a session is to blame for it; the owner's own only where no other came.
	Known bool
}

func (d Shown) blamed(s *entity.Session) bool {
	return d.Device != "" && (!d.Known || s.Pending.Count(entity.Devices) <= 1)
}

// elsewhereFor is for how long after its last request a calm session says that its
// owner goes on with it.
const elsewhereFor = 24 * time.Hour

// CompanyOf looks at the open sessions of a subject, one of which, the event's own,
// is about to meet an action.
func CompanyOf(m *model.Model, sessions []*entity.Session, own *entity.Session, d Shown, action string, now int64) Company {
	c := Company{Blamed: d.blamed(own)}
	c.OnDevice = c.Blamed
	for _, s := range sessions {
		switch {
		case s == own:
		case s.Suspicion.Level >= verdict.Strength(action) && now < s.Suspicion.LevelUntil:
			c.Held++
			c.OnDevice = c.OnDevice && d.blamed(s) && s.Rare().SuspendedOn == evidence.Hash(d.Device)
		case s.Tainted || now-s.Last > int64(elsewhereFor) || s.Pending.Shows(entity.Devices, d.Device):
		default:
			s.Suspicion.Decay(now, m.Pace())
			c.Elsewhere = c.Elsewhere || s.Suspicion.Total(0) < m.Learning.CleanBelow
		}
	}
	return c
}

// Together is how many sessions of the subject are suspended on one device, the
// event's own with them, where that is a matter of the device; else 0.
func (c Company) Together() int {
	if 1+c.Held < heldLeast || !c.OnDevice || !c.Elsewhere {
		return 0
	}
	return 1 + c.Held
}

// whole reports whether the action is a matter of the subject as a whole.
func (c Company) whole() bool { return 1+c.Held >= heldLeast && c.Together() == 0 }
