package evidence

import (
	"math"

	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

// nameless is the name of what is not known.
var nameless profile.Name //nolint:gochecknoglobals // The zero value.

// concurrent looks for another place where the session is in use right now. It
// reports whether it found one that is far.
func (k *Collector) concurrent(x *Context, here int, arrived bool) bool {
	s := x.Session
	p := &s.Places[here]
	best, bestFar, text, strong := 0.0, false, "", false
	for i := range s.Places {
		o := &s.Places[i]
		// An open stream must have shown life of late: a phone that left the
		// Wi-Fi leaves a dead socket behind.
		open := o.Open > 0 && x.At-o.Alive <= aliveFor
		if i == here || !open && x.At-o.Last > recentFor {
			continue
		}
		if o.Network == p.Network && o.Country == p.Country {
			continue // One place, two programs.
		}
		if o.Prefix != 0 && o.Prefix == p.Prefix {
			continue // The GeoIP file has changed its mind.
		}
		far, unknown := apart(o, p)
		other := o.Family != p.Family && o.Family != nameless && p.Family != nameless
		if far && !bestFar {
			bestFar = true
			countSwitch(x, arrived)
		}
		if k.machine(x) && x.ownNetwork(p) {
			continue // Programs run in many places at once.
		}
		raw, firm := concurrency(far, unknown, o.Country != p.Country, other, open, s.Rare().Count, float64(p.Requests))
		home := x.atHome(o) && x.atHome(p)
		switch {
		case o.Veiled || p.Veiled:
			raw, firm = raw/2, false
		case far && !other && o.Country != p.Country && !home && !o.Mobile && !p.Mobile:
			raw += unveiled
		}
		if x.ownNetwork(o) && x.ownNetwork(p) {
			firm = false // The office and the company's VPN abroad: only the program is new.
		}
		if home {
			raw, firm = float64(homeShare*raw), false
		}
		if x.ownFamily(o) && x.ownFamily(p) && o.Alive <= p.Since {
			firm = false // Until the first shows life again, he may have gone over to the other.
		}
		if raw > best {
			best, strong = raw, firm
			text = k.sayConcurrent(o, p, open, x.At)
		}
	}
	n := k.cut(ConcurrentPlaces, best)
	if n > 0 {
		k.add(ConcurrentPlaces, n, strong, text)
	}
	return bestFar
}

// atHome reports whether a place's network and client are habits of the subject:
// his office, his mobile network, the exit of his company's VPN. A thief has
// neither of them for free.
func (x *Context) atHome(p *entity.Place) bool {
	return x.ownNetwork(p) && (p.Family == nameless || x.ownFamily(p))
}

// ownNetwork reports whether a place's network is a habit of the subject.
func (x *Context) ownNetwork(p *entity.Place) bool {
	return x.Subject.Kinds[entity.Networks].Has(p.Network.String())
}

// ownFamily reports whether a place's client is a habit of the subject.
func (x *Context) ownFamily(p *entity.Place) bool {
	return x.Subject.Kinds[entity.Families].Has(p.Family.String())
}

// concurrency is the likelihood ratio of two places at once, in nats. Two
// programs in two countries on one session are hardly ever one person (a phone
// abroad whose app and browser are both the subject's own aside), and a
// lingering socket after a VPN was switched on is always one program; so only
// the former is strong, and only across a border: within a country a city is a
// guess. Each further request is a little more.
func concurrency(far, unknown, border, otherFamily, open bool, switches, requests float64) (nats float64, strong bool) {
	switch {
	case far && otherFamily && !border && open:
		return 10 + min(3, requests-1), false
	case far && otherFamily && !border:
		return 6 + min(3, requests-1), false
	case far && otherFamily && open:
		return 16 + min(3, requests-1), true
	case far && otherFamily:
		return 10 + float64(3*min(3, requests-1)), true
	case far && !border:
		return 1.75 + float64(0.75*min(5, max(0, switches-1))), false
	case far:
		return 3.5 + float64(1.5*min(5, max(0, switches-1))), false
	case !unknown && otherFamily && open:
		return 8 + min(3, requests-1), false
	case !unknown && otherFamily:
		return 4 + float64(0.5*min(4, requests-1)), false
	case unknown && otherFamily && open:
		return 8 + float64(0.5*min(4, requests-1)), false
	case unknown && otherFamily:
		return 5 + float64(0.5*min(4, requests-1)), false
	}
	return 0, false
}

// countSwitch counts that the session was last used in another place.
func countSwitch(x *Context, arrived bool) {
	s := x.Spares.Rare(x.Session)
	if s.LastAt != 0 {
		s.Count *= exact.Decay(float64(x.At-s.LastAt), float64(switchesFor))
	}
	s.LastAt = max(s.LastAt, x.At)
	if arrived {
		s.Count++
	}
}

// apart reports whether two places are so far from each other that nobody is
// in both, or that nothing is known about their distance.
func apart(a, b *entity.Place) (far, unknown bool) {
	countries := a.Country != nameless && b.Country != nameless
	located := a.HasLocation && b.HasLocation
	km := 0.0
	if located {
		km = between(a, b)
	}
	switch {
	case located && countries && a.Country != b.Country:
		return km > farBorderKM, false
	case located:
		return km > farKM, false
	case countries:
		return a.Country != b.Country, false
	}
	return false, true
}

// between is how far two places are apart at least, in kilometres: less than 0
// where they may be one.
func between(a, b *entity.Place) float64 {
	km := exact.Kilometres(float64(a.Latitude), float64(a.Longitude), float64(b.Latitude), float64(b.Longitude))
	return km - float64(a.RadiusKM) - float64(b.RadiusKM)
}

// travel compares distance and time since the last place.
func (k *Collector) travel(x *Context, from, to *entity.Place) {
	if !from.HasLocation || !to.HasLocation || from.Last == 0 || from.Prefix != 0 && from.Prefix == to.Prefix {
		return // Missing coordinates are missing evidence, and a prefix does not travel.
	}
	km := between(from, to)
	if km < farKM {
		return
	}
	// An event that comes late was before the last place, and no less far in time.
	hours := max(1.0/3600, math.Abs(entity.Seconds(from.Last, x.At))/3600)
	speed := km / hours
	if speed <= flightKMH {
		return
	}
	raw := 1 + exact.Ln(speed/flightKMH)
	switch {
	case k.machine(x):
		return // See machine.service_moved.
	case x.atHome(from) && x.atHome(to):
		raw = float64(homeShare * raw)
	case from.Veiled || to.Veiled:
		raw /= 2
	}
	n := k.cut(ImpossibleTravel, raw)
	if n > 0 {
		k.add(ImpossibleTravel, n, false, k.sayf("%.0f km from the last place (%s to %s) in %s, which no airliner does",
			km, usual(from.Country.String()), usual(to.Country.String()), k.ago(max(x.At-from.Last, from.Last-x.At))))
	}
}

func (k *Collector) sayConcurrent(o, p *entity.Place, open bool, at int64) string {
	how := "has a stream open"
	if !open {
		how = k.sayf("was in use %s ago", k.ago(at-o.Alive))
	}
	client := "by the same kind of client"
	if o.Family != p.Family {
		client = k.sayf("by another client (%s, here %s)", usual(o.Family.String()), usual(p.Family.String()))
	}
	return k.sayf("this session %s in %s on %s, and is used from %s on %s at the same time %s",
		how, usual(o.Country.String()), usual(o.Network.String()), usual(p.Country.String()), usual(p.Network.String()), client)
}
