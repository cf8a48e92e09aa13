package evidence

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// namesMax bounds each of the two generations of every kind of name.
const namesMax = 4096

// Names makes names out of what events say, and remembers what it has made, so
// that a name is made once and not for every event. Making one is a pure
// function, so what is remembered changes no result. The zero value is empty.
type Names struct {
	networks memo[uint32]
	pairs    memo[pair]
	within   memo[within]
	shared   memo[string]
	devices  memo[string]

	// prefix is the name of the prefix of address, the latest: there are as many
	// prefixes as users, and one event asks for one several times.
	address, prefix []byte
}

// pair is two parts of a name.
type pair struct{ a, b string }

// within is a JA4 within an ASN.
type within struct {
	ja4 string
	asn uint32
}

// memo is two generations of a bounded map, so that a flood of inventions costs
// making names and no memory.
type memo[K comparable] struct{ young, old map[K]string }

// get returns a name, and reports whether it was remembered.
func (m *memo[K]) get(key K) (name string, ok bool) {
	name, ok = m.young[key]
	if ok {
		return name, true
	}
	name, ok = m.old[key]
	return name, ok
}

func (m *memo[K]) put(key K, name string) string {
	if m.young == nil || len(m.young) >= namesMax {
		m.old, m.young = m.young, turned(m.old)
	}
	m.young[key] = name
	return name
}

// turned is an empty map in the memory of one that gives way.
func turned[K comparable, V any](old map[K]V) map[K]V {
	if old == nil {
		return make(map[K]V)
	}
	clear(old)
	return old
}

func ownOf(m *memo[string], name string) string {
	own, ok := m.get(name)
	if ok {
		return own
	}
	own = strings.Clone(name)
	return m.put(own, own)
}

// Network names the network of an event: its ASN, else the /24 or /48 of its
// address, "" where neither is known. It is valid as long as [Names.Prefix] is.
func (n *Names) Network(ev *event.RequestEvent) string {
	asn := ev.GetAsn()
	if asn == 0 {
		return n.Prefix(ev.GetAddress())
	}
	name, ok := n.networks.get(asn)
	if ok {
		return name
	}
	return n.networks.put(asn, "AS"+strconv.FormatUint(uint64(asn), 10))
}

// Prefix is the /24 or /48 of an address, "" where it is none. The name is valid
// until another address is asked for: of it, as of an event, nobody keeps anything.
func (n *Names) Prefix(address string) string {
	address = short(address) // What is longer has a zone, or is none.
	if string(n.address) != address {
		n.address, n.prefix = append(n.address[:0], address...), n.prefix[:0]
		prefix, ok := prefixOf(address)
		if ok {
			n.prefix = prefix.AppendTo(n.prefix)
		}
	}
	return view(n.prefix)
}

// pair joins two parts by a space and cuts the name to what a habit keeps.
func (n *Names) pair(a, b string) string {
	name, ok := n.pairs.get(pair{a, b})
	if ok {
		return name
	}
	return n.pairs.put(pair{strings.Clone(a), strings.Clone(b)}, short(a+" "+b))
}

// JA4In is [verdict.JA4In].
func (n *Names) JA4In(ja4 string, asn uint32) string {
	name, ok := n.within.get(within{ja4, asn})
	if ok {
		return name
	}
	return n.within.put(within{strings.Clone(ja4), asn}, verdict.JA4In(ja4, asn))
}

// Own is a copy of a name that many share, one for all of them.
func (n *Names) Own(name string) string { return ownOf(&n.shared, name) }

// device is that of a device. A flood of them pushes out no other name.
func (n *Names) device(name string) string { return ownOf(&n.devices, name) }

func prefixOf(address string) (netip.Prefix, bool) {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}, false
	}
	bits := 24
	addr = addr.Unmap()
	if addr.Is6() {
		bits = 48
	}
	prefix, err := addr.WithZone("").Prefix(bits)
	return prefix, err == nil
}
