package life

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// networkKind is what a network is for.
type networkKind int

const (
	residential networkKind = iota
	mobile
	business
	hosting
	vpnExit
	relayExit
	flightWiFi
)

// network is the addresses that one provider uses in one city, as a GeoIP file
// would tell them apart.
type network struct {
	kind networkKind
	asn  uint32
	org  string
	city *city
	tags []string
	// blocks are the /24 networks, as the upper 24 bits of an address.
	blocks []uint32
	// six is the number of the /40 of IPv6, 0 for none.
	six uint32
	// lease is how long a customer keeps an address, churn the same for a
	// carrier's translation.
	lease, churn time.Duration
	// gateways are the cities where a carrier's addresses are believed to be, each
	// with its share of the blocks.
	gateways []*city
}

// internet is all networks. Addresses come from 240.0.0.0/4 (RFC 1112, reserved)
// and 3fff::/20 (RFC 9637, documentation), ASNs from the private 32-bit range
// (RFC 6996): nobody is there, and a list of real bad networks says nothing.
type internet struct {
	seed      uint64
	geo       *geography
	nextBlock uint32
	nextSix   uint32
	nextASN   uint32

	homes    map[*city][]*network // By city: the providers of homes.
	carriers map[string][]*network
	hotels   map[*city]*network
	cafes    map[*city][]*network
	hosting  []*network
	vpns     [][]*network // By consumer VPN: its exits.
	relays   map[string]*network
	flight   []*network
	dens     map[string]*network // By country: a host that asks nobody for his name.

	file      geoFile
	located   map[uint32]place // Cache of the current file.
	changesAt int64            // When the next file comes, UnixNano.
}

func newInternet(seed uint64, geo *geography) *internet {
	n := &internet{
		seed: seed, geo: geo, nextBlock: 240 << 16, nextSix: 1, nextASN: 4_200_000_000,
		homes: make(map[*city][]*network), carriers: make(map[string][]*network), hotels: make(map[*city]*network),
		cafes: make(map[*city][]*network), relays: make(map[string]*network), located: make(map[uint32]place),
	}
	for _, country := range geo.countries {
		n.country(newDice(seed, forNetwork, hashText(country)), country)
	}
	d := newDice(seed, forNetwork)
	for _, org := range []string{"Cumulus", "Stratus", "Nimbus", "Cirrus"} {
		asn := n.newASN()
		for range 4 {
			c := geo.anyCity(d)
			n.hosting = append(n.hosting, n.add(&network{kind: hosting, asn: asn, org: org + " Cloud", city: c, tags: []string{"hosting"}}, 24))
		}
	}
	n.veils(d)
	den := n.newASN()
	n.dens = make(map[string]*network)
	for _, country := range geo.countries {
		n.dens[country] = n.add(&network{kind: business, asn: den, org: "Quiet Servers", city: geo.byCountry[country][0]}, 4)
	}
	return n
}

func (n *internet) newASN() uint32 {
	n.nextASN++
	return n.nextASN
}

// add gives a network its blocks.
func (n *internet) add(w *network, blocks int) *network {
	for range blocks {
		w.blocks = append(w.blocks, n.nextBlock)
		n.nextBlock++
	}
	return w
}

// country lays out the providers of homes, phones, hotels and cafés. An ASN is
// nationwide, so two cities of one country share it.
func (n *internet) country(d dice, country string) {
	leases := []time.Duration{24 * time.Hour, 9 * 24 * time.Hour, 40 * 24 * time.Hour}
	for i, org := range []string{"Telekom", "Cable", "Fibre"} {
		asn, lease, six := n.newASN(), leases[(i+d.IntN(2))%3], d.chance(0.6)
		for _, c := range n.geo.byCountry[country] {
			w := n.add(&network{kind: residential, asn: asn, org: org + " " + country, city: c, lease: lease}, 24)
			if six {
				w.six = n.nextSix
				n.nextSix++
			}
			n.homes[c] = append(n.homes[c], w)
		}
	}
	for _, org := range []string{"Mobile One", "Mobile Two"} {
		all := n.geo.byCountry[country]
		w := &network{
			kind: mobile, asn: n.newASN(), org: org + " " + country, city: all[0], tags: []string{"mobile"},
			churn: time.Duration(3+d.IntN(25)) * time.Minute,
		}
		for _, i := range d.Perm(len(all))[:min(len(all), 1+d.IntN(3))] {
			w.gateways = append(w.gateways, all[i])
		}
		n.add(w, 6)
		if d.chance(0.5) {
			w.six = n.nextSix
			n.nextSix++
		}
		n.carriers[country] = append(n.carriers[country], w)
	}
	guest := n.newASN()
	for _, c := range n.geo.byCountry[country] {
		n.hotels[c] = n.add(&network{kind: business, asn: guest, org: "Guest WiFi " + country, city: c}, 4)
		for i := range 3 {
			home := n.homes[c][i]
			n.cafes[c] = append(n.cafes[c], n.add(&network{kind: business, asn: home.asn, org: home.org, city: c}, 2))
		}
	}
}

// veils are consumer VPNs, privacy relays and the Wi-Fi of aeroplanes, whose
// addresses are in the operator's country wherever the plane is.
func (n *internet) veils(d dice) {
	for i := range 4 {
		var exits []*network
		for j := range 12 {
			c := n.geo.anyCity(d)
			tags := []string{"vpn", "hosting"}
			if (i+j)%5 == 0 {
				tags = []string{"hosting"} // No list knows every exit.
			}
			exits = append(exits, n.add(&network{kind: vpnExit, asn: n.hosting[(i*5+j)%len(n.hosting)].asn, org: "VPN exit", city: c, tags: tags}, 1))
		}
		n.vpns = append(n.vpns, exits)
	}
	relay := n.newASN()
	for _, country := range n.geo.countries {
		n.relays[country] = n.add(&network{kind: relayExit, asn: relay, org: "Private Relay", city: n.geo.byCountry[country][0], tags: []string{"relay"}}, 2)
	}
	sky := n.newASN()
	for _, country := range []string{"US", "GB"} {
		n.flight = append(n.flight, n.add(&network{kind: flightWiFi, asn: sky, org: "Sky WiFi", city: n.geo.byCountry[country][0]}, 2))
	}
}

// hashText is FNV-1a, so that names can be parts of a seed.
func hashText(s string) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range []byte(s) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// four writes an address of a block.
func four(block uint32, host byte) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], block<<8|uint32(host))
	return netip.AddrFrom4(b).String()
}

// sixth writes an address: the network's /40, a customer's /56 and an interface
// id, which a privacy extension (RFC 8981) makes anew each day.
func sixth(six uint32, customer uint16, iface uint64) string {
	var b [16]byte
	binary.BigEndian.PutUint32(b[:], 0x3fff<<16|six>>8)
	b[4] = byte(six)
	binary.BigEndian.PutUint16(b[5:], customer)
	binary.BigEndian.PutUint64(b[8:], iface)
	return netip.AddrFrom16(b).String()
}
