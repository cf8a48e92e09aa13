package evidence

import (
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
)

const (
	// signOutGrace is how long requests that were on their way when a session was
	// signed out may still be seen.
	signOutGrace = int64(30 * time.Second)
	signOutNats  = 20
	// rotationGrace is how long the tabs of a browser may go on with a token
	// after another of them has fetched the next.
	rotationGrace = int64(2 * time.Minute)
	// refreshFor is how long two refreshes belong together.
	refreshFor = int64(time.Hour)
	// Likelihood ratios of one session's tokens in two places.
	reusedNats, refreshedNats, movedNats = 6, 8, 2
)

// token follows the life of a session: its end, and who renews its tokens.
func (k *Collector) token(x *Context) {
	if x.Session.Key.Kind != verdict.TargetSession {
		return
	}
	if x.Event.GetKind() == event.KindSession {
		k.lifecycle(x)
		return
	}
	switch {
	case !x.request():
	case x.Event.GetDecision() == "" && x.Event.GetStatus() == 0: // Nobody knows whether it was used or refused.
	case x.Event.GetDecision() != "" && x.Event.GetDecision() != event.DecisionPermit || x.Event.GetStatus() >= 400:
		k.copied(x) // What was refused was not used.
	default:
		k.signedOut(x)
		k.rotated(x)
	}
}

func (k *Collector) lifecycle(x *Context) {
	s := x.Session
	switch {
	case x.Event.GetReason() == event.ReasonLogout:
		x.Spares.Rare(s).SignedOut = max(s.Rare().SignedOut, x.At)
	case x.Event.GetReason() == event.ReasonRefresh:
		k.refreshed(x)
	case x.Event.GetAuthOutcome() == event.AuthSuccess && s.Rare().SignedOut != 0:
		x.Spares.Rare(s).SignedOut = 0
	}
}

// signedOut is a cryptographic fact: the token still verifies, and its owner
// has said that it shall not be used.
func (k *Collector) signedOut(x *Context) {
	at := x.Session.Rare().SignedOut
	if at == 0 || x.At <= at+signOutGrace {
		return
	}
	if x.Event.GetAuthTime() != nil && x.Event.GetAuthTime().AsTime().UnixNano() > at {
		return // Signed in again under the same name.
	}
	n := k.cut(UseAfterSignOut, signOutNats)
	if n > 0 {
		k.add(UseAfterSignOut, n, true, k.sayf("the session is used %s after it was signed out", k.ago(x.At-at)))
	}
}

// copied looks for a token that is refused because its session was signed out, and
// that comes from elsewhere. The owner's other windows ask with it once more, or for
// hours, and his machine may have been carried away by then; but it brings its own
// client along.
func (k *Collector) copied(x *Context) {
	at, r := x.Session.Rare().SignedOut, x.Session.Rotation
	if at == 0 || x.At <= at || r == nil || x.Event.GetStatus() != 401 {
		return
	}
	if !elsewhere(hash(x.Network), r.Network) || habit(x, entity.Networks, x.Network) {
		return
	}
	nats := float64(movedNats)
	if elsewhere(hash(x.Agent.Family), r.Family) && !habit(x, entity.Families, x.Agent.Family) {
		nats = reusedNats
	}
	n := k.cut(RefreshAnomaly, veil(nats, x.Event))
	if n > 0 {
		k.add(RefreshAnomaly, n, false, k.sayf("a token is shown from %s, %s after its session was signed out elsewhere, and refused", usual(x.Network), k.ago(x.At-at)))
	}
}

// rotated looks for a token that its successor has replaced and that comes
// from elsewhere.
func (k *Collector) rotated(x *Context) {
	if x.Event.GetTokenId() == "" {
		return
	}
	token, network, family := hash(x.Event.GetTokenId()), hash(x.Network), hash(x.Agent.Family)
	r := rotation(x)
	switch {
	case token == r.Token:
		return
	case token != r.Before || r.Before == 0:
		r.Before, r.Token, r.At, r.Network, r.Family = r.Token, token, x.At, network, family
		return
	case x.At <= r.At+rotationGrace || !elsewhere(network, r.Network):
		return // Another tab.
	}
	nats := float64(movedNats)
	if elsewhere(family, r.Family) {
		nats = reusedNats
	}
	n := k.cut(RefreshAnomaly, veil(nats, x.Event))
	if n > 0 {
		k.add(RefreshAnomaly, n, false, k.sayf("a token is used from %s, %s after another place had replaced it", usual(x.Network), k.ago(x.At-r.At)))
	}
}

// refreshed compares the places of two reported refreshes.
func (k *Collector) refreshed(x *Context) {
	network, family := hash(x.Network), hash(x.Agent.Family)
	r := rotation(x)
	recent := r.RefreshAt != 0 && x.At-r.RefreshAt <= refreshFor
	moved, other := elsewhere(network, r.RefreshNetwork), elsewhere(family, r.RefreshFamily)
	since := x.At - r.RefreshAt
	r.RefreshAt, r.RefreshNetwork, r.RefreshFamily = max(r.RefreshAt, x.At), network, family
	if !recent || !moved {
		return
	}
	nats := float64(movedNats)
	if other {
		nats = refreshedNats
	}
	n := k.cut(RefreshAnomaly, veil(nats, x.Event))
	if n > 0 {
		k.add(RefreshAnomaly, n, false, k.sayf("the session is renewed from %s, %s after it was renewed from elsewhere", usual(x.Network), k.ago(since)))
	}
}

// unknown is the hash of what an event does not say.
var unknown = hash("") //nolint:gochecknoglobals // A constant.

// elsewhere reports whether two hashes are of two different networks, or clients. Of
// one that is not known nothing is.
func elsewhere(a, b uint64) bool { return a != b && a != unknown && b != unknown }

// habit reports whether a value is one of the subject's habits.
func habit(x *Context, kind entity.Kind, name string) bool {
	return x.Subject != nil && x.Subject.Kinds[kind].Has(name)
}

func rotation(x *Context) *entity.Rotation {
	if x.Session.Rotation == nil {
		x.Session.Rotation = x.Spares.Rotation()
	}
	return x.Session.Rotation
}
