package evidence

import (
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

const (
	// evenPrior is the weight, in sessions, of the prior by which a coefficient of
	// variation below c per cent has probability c/evenWidth.
	evenPrior, evenWidth = 20, 100
	// beatEvery is after how many gaps the session is looked at again.
	beatEvery = 10
	// The most that a new network, and a new client, of a service say.
	movedNetwork, movedFamily = 6, 3
)

// beacon says that a person clicks like a clock.
func (k *Collector) beacon(x *Context) {
	if !x.request() || x.Subject == nil {
		return
	}
	b := &x.Session.Beat
	if !b.Tap(x.At) || b.N < entity.BeatLeast || b.N%beatEvery != 0 || k.machine(x) {
		return
	}
	cv := b.Variation()
	below := 0.0
	beats := &x.Tenant.Beats
	if beats.Total() > 0 {
		below = beats.Below(cv)
	}
	p := (below + float64(evenPrior*min(1, cv/evenWidth))) / (beats.Total() + evenPrior)
	n := k.cut(Beaconing, profile.Nats(p, k.params.Kappa)-k.params.Look)
	if n > 0 {
		k.add(Beaconing, n, false, k.sayf("requests follow each other every %.0f s with %.0f %% variation, which few sessions do", b.Mean, cv))
	}
}

// machine reports whether the subject is a program.
func (k *Collector) machine(x *Context) bool {
	kind := x.Event.GetSubjectKind()
	return kind == event.SubjectService || kind == event.SubjectAgent
}

// moved says that a program acts from a network, and by a client, that it never
// had. Programs do not travel, so this says more than of a person.
func (k *Collector) moved(x *Context, newNetwork, newFamily bool) {
	if !k.machine(x) || !newNetwork && !newFamily {
		return
	}
	raw := 0.0
	each := func(is bool, kind entity.Kind, name string, most float64) {
		if !is || x.Subject.Kinds[kind].Total() == 0 {
			return
		}
		nats := min(most, -exact.Ln(min(1, x.Subject.Kinds[kind].PNew(k.params.Concentration))))
		if x.Tenant.Subjects.Kinds[kind].Has(name) {
			nats /= 2
		}
		raw += nats
	}
	each(newNetwork, entity.Networks, x.Network, movedNetwork)
	each(newFamily, entity.Families, x.Agent.Family, movedFamily)
	n := k.cut(ServiceMoved, raw*x.confidence(&k.params))
	if n > 0 {
		k.add(ServiceMoved, n, false, k.sayf("a %s acts from %s by %s; usual: %s by %s", x.Event.GetSubjectKind(), usual(x.Network), usual(x.Agent.Family),
			usual(x.Subject.Kinds[entity.Networks].Top()), usual(x.Subject.Kinds[entity.Families].Top())))
	}
}
