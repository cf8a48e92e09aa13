package evidence

import (
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/exact"
)

const (
	// KindASN is the kind of the keys of autonomous systems.
	KindASN = "asn"
	// attackersPrior is the weight, in attackers, of nothing being known of where
	// they come from.
	attackersPrior = 10
	// doubtedLeast is how many others must be doubted in a network before it counts,
	// and failedLeast how many accounts beyond those that passed must fail.
	doubtedLeast, failedLeast = 1.5, 5
	// residentsMost is how many others may be at home in a network that is held
	// against somebody: who shares it with honest people is told by what he does, or
	// one attacker could turn a carrier against all its customers.
	residentsMost = 3
)

// ASNKey is the key of the event's autonomous system, and is false where it shows
// none. Its texts are the event's.
func (x *Context) ASNKey() (entity.Key, bool) {
	return entity.Key{Tenant: x.Tenant.Key.Tenant, Kind: KindASN, ID: x.Network}, x.Event.GetAsn() != 0
}

// suspicious says what others have shown of an autonomous system that is new to the
// subject: by how much more of this tenant's attackers come from there than
// net.new_network takes for granted.
func (k *Collector) suspicious(x *Context) {
	own := &x.Subject.Kinds[entity.Networks]
	key, shown := x.ASNKey()
	if !shown || x.ASNs == nil || own.Has(x.Network) {
		return
	}
	a := x.ASNs.Get(key)
	if a == nil || a.Residents(x.Now) > residentsMost {
		return
	}
	doubted, doubts := a.Doubted(&x.Tenant.Attackers, hash(x.Event.GetSubject()), x.Now)
	failed, failures := a.Failed(&x.Tenant.Attackers, x.Now)
	byDoubts, byFailures := attackShare(doubted, doubts, doubtedLeast), attackShare(failed, failures, failedLeast)
	share, _ := x.peers().Share(entity.Networks, x.Network, k.params.Concentration)
	raw := exact.Ln(max(byDoubts, byFailures) / max(networkAttack, share))
	n := k.cut(SuspiciousNetwork, veil(float64(raw*x.confidence(&k.params)), x.Event))
	if n <= 0 {
		return
	}
	if byDoubts >= byFailures {
		k.add(SuspiciousNetwork, n, false, k.sayf("%.0f others were suspended in network %s and did not confirm who they are, of %.0f in all networks; %.0f subjects are at home there",
			doubted, x.Network, doubts, a.Residents(x.Now)))
		return
	}
	k.add(SuspiciousNetwork, n, false, k.sayf("in network %s %.0f accounts more failed to sign in than succeeded, of %.0f in all networks; %.0f subjects are at home there",
		x.Network, failed, failures, a.Residents(x.Now)))
}

// attackShare is the share of attackers who come from a network, by so many of all
// that were found.
func attackShare(here, everywhere, least float64) float64 {
	if here < least {
		return networkAttack
	}
	return (here + attackersPrior*networkAttack) / (everywhere + attackersPrior)
}
