package evidence

import (
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
)

const (
	// provenNats is what a proof takes back, at most once in provenEvery.
	provenNats  = 3
	provenEvery = int64(10 * time.Minute)
)

// Identity reports whether the group's evidence says that somebody else acts,
// which a proven key answers. What is done, and how much of it, it does not.
func (g Group) Identity() bool { return g == Network || g == Client || g == Sequence || g == Time }

// reassure takes back suspicion for a key that is a habit of the subject and
// was proven with this request. It goes no further than what there is to take
// back, so that nobody saves proofs for later.
func (k *Collector) reassure(x *Context) {
	ev, s, last := x.Event, x.Session, x.Session.Rare().ReassuredAt
	proven := ev.GetBinding() == event.BindingDPoP || ev.GetBinding() == event.BindingMTLS
	if !proven || x.Subject == nil || !x.request() || last != 0 && x.Now-last < provenEvery {
		return
	}
	if ev.GetDevice() == "" || ev.GetDecision() == event.DecisionDeny || !x.Subject.Kinds[entity.Devices].Has(short(ev.GetDevice())) {
		return
	}
	doubt := 0.0
	for i := range k.findings {
		if k.findings[i].Signal.Describe().Group.Identity() && !k.findings[i].Strong {
			doubt += k.findings[i].Nats
		}
	}
	for c := range verdict.Strength(verdict.ActionStepUp) + 1 {
		for g := range Group(GroupCount) {
			if g.Identity() {
				doubt += s.Suspicion.Held(c, int(g))
			}
		}
	}
	n := k.cut(ProvenKey, min(provenNats, doubt))
	if n <= 0 {
		return
	}
	x.Spares.Rare(s).ReassuredAt = x.Now
	k.add(ProvenKey, -n, false, "the request is proven with a key that this subject is known for")
}
