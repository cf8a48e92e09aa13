package origin

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// client walks the forwarding header from the right, where each trusted proxy
// has added the peer that it saw, and returns the first hop that is not one of
// them. What cannot be read ends the walk at the last hop that was good:
// whoever wrote it is not to be believed about what stands left of it.
func (r *Resolver) client(req *http.Request, peer netip.Addr) netip.Addr {
	best := peer
	hops := 0
	values := req.Header[r.header]
	for _, rest := range slices.Backward(values) {
		for rest != "" {
			var hop string
			rest, hop = cutLast(rest)
			hops++
			a := r.hop(hop)
			if !a.IsValid() || hops > HopsMax {
				return best
			}
			best = a
			if !r.trusts(a) {
				return best
			}
		}
	}
	return best
}

// hop reads the address of one element.
func (r *Resolver) hop(element string) netip.Addr {
	if r.header != http.CanonicalHeaderKey(HeaderForwarded) {
		return parseAddress(element)
	}
	return forwardedFor(element)
}

// cutLast cuts the last element off a list with commas, outside of quotes.
func cutLast(list string) (rest, last string) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch {
		case list[i] == '"' && (i == 0 || list[i-1] != '\\'):
			quoted = !quoted
		case list[i] == ',' && !quoted:
			return list[:i], strings.TrimSpace(list[i+1:])
		}
	}
	return "", strings.TrimSpace(list)
}

// forwardedFor reads the parameter for of one element of the header Forwarded
// (RFC 7239 section 4); unknown and obfuscated names have no address.
func forwardedFor(element string) netip.Addr {
	for part := range strings.SplitSeq(element, ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || !strings.EqualFold(name, "for") {
			continue
		}
		return parseAddress(strings.Trim(value, `"`))
	}
	return netip.Addr{}
}
