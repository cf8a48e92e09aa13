package evidence

import (
	"time"

	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/exact"
)

const (
	// overlapFor is within what time two uses are at once: nobody gets far in it.
	overlapFor = int64(5 * time.Minute)
	// What it says that two sessions of a person are used at once, far apart, in
	// nats: at first, for each further turn that they take, and at most. Within a
	// country a city is a guess.
	abroadNats, abroadTurn, abroadMost = 5, 2, 9
	inlandNats, inlandTurn, inlandMost = 3, 1, 6
)

// overlapping looks for another session of the person that is in use right now, far
// from p, where the event's is. Of the two the one is meant that stands where its
// subject is not known to be.
func (k *Collector) overlapping(x *Context, p *entity.Place) {
	o := &x.Subject.LastPlace
	if o.Network == p.Network && o.Country == p.Country || o.Prefix != 0 && o.Prefix == p.Prefix {
		return // Nearly always: it is the session's own place.
	}
	open := o.Open > 0 && x.At-o.Alive <= aliveFor
	if !open && x.At-o.Last > overlapFor || x.Subject.LastSession == 0 || x.Subject.LastSession == hash(x.Session.Key.ID) || k.machine(x) || x.ownNetwork(p) {
		return
	}
	far, _ := apart(o, p)
	if !far || o.Mobile || x.Event.GetDevice() != "" && x.Subject.Kinds[entity.Devices].Has(short(x.Event.GetDevice())) {
		return
	}
	if x.Session.Pending.Settled(entity.Networks, x.Network) {
		return // He has confirmed that he is there.
	}
	turns := &x.Spares.Rare(x.Session).Beside
	if turns.LastAt != 0 {
		if o.Last <= turns.LastAt {
			return // The other was not used since, so nothing new is known.
		}
		turns.Count *= exact.Decay(float64(x.At-turns.LastAt), float64(switchesFor))
	}
	turns.LastAt = max(turns.LastAt, x.At)
	turns.Count++
	raw := min(inlandMost, inlandNats+float64(inlandTurn*max(0, turns.Count-1)))
	if o.Country != p.Country {
		raw = min(abroadMost, abroadNats+float64(abroadTurn*max(0, turns.Count-1)))
	}
	if o.Veiled || p.Veiled || p.Mobile || !x.ownNetwork(o) {
		raw /= 2
	}
	told := x.Session.Suspicion.Peak(int(ImpossibleTravel))
	for i := range k.findings {
		if k.findings[i].Signal == ImpossibleTravel {
			told = max(told, k.findings[i].Nats)
		}
	}
	n := k.cut(Overlapping, raw-told)
	if n > 0 {
		k.add(Overlapping, n, false, k.sayf("another session of this subject is in use in %s on %s, and this one in %s on %s at the same time",
			usual(o.Country.String()), usual(o.Network.String()), usual(p.Country.String()), usual(p.Network.String())))
	}
}
