package evidence

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/exact"
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
	// homeShare is what two places count that are both habits of the subject.
	homeShare = 0.25
	// flightKMH is the speed of an airliner.
	flightKMH = 900
)

// NetworkOf names the network of an event: its ASN, else the /24 or /48 of its
// address, "" where neither is known.
func NetworkOf(ev *event.RequestEvent) string {
	if ev.GetAsn() != 0 {
		return "AS" + strconv.FormatUint(uint64(ev.GetAsn()), 10)
	}
	return PrefixOf(ev.GetAddress())
}

// PrefixOf is the /24 or /48 of an address, "" where it is none.
func PrefixOf(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	bits := 24
	addr = addr.Unmap()
	if addr.Is6() {
		bits = 48
	}
	prefix, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.String()
}

func (k *Collector) network(x *Context) {
	if x.Event.GetAddress() == "" && x.Event.GetCountry() == "" && x.Network == "" {
		return // Nobody knows where it came from.
	}
	s := x.Session
	last := entity.Place{}
	if len(s.Places) > 0 {
		last = s.Places[s.Here]
	} else if x.Subject != nil && x.Subject.LastSession != s.Key.ID {
		last = x.Subject.LastPlace
	}
	here, arrived := enter(x)
	k.origin(x, s.Places[here].Prefix)
	if x.Subject == nil || !x.request() {
		return // An address is where it is.
	}
	p := &s.Places[here]
	if !k.concurrent(x, here, arrived) && arrived {
		k.travel(x, &last, p)
	}
}

// origin says how new the country, the network and the prefix are. A prefix
// that is known and lies in a new country was moved by the GeoIP file.
func (k *Collector) origin(x *Context, prefix string) {
	s, ev := x.Session, x.Event
	newCountry := false
	firstPrefix := prefix != "" && s.Pending.Note(entity.Prefixes, prefix)
	knownPrefix := prefix != "" && x.Subject != nil && x.Subject.Kinds[entity.Prefixes].Has(prefix)
	if country := ev.GetCountry(); country != "" {
		first := s.Pending.Note(entity.Countries, short(country))
		newCountry = x.Subject != nil && !x.Subject.Kinds[entity.Countries].Has(country)
		if first && newCountry && !knownPrefix {
			raw := k.novelty(x, NewCountry, entity.Countries, country, countryUniform, countryAttack)
			if x.Subject.Kinds[entity.Networks].Has(x.Network) {
				raw /= 2 // Half of all networks are in more than one country.
			}
			n := k.cut(NewCountry, veil(raw, ev))
			if n > 0 {
				k.add(NewCountry, n, false, fmt.Sprintf("first request from %s for this subject in %d requests; usual: %s",
					country, x.Subject.Total, usual(x.Subject.Kinds[entity.Countries].Top())))
			}
		}
	}
	if x.Network == "" {
		return
	}
	first := s.Pending.Note(entity.Networks, x.Network)
	if first {
		k.anonymiser(x)
		k.newNetwork = x.Subject != nil && !x.Subject.Kinds[entity.Networks].Has(x.Network)
	}
	if x.Subject == nil || newCountry {
		return
	}
	if firstPrefix && ev.GetAsn() != 0 && x.Subject.Kinds[entity.Networks].Has(x.Network) {
		k.newPrefix(x, prefix)
	}
	if !first {
		return
	}
	n := k.cut(NewNetwork, veil(k.novelty(x, NewNetwork, entity.Networks, x.Network, networkUniform, networkAttack), ev))
	if n > 0 {
		k.add(NewNetwork, n, false, fmt.Sprintf("first request from network %s for this subject in %d requests; usual: %s",
			x.Network, x.Subject.Total, usual(x.Subject.Kinds[entity.Networks].Top())))
	}
}

// newPrefix says how new a prefix of a known network is.
func (k *Collector) newPrefix(x *Context, prefix string) {
	n := k.cut(NewPrefix, veil(k.novelty(x, NewPrefix, entity.Prefixes, prefix, prefixUniform, prefixAttack), x.Event))
	if n > 0 {
		k.add(NewPrefix, n, false, fmt.Sprintf("first request from %s of network %s for this subject in %d requests", prefix, x.Network, x.Subject.Total))
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
		k.add(Anonymiser, n, false, fmt.Sprintf("a person comes through a network that is known as %s (%s)", what, usual(x.Network)))
	}
}

