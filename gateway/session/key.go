package session

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// kind is a verdict.Target kind as one byte, and the buckets by which visits
// are found for a prefix.
type kind uint8

const (
	kindUnknown kind = iota
	kindToken
	kindSession
	kindDevice
	kindSubject
	kindClient
	kindAccount
	kindAddress
	kindPrefix
	kindJA4
	kindRoute
	kindBucket // Not a target: the visits of one /24 or /48.
)

func kindOf(s string) kind {
	switch s {
	case verdict.TargetToken:
		return kindToken
	case verdict.TargetSession:
		return kindSession
	case verdict.TargetDevice:
		return kindDevice
	case verdict.TargetSubject:
		return kindSubject
	case verdict.TargetClient:
		return kindClient
	case verdict.TargetAccount:
		return kindAccount
	case verdict.TargetAddress:
		return kindAddress
	case verdict.TargetPrefix:
		return kindPrefix
	case verdict.TargetJA4:
		return kindJA4
	case verdict.TargetRoute:
		return kindRoute
	}
	return kindUnknown
}

// name is the kind as verdicts spell it.
func (k kind) name() string {
	return [...]string{
		kindUnknown: "", kindToken: verdict.TargetToken, kindSession: verdict.TargetSession, kindDevice: verdict.TargetDevice,
		kindSubject: verdict.TargetSubject, kindClient: verdict.TargetClient, kindAccount: verdict.TargetAccount,
		kindAddress: verdict.TargetAddress, kindPrefix: verdict.TargetPrefix, kindJA4: verdict.TargetJA4, kindRoute: verdict.TargetRoute,
		kindBucket: "",
	}[k]
}

// personal reports whether verdicts of this kind come from the subject stage.
func (k kind) personal() bool { return k == kindToken || k == kindSession || k == kindSubject }

// key is one name under which visits and verdicts meet. Networks are values,
// so that every spelling of an address is the same name.
type key struct {
	tenant string
	id     string
	net    netip.Prefix
	kind   kind
}

// name is a key in a fixed size: the start of the SHA-256 of it, of which nobody can
// make two alike. Tables are kept by it, because most targets are never met by a
// visit, and then nobody needs to know what they are called.
type name [16]byte

// name is injective before it is hashed: a kind has either an id or a network, and
// the tenant's length comes first.
func (k *key) name() name {
	b := make([]byte, 0, 192)
	b = binary.AppendUvarint(append(b, byte(k.kind)), uint64(len(k.tenant)))
	b = append(b, k.tenant...)
	if k.net.IsValid() {
		a := k.net.Addr().As16()
		family := byte(4)
		if k.net.Addr().Is6() {
			family = 6
		}
		b = append(append(b, family, byte(k.net.Bits())), a[:]...)
	} else {
		b = append(b, k.id...)
	}
	sum := sha256.Sum256(b)
	return name(sum[:16])
}

// target is what a verdict says that it is about.
func (k *key) target() *verdict.Target {
	id := k.id
	if k.kind == kindAddress {
		id = k.net.Addr().String()
	}
	if k.kind == kindPrefix {
		id = k.net.String()
	}
	return &verdict.Target{Kind: k.kind.name(), Id: id}
}

// keyOf is the key of a verdict's target; false where the kind is unknown or
// the id is not an address or prefix where it should be.
func keyOf(tenant string, t *verdict.Target) (key, bool) {
	k := key{tenant: tenant, kind: kindOf(t.GetKind())}
	switch k.kind {
	case kindUnknown, kindBucket:
		return k, false
	case kindAddress:
		a, err := netip.ParseAddr(t.GetId())
		if err != nil {
			return k, false
		}
		k.net = host(a)
	case kindPrefix:
		p, err := netip.ParsePrefix(t.GetId())
		if err != nil {
			return k, false
		}
		k.net = plainPrefix(p)
	case kindToken, kindSession, kindDevice, kindSubject, kindClient, kindAccount, kindJA4, kindRoute:
		k.id = t.GetId()
	}
	return k, true
}

// keys lists every name of a visit, the session's own first.
func (e *Entry) keys() []key {
	w := &e.Who
	ks := make([]key, 0, 14)
	add := func(kind kind, id string) {
		if id != "" {
			ks = append(ks, key{tenant: w.Tenant, kind: kind, id: id})
		}
	}
	add(kindSession, w.Session)
	for i, a := range w.Aliases {
		if i == AliasesMax {
			break
		}
		if a != w.Session {
			add(kindSession, a)
		}
	}
	add(kindSubject, w.Subject)
	add(kindSubject, w.LinkedAccount)
	add(kindToken, w.TokenID)
	add(kindDevice, w.Device)
	add(kindClient, w.ClientID)
	add(kindAccount, w.Account)
	add(kindJA4, w.JA4)
	if w.JA4 != "" && w.ASN != 0 {
		add(kindJA4, verdict.JA4In(w.JA4, w.ASN))
	}
	add(kindRoute, e.Route)
	if w.Address.IsValid() {
		ks = append(ks,
			key{tenant: w.Tenant, kind: kindAddress, net: host(w.Address)},
			key{tenant: w.Tenant, kind: kindBucket, net: bucketOf(w.Address)})
	}
	return ks
}

// plain is an address without zone and without the IPv6 form of IPv4.
func plain(a netip.Addr) netip.Addr { return a.WithZone("").Unmap() }

func host(a netip.Addr) netip.Prefix {
	a = plain(a)
	return netip.PrefixFrom(a, a.BitLen())
}

// bucketOf is the network under which a visit from a is found.
func bucketOf(a netip.Addr) netip.Prefix {
	a = plain(a)
	bits := bucket6
	if a.Is4() {
		bits = bucket4
	}
	p, _ := a.Prefix(bits) // Valid for every address of that family.
	return p
}

// plainPrefix masks p and gives ::ffff:0:0/96 its IPv4 form.
func plainPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}
