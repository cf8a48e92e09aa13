package evidence

import (
	"math"
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

// Priors of one value of a habit, and how often an attacker shows one as rare.
const (
	countryUniform, countryAttack = 1.0 / 200, 0.02
	prefixUniform, prefixAttack   = 1.0 / 1e5, 0.001
	networkUniform, networkAttack = 1.0 / 5000, 0.002
)

// What counts as being in two places.
const (
	// recentFor is how long after its last request a place is still in use.
	recentFor = int64(60 * time.Second)
	// aliveFor is how long an open stream counts without a sign of life.
	aliveFor = int64(30 * time.Second)
	// switchesFor is how long back and forth is remembered.
	switchesFor = 10 * time.Minute
	// farKM is how far apart two places of one country must be, beyond both
	// accuracy radii, to be two; a border may be nearer.
	farKM       = 300
	farBorderKM = 50
	// ln(p(tag|attack)/p(tag|people)): one attacker in five hides behind Tor or an
	// open proxy or rents a machine, of people one in a hundred or less.
	torNats, proxyNats, hostingNats = 3, 2, 1.5
	// unveiled is what two far places by one program say beyond that where neither
	// is known to hide anybody, for most who switch a VPN on choose one that is, nor
	// a carrier's: a phone abroad comes out at home, and beside it in the hotel.
	unveiled = 1
	// homeShare is what two places count that are both habits of the subject.
	homeShare = 0.25
	// flightKMH is the speed of an airliner.
	flightKMH = 900
)

// NetworkOf is [Names.Network] without a memory.
func NetworkOf(ev *event.RequestEvent) string { return new(Names).Network(ev) }

// PrefixOf is [Names.Prefix] without a memory.
func PrefixOf(address string) string { return new(Names).Prefix(address) }

func (k *Collector) network(x *Context) {
	if x.Event.GetAddress() == "" && x.Event.GetCountry() == "" && x.Network == "" {
		return // Nobody knows where it came from.
	}
	s := x.Session
	last := entity.Place{}
	if len(s.Places) > 0 {
		last = s.Places[s.Here]
	} else if x.Subject != nil && x.Subject.LastSession != hash(s.Key.ID) {
		last = x.Subject.LastPlace
	}
	here, arrived := k.enter(x)
	k.origin(x, k.Names.Prefix(short(x.Event.GetAddress())))
	if x.Subject == nil || !x.request() {
		return // An address is where it is.
	}
	p := &s.Places[here]
	if k.concurrent(x, here, arrived) {
		return
	}
	if arrived {
		k.travel(x, &last, p)
	}
	k.overlapping(x, p)
}

// origin says how new the country, the network and the prefix are. A prefix
// that is known and lies in a new country was moved by the GeoIP file. Of what the
// session has shown before, the subject's habits are not asked.
func (k *Collector) origin(x *Context, prefix string) {
	ev, country := x.Event, x.Event.GetCountry()
	judgedPrefix := prefix != "" && k.shown(x, entity.Prefixes, prefix)
	firstPrefix := judgedPrefix && k.fresh
	judgedCountry := country != "" && k.shown(x, entity.Countries, short(country))
	firstCountry := judgedCountry && k.fresh
	judgedNetwork := x.Network != "" && k.shown(x, entity.Networks, x.Network)
	firstNetwork := judgedNetwork && k.fresh
	if x.Subject == nil || !judgedPrefix && !judgedCountry && !judgedNetwork {
		return
	}
	newCountry := country != "" && !x.Subject.Kinds[entity.Countries].Has(country)
	knownPrefix := prefix != "" && x.Subject.Kinds[entity.Prefixes].Has(prefix)
	if ev.GetAsn() == 0 && knownPrefix && !x.Subject.Kinds[entity.Networks].Has(x.Network) {
		judgedNetwork = false // He is where he has been, and what is missing is the ASN.
	}
	if judgedCountry && newCountry && !knownPrefix {
		k.fresh = firstCountry
		k.newCountry(x, country)
	}
	if judgedNetwork {
		k.anonymiser(x)
		k.suspicious(x)
		k.newNetwork = firstNetwork && !x.Subject.Kinds[entity.Networks].Has(x.Network)
	}
	if x.Network == "" || newCountry {
		return
	}
	if judgedPrefix && ev.GetAsn() != 0 && x.Subject.Kinds[entity.Networks].Has(x.Network) {
		k.fresh = firstPrefix
		k.newPrefix(x, prefix)
	}
	if !judgedNetwork {
		return
	}
	k.fresh = firstNetwork
	n := k.cut(NewNetwork, veil(k.novelty(x, NewNetwork, entity.Networks, x.Network, networkAttack), ev))
	if n > 0 {
		k.add(NewNetwork, n, false, k.sayf("first request from network %s for this subject in %d requests; usual: %s%s",
			x.Network, x.Subject.Total, usual(x.Subject.Kinds[entity.Networks].Top()), k.toGroup(x, entity.Networks, x.Network)))
	}
}

// newCountry says how new a country is.
func (k *Collector) newCountry(x *Context, country string) {
	raw := k.novelty(x, NewCountry, entity.Countries, country, countryAttack)
	if x.Subject.Kinds[entity.Networks].Has(x.Network) {
		raw /= 2 // Half of all networks are in more than one country.
	}
	n := k.cut(NewCountry, veil(raw, x.Event))
	if n > 0 {
		k.add(NewCountry, n, false, k.sayf("first request from %s for this subject in %d requests; usual: %s%s",
			country, x.Subject.Total, usual(x.Subject.Kinds[entity.Countries].Top()), k.toGroup(x, entity.Countries, country)))
	}
}

// newPrefix says how new a prefix of a known network is.
func (k *Collector) newPrefix(x *Context, prefix string) {
	n := k.cut(NewPrefix, veil(k.novelty(x, NewPrefix, entity.Prefixes, prefix, prefixAttack), x.Event))
	if n > 0 {
		k.add(NewPrefix, n, false, k.sayf("first request from %s of network %s for this subject in %d requests", prefix, x.Network, x.Subject.Total))
	}
}

// anonymiser says that a person comes through what hides people, or from where
// machines live.
func (k *Collector) anonymiser(x *Context) {
	human := x.Event.GetSubjectKind() == event.SubjectHuman || x.Event.GetSubjectKind() == ""
	if x.Subject == nil || !human || x.Subject.Kinds[entity.Networks].Has(x.Network) {
		return
	}
	raw, what := 0.0, ""
	for _, tag := range x.Event.GetNetworkTags() {
		nats := 0.0
		switch tag {
		case "tor":
			nats = torNats
		case "proxy":
			nats = proxyNats
		case "hosting":
			nats = hostingNats
		}
		if nats > raw {
			raw, what = nats, tag
		}
	}
	n := k.cut(Anonymiser, raw)
	if n > 0 {
		k.add(Anonymiser, n, false, k.sayf("a person comes through a network that is known as %s (%s)", what, usual(x.Network)))
	}
}

// novelty is the likelihood ratio of a value of a habit, cut to the signal's
// maximum and weighted by how far the habit is known.
// What many others show these days for the first time is a release, not a thief.
func (k *Collector) novelty(x *Context, s Signal, kind entity.Kind, name string, attack float64) float64 {
	own := &x.Subject.Kinds[kind]
	if own.Known(name) {
		return 0
	}
	share, a := x.peers().Share(kind, name, k.params.Concentration)
	raw := own.Novelty(name, share, attack, a)
	if raw <= 0 {
		return 0
	}
	nats := min(raw, k.params.Max[s]) * x.confidence(&k.params)
	if !spreads(kind) {
		return nats
	}
	return nats * k.arrival(x, kind, name)
}

// enter notes the event at its place and reports whether the session was not
// there before, or has been elsewhere since.
func (k *Collector) enter(x *Context) (here int, arrived bool) {
	s, ev := x.Session, x.Event
	here = slices.IndexFunc(s.Places, func(p entity.Place) bool {
		return p.Network.String() == x.Network && p.Country.String() == ev.GetCountry() && (x.Agent.Family == "" || p.Family.String() == x.Agent.Family)
	})
	if here < 0 {
		here = addPlace(x, entity.Place{
			Network: profile.NameOf(x.Network), Country: profile.NameOf(short(ev.GetCountry())), Family: profile.NameOf(x.Agent.Family),
			Veiled: veiled(ev), Mobile: slices.Contains(ev.GetNetworkTags(), "mobile"), Since: x.At,
		})
		arrived = true
	}
	p := &s.Places[here]
	arrived = arrived || int(s.Here) != here
	if x.request() {
		s.Here = uint16(here)
		if x.At-max(p.Last, p.Alive) > recentFor {
			p.Since = x.At
		}
		p.Requests = min(p.Requests+1, math.MaxInt32)
		p.Last = max(p.Last, x.At)
	}
	if address := hash(ev.GetAddress()); p.Address != address {
		p.Address, p.Prefix = address, prefixHash(k.Names.Prefix(short(ev.GetAddress())))
	}
	p.Alive = max(p.Alive, x.At)
	if ev.Latitude != nil && ev.Longitude != nil && onEarth(ev.GetLatitude(), ev.GetLongitude()) {
		p.HasLocation = true
		p.Latitude, p.Longitude = float32(ev.GetLatitude()), float32(ev.GetLongitude())
		p.RadiusKM = float32(min(20000, max(0, finite(ev.GetAccuracyRadiusKm()))))
	}
	switch ev.GetPhase() {
	case event.PhaseOpen:
		p.Open = min(p.Open+1, math.MaxInt16)
	case event.PhaseClose:
		p.Open -= min(p.Open, 1)
	}
	return here, arrived
}

// prefixHash is the hash of a prefix, 0 for none.
func prefixHash(prefix string) uint64 {
	if prefix == "" {
		return 0
	}
	return hash(prefix)
}

// addPlace adds a place; the one that has been quiet longest gives way.
func addPlace(x *Context, p entity.Place) int {
	s := x.Session
	if len(s.Places) < entity.PlacesMax {
		x.Spares.Place(s, p)
		return len(s.Places) - 1
	}
	quiet := 0
	for i := range s.Places {
		if s.Places[i].Alive < s.Places[quiet].Alive {
			quiet = i
		}
	}
	s.Places[quiet] = p
	return quiet
}

// veil weakens evidence from a network that hides where its users are.
func veil(nats float64, ev *event.RequestEvent) float64 {
	if veiled(ev) {
		return nats / 2
	}
	return nats
}

func veiled(ev *event.RequestEvent) bool {
	for _, tag := range ev.GetNetworkTags() {
		switch tag {
		case "vpn", "relay", "tor", "proxy":
			return true
		}
	}
	return false
}

func onEarth(lat, lon float64) bool { return lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180 }

func finite(f float64) float64 {
	if f != f || f > 1e300 || f < -1e300 {
		return 0
	}
	return f
}

func usual(name string) string {
	if name == "" {
		return "unknown"
	}
	return name
}
