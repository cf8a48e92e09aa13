package origin

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Forwarding headers that a trusted proxy may set.
const (
	HeaderXForwardedFor = "x-forwarded-for"
	HeaderForwarded     = "forwarded" // RFC 7239.
)

// Config says whom to believe about addresses and where to look them up.
type Config struct {
	// TrustedProxies are addresses or prefixes whose forwarding header is
	// believed. Empty: no header is.
	TrustedProxies []string `mapstructure:"trusted_proxies"`
	// Header is the one forwarding header that those proxies set:
	// x-forwarded-for or forwarded.
	Header string `mapstructure:"header"`
	// JA4Header is the header in which those proxies, where they end TLS, give the
	// JA4 of the client's hello. Empty: what comes through them has none.
	JA4Header string `mapstructure:"ja4_header"`
	// Databases are MaxMind-format files; what several know, the first says.
	Databases []string `mapstructure:"databases"`
	// Networks are prefixes whose place the operator knows better; the longest
	// that matches replaces what the databases say.
	Networks []Static `mapstructure:"networks"`
}

// Static is what the operator knows about a prefix.
type Static struct {
	// Prefix in CIDR form, or one address.
	Prefix string `mapstructure:"prefix"`
	// Country in ISO 3166-1 alpha-2.
	Country string `mapstructure:"country"`
	// ASN is the number of the autonomous system.
	ASN uint32 `mapstructure:"asn"`
	// Org is the name of the autonomous system.
	Org string `mapstructure:"org"`
	// Latitude in degrees, north positive; only together with Longitude.
	Latitude *float64 `mapstructure:"latitude"`
	// Longitude in degrees, east positive.
	Longitude *float64 `mapstructure:"longitude"`
	// AccuracyKM is the radius in kilometres around the coordinates.
	AccuracyKM float64 `mapstructure:"accuracy_km"`
	// Tags such as vpn, tor, relay, hosting or mobile.
	Tags []string `mapstructure:"tags"`
}

// DefaultConfig trusts nobody and knows nothing.
func DefaultConfig() Config { return Config{Header: HeaderXForwardedFor} }

// Validate reports every fault at once, each named by its key. It opens no file.
func (c Config) Validate() error {
	var errs []error
	for _, list := range []struct {
		key      string
		len, max int
	}{
		{"trusted_proxies", len(c.TrustedProxies), TrustedMax},
		{"databases", len(c.Databases), DatabasesMax},
		{"networks", len(c.Networks), NetworksMax},
	} {
		if list.len > list.max {
			errs = append(errs, fmt.Errorf("%s: at most %d are allowed, there are %d", list.key, list.max, list.len))
		}
	}
	for i, p := range c.TrustedProxies {
		_, err := ParsePrefix(p)
		if err != nil {
			errs = append(errs, fmt.Errorf("trusted_proxies[%d]: %w", i, err))
		}
	}
	if c.Header != HeaderXForwardedFor && c.Header != HeaderForwarded && (c.Header != "" || len(c.TrustedProxies) > 0) {
		errs = append(errs, fmt.Errorf("header: must be %s or %s, is %q", HeaderXForwardedFor, HeaderForwarded, c.Header))
	}
	err := c.ja4Fault()
	if err != nil {
		errs = append(errs, err)
	}
	for i, n := range c.Networks {
		for _, err := range n.faults() {
			errs = append(errs, fmt.Errorf("networks[%d].%w", i, err))
		}
	}
	return errors.Join(errs...)
}

// faults reports what is wrong with one network, each fault prefixed by its key.
func (s Static) faults() []error {
	var errs []error
	_, err := ParsePrefix(s.Prefix)
	if err != nil {
		errs = append(errs, fmt.Errorf("prefix: %w", err))
	}
	if s.Country != "" && (len(s.Country) != 2 || strings.ToUpper(s.Country) != s.Country) {
		errs = append(errs, fmt.Errorf("country: must be two capital letters, is %q", s.Country))
	}
	if (s.Latitude == nil) != (s.Longitude == nil) {
		errs = append(errs, errors.New("latitude: needs longitude beside it, and the reverse"))
	}
	if s.Latitude != nil && !(*s.Latitude >= -90 && *s.Latitude <= 90) {
		errs = append(errs, fmt.Errorf("latitude: must be between -90 and 90, is %g", *s.Latitude))
	}
	if s.Longitude != nil && !(*s.Longitude >= -180 && *s.Longitude <= 180) {
		errs = append(errs, fmt.Errorf("longitude: must be between -180 and 180, is %g", *s.Longitude))
	}
	if !(s.AccuracyKM >= 0 && s.AccuracyKM <= 20_040) {
		errs = append(errs, fmt.Errorf("accuracy_km: must be between 0 and half the Earth's circumference, is %g", s.AccuracyKM))
	}
	if len(s.Tags) > TagsMax {
		errs = append(errs, fmt.Errorf("tags: at most %d are allowed, there are %d", TagsMax, len(s.Tags)))
	}
	return errs
}

// ParsePrefix reads a prefix in CIDR form or a single address. IPv4-mapped
// forms are IPv4.
func ParsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q is not an address or a prefix", s)
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not an address or a prefix", s)
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p.Masked() != p {
		return netip.Prefix{}, fmt.Errorf("%q has bits set behind its length, did you mean %q?", s, p.Masked())
	}
	return p, nil
}
