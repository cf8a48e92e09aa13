package geography

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
)

// Names are the databases that are checked: those of the three kinds that the
// gateway reads and that have a source.
func Names() []string {
	return []string{"GeoIP2-City-Test", "GeoLite2-ASN-Test", "GeoIP2-Anonymous-IP-Test"}
}

// fact is what a source says about a network.
type fact struct {
	prefix netip.Prefix

	Country struct {
		Code string `json:"iso_code"`
	} `json:"country"`
	Location *struct {
		Latitude  float64 `json:"latitude"`
		Longitude float64 `json:"longitude"`
		Radius    float64 `json:"accuracy_radius"`
	} `json:"location"`
	ASN         uint32 `json:"autonomous_system_number"`
	Org         string `json:"autonomous_system_organization"`
	VPN         bool   `json:"is_anonymous_vpn"`
	Tor         bool   `json:"is_tor_exit_node"`
	Proxy       bool   `json:"is_public_proxy"`
	Residential bool   `json:"is_residential_proxy"`
	Hosting     bool   `json:"is_hosting_provider"`
}

// tags are the names that the gateway has for what a network is.
func (f *fact) tags() []string {
	var tags []string
	for _, t := range []struct {
		name string
		is   bool
	}{{"vpn", f.VPN}, {"tor", f.Tor}, {"relay", f.Proxy || f.Residential}, {"hosting", f.Hosting}} {
		if t.is {
			tags = append(tags, t.name)
		}
	}
	return tags
}

// readSource reads the source of a database, most specific networks first. The
// error wraps [fs.ErrNotExist] where it is not there.
func readSource(dir, name string) ([]fact, error) {
	file := filepath.Join(dir, name+".source.json")
	b, err := os.ReadFile(file) //nolint:gosec // The operator names the folder.
	if err != nil {
		return nil, fmt.Errorf("read source: %w", err)
	}
	var list []map[string]fact
	err = json.Unmarshal(b, &list)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	var facts []fact
	for _, entry := range list {
		for network, f := range entry {
			f.prefix, err = parseNetwork(network)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", file, err)
			}
			facts = append(facts, f)
		}
	}
	slices.SortStableFunc(facts, func(a, b fact) int { return b.prefix.Bits() - a.prefix.Bits() })
	return facts, nil
}

// parseNetwork reads a network; one of IPv4 may be written below ::/96.
func parseNetwork(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("network %q: %w", s, err)
	}
	const within = 96
	if a := p.Addr().As16(); p.Addr().Is6() && p.Bits() >= within && [12]byte(a[:12]) == [12]byte{} {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(a[12:])), p.Bits()-within), nil
	}
	return p, nil
}

// around is the most specific fact about an address.
func around(facts []fact, a netip.Addr) *fact {
	for i := range facts {
		if facts[i].prefix.Contains(a) {
			return &facts[i]
		}
	}
	return &fact{}
}