// novelty is the likelihood ratio of a value of a habit, cut to the signal's
// maximum and weighted by how far the habit is known.
// What many others show these days for the first time is a release, not a thief.
func (k *Collector) novelty(x *Context, s Signal, kind entity.Kind, name string, uniform, attack float64) float64 {
	raw := x.Subject.Kinds[kind].Novelty(name, &x.Tenant.Subjects.Kinds[kind], uniform, attack, k.params.Concentration)
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
func enter(x *Context) (here int, arrived bool) {
	s, ev := x.Session, x.Event
	here = slices.IndexFunc(s.Places, func(p entity.Place) bool {
		return p.Network == x.Network && p.Country == ev.GetCountry() && (p.Family == x.Agent.Family || x.Agent.Family == "")
	})
	if here < 0 {
		here = addPlace(s, entity.Place{
			Network: x.Network, Country: short(ev.GetCountry()), Family: x.Agent.Family,
			Veiled: veiled(ev),
		})
		arrived = true
	}
	p := &s.Places[here]
	arrived = arrived || s.Here != here
	if x.request() {
		s.Here = here
		p.Requests++
		p.Last = max(p.Last, x.At)
	}
	if address := short(ev.GetAddress()); p.Address != address {
		p.Address, p.Prefix = address, PrefixOf(address)
	}
	p.Alive = max(p.Alive, x.At)
	if ev.Latitude != nil && ev.Longitude != nil && onEarth(ev.GetLatitude(), ev.GetLongitude()) {
		p.HasLocation = true
		p.Latitude, p.Longitude = ev.GetLatitude(), ev.GetLongitude()
		p.RadiusKM = min(20000, max(0, finite(ev.GetAccuracyRadiusKm())))
	}
	switch ev.GetPhase() {
	case event.PhaseOpen:
		p.Open++
	case event.PhaseClose:
		p.Open = max(0, p.Open-1)
	}
	return here, arrived
}

// addPlace adds a place; the one that has been quiet longest gives way.
func addPlace(s *entity.Session, p entity.Place) int {
	if len(s.Places) < entity.PlacesMax {
		s.Places = append(s.Places, p)
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
		if o.Prefix != "" && o.Prefix == p.Prefix {
			continue // The GeoIP file has changed its mind.
		}
		far, unknown := apart(o, p)
		other := o.Family != p.Family && o.Family != "" && p.Family != ""
		if far && !bestFar {
			bestFar = true
			countSwitch(x, arrived)
		}
		if k.machine(x) && x.Subject.Kinds[entity.Networks].Has(p.Network) {
			continue // Programs run in many places at once.
		}
		raw, firm := concurrency(far, unknown, o.Country != p.Country, other, open, s.Count, float64(p.Requests))
		if o.Veiled || p.Veiled {
			raw, firm = raw/2, false
		}
		if x.atHome(o) && x.atHome(p) {
			raw, firm = float64(homeShare*raw), false
		}
		if raw > best {
			best, strong = raw, firm
			text = sayConcurrent(o, p, open, x.At)
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
	return x.Subject.Kinds[entity.Networks].Has(p.Network) && (p.Family == "" || x.Subject.Kinds[entity.Families].Has(p.Family))
}

// concurrency is the likelihood ratio of two places at once, in nats. Two
// programs in two countries on one session are hardly ever one person, and a
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
	s := x.Session
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
	countries := a.Country != "" && b.Country != ""
	located := a.HasLocation && b.HasLocation
	km := 0.0
	if located {
		km = exact.Kilometres(a.Latitude, a.Longitude, b.Latitude, b.Longitude) - a.RadiusKM - b.RadiusKM
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

// travel compares distance and time since the last place.
func (k *Collector) travel(x *Context, from, to *entity.Place) {
	if !from.HasLocation || !to.HasLocation || from.Last == 0 || from.Prefix != "" && from.Prefix == to.Prefix {
		return // Missing coordinates are missing evidence, and a prefix does not travel.
	}
	km := exact.Kilometres(from.Latitude, from.Longitude, to.Latitude, to.Longitude) - from.RadiusKM - to.RadiusKM
	if km < farKM {
		return
	}
	hours := max(1.0/3600, entity.Seconds(from.Last, x.At)/3600)
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
		k.add(ImpossibleTravel, n, false, fmt.Sprintf("%.0f km from the last place (%s to %s) in %s, which no airliner does",
			km, usual(from.Country), usual(to.Country), ago(x.At-from.Last)))
	}
}

func sayConcurrent(o, p *entity.Place, open bool, at int64) string {
	how := "was in use " + ago(at-o.Alive) + " ago"
	if open {
		how = "has a stream open"
	}
	client := "by the same kind of client"
	if o.Family != p.Family {
		client = fmt.Sprintf("by another client (%s, here %s)", usual(o.Family), usual(p.Family))
	}
	return fmt.Sprintf("this session %s in %s on %s, and is used from %s on %s at the same time %s",
		how, usual(o.Country), usual(o.Network), usual(p.Country), usual(p.Network), client)
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

func ago(ns int64) string {
	return time.Duration(max(0, ns)).Round(time.Second).String()
}
