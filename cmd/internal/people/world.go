package people

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"github.com/vigil-gateway/vigil/scorer/exact"
)

// Network is a range of addresses with where it is and whose.
type Network struct {
	Prefix     netip.Prefix
	ASN        uint32
	Org        string
	Country    string
	City       string
	Latitude   float64
	Longitude  float64
	AccuracyKM float64
	Tags       []string
}

// city is a place where people live.
type city struct {
	name, country       string
	latitude, longitude float64
}

// cities are where people and attackers are.
func cities() []city {
	return []city{
		{"Zurich", "CH", 47.37, 8.54},
		{"Bern", "CH", 46.95, 7.45},
		{"Berlin", "DE", 52.52, 13.40},
		{"Munich", "DE", 48.14, 11.58},
		{"Lyon", "FR", 45.76, 4.84},
		{"Porto", "PT", 41.15, -8.61},
		{"Tallinn", "EE", 59.44, 24.75},
		{"Toronto", "CA", 43.65, -79.38},
		{"Austin", "US", 30.27, -97.74},
		{"Santiago", "CL", -33.45, -70.67},
		{"Nairobi", "KE", -1.29, 36.82},
		{"Osaka", "JP", 34.69, 135.50},
		{"Perth", "AU", -31.95, 115.86},
		{"Jakarta", "ID", -6.21, 106.85},
	}
}

// World is the address plan: which network is where.
type World struct {
	// Networks holds every range, for the gateway's static table.
	Networks []Network

	homes   map[string][]Network // By city: the providers of homes.
	hosting []Network            // Rented servers, where attackers sit.
	mobile  map[string]Network   // By country: the carrier.
	next    uint32               // Next free /24, counted from 198.18.0.0.
}

// The range that RFC 2544 reserves for tests: nobody is there.
const (
	worldBase    = 198<<24 | 18<<16
	worldNets    = 512
	providerBits = 22
	officeBits   = 24
)

// newWorld lays out the same networks for everyone; which people live in them
// is the seed's choice.
func newWorld() *World {
	w := &World{homes: make(map[string][]Network), mobile: make(map[string]Network)}
	asn := uint32(64496) // RFC 5398: numbers for documentation, 64496 to 64511, then 65536 on.
	nextASN := func() uint32 {
		asn++
		if asn == 64512 {
			asn = 65536
		}
		return asn
	}
	for _, c := range cities() {
		for _, org := range []string{"Fibre", "Cable"} {
			n := w.allot(c, providerBits, nextASN(), c.name+" "+org, 20)
			w.homes[c.name] = append(w.homes[c.name], n)
		}
		if _, known := w.mobile[c.country]; !known {
			// A carrier's addresses come out far from its customers.
			n := w.allot(c, providerBits, nextASN(), "Mobile "+c.country, 250, "mobile")
			w.mobile[c.country] = n
		}
	}
	for i, c := range cities() {
		if i%2 == 0 {
			w.hosting = append(w.hosting, w.allot(c, officeBits, nextASN(), c.name+" Servers", 50, "hosting"))
		}
	}
	return w
}

// allot takes the next free range of the plan.
func (w *World) allot(c city, bits int, asn uint32, org string, accuracyKM float64, tags ...string) Network {
	size := uint32(1) << (24 - bits)
	w.next = (w.next + size - 1) / size * size // A prefix starts on a multiple of its size.
	if w.next+size > worldNets {
		panic("people: the address plan is full") // A constant of this file is wrong.
	}
	var addr [4]byte
	binary.BigEndian.PutUint32(addr[:], worldBase+w.next<<8)
	w.next += size
	n := Network{
		Prefix: netip.PrefixFrom(netip.AddrFrom4(addr), bits), ASN: asn, Org: org, Country: c.country, City: c.name,
		Latitude: c.latitude, Longitude: c.longitude, AccuracyKM: accuracyKM, Tags: tags,
	}
	w.Networks = append(w.Networks, n)
	return n
}

// office is a network of one company with one address for all of its people.
func (w *World) office(c city, org string) (Network, netip.Addr) {
	n := w.allot(c, officeBits, w.homes[c.name][0].ASN, org, 5)
	return n, n.Prefix.Addr().Next()
}

// Address is a random address of n.
func (n Network) Address(r *rand.Rand) netip.Addr {
	base := n.Prefix.Addr().As4()
	hosts := uint32(1) << (32 - n.Prefix.Bits())
	at := binary.BigEndian.Uint32(base[:]) + 2 + r.Uint32N(hosts-3) // Neither the first nor the last.
	binary.BigEndian.PutUint32(base[:], at)
	return netip.AddrFrom4(base)
}

// abroadKM is how far away a thief is at least. A mobile network is placed to
// 250 km only: a phone in Zurich may be in Munich, and is no evidence there.
const abroadKM = 1000

// Abroad is a home in another country, far from a network.
func (w *World) Abroad(r *rand.Rand, here Network) Spot {
	for {
		c := cities()[r.IntN(len(cities()))]
		if c.country != here.Country && exact.Kilometres(c.latitude, c.longitude, here.Latitude, here.Longitude) >= abroadKM {
			n := w.homes[c.name][r.IntN(2)]
			return Spot{n, n.Address(r)}
		}
	}
}

// Server is an address of one of the rented servers.
func (w *World) Server(r *rand.Rand) Spot {
	n := w.hosting[r.IntN(len(w.hosting))]
	return Spot{n, n.Address(r)}
}
