package scorer

import (
	"strings"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/judge"
)

// knownFrom is the confidence from which a subject has a history. Only such a one says
// something about a network: whoever signs up a dozen accounts could get one into
// disrepute, or clear it.
const knownFrom = 0.5

// asn is the autonomous system with a name, such as AS3320; nil where nothing is known
// of it, unless it is to be made.
func (e *Engine) asn(t *entity.Tenant, name string, making bool) *entity.ASN {
	if !strings.HasPrefix(name, "AS") {
		return nil // The /24 or /48 of an event without one.
	}
	key := entity.Key{Tenant: t.Key.Tenant, Kind: evidence.KindASN, ID: name}
	a := e.asns.Get(key)
	if a == nil && making {
		a = e.asns.Take(owned(t, key))
		*a = entity.ASN{}
	}
	return a
}

// hasHistory reports whether a subject says something about a network.
func (e *Engine) hasHistory(s *entity.Subject) bool {
	return s != nil && s.N/(s.N+e.model.Learning.Confidence) >= knownFrom
}

// signedIn notes with the event's autonomous system how a sign-in ended. Whose second
// factor fails has the password.
func (e *Engine) signedIn(x *evidence.Context) {
	outcome := x.Event.GetAuthOutcome()
	if x.Account == nil || outcome == event.AuthMFAFailure {
		return
	}
	a := e.asn(x.Tenant, x.Network, true)
	if a != nil {
		a.SignIn(&x.Tenant.Attackers, evidence.Hash(x.Event.GetAccount()), outcome == event.AuthSuccess, x.Now)
	}
}

// resides notes that a session has taught its subject from an autonomous system.
func (e *Engine) resides(x *evidence.Context, own *entity.Subject, network string) {
	if !e.hasHistory(own) {
		return
	}
	a := e.asn(x.Tenant, network, true)
	if a != nil {
		a.Reside(&x.Tenant.Attackers, evidence.Hash(x.Event.GetSubject()), x.Now)
	}
}

// doubt notes that a session was suspended in the event's autonomous system, for more
// than what others had done there: no doubt breeds another. What nothing proves may
// have been written to have a network doubted.
func (e *Engine) doubt(x *evidence.Context, ruling *judge.Ruling) {
	if !verdict.Suspends(ruling.Action) || x.Event.Unproven() || !e.hasHistory(x.Subject) {
		return
	}
	borrowed := x.Session.Suspicion.Peak(int(evidence.SuspiciousNetwork))
	if ruling.Score-borrowed < ruling.Rung.Threshold {
		return
	}
	a := e.asn(x.Tenant, x.Network, true)
	if a != nil {
		a.Doubt(&x.Tenant.Attackers, evidence.Hash(x.Event.GetSubject()), x.Now)
	}
}

// acquit forgets the doubt of a session's subject in every autonomous system that it
// was used from, and in the one given, empty for none: he has proven who he is, or a
// person has said that nothing was wrong.
func (e *Engine) acquit(t *entity.Tenant, s *entity.Session, network string) {
	who, now := evidence.Hash(s.Subject), e.clock.Now()
	forget := func(name string) {
		a := e.asn(t, name, false)
		if a != nil {
			a.Answer(&t.Attackers, who, now)
		}
	}
	for i := range s.Places {
		forget(s.Places[i].Network.String())
	}
	forget(network)
}
