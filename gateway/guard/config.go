package guard

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vigil-gateway/vigil/gateway/origin"
)

// Config is what one address may hold and do. A limit of 0 is none.
type Config struct {
	// ConnectionsMax is how many connections it may have open.
	ConnectionsMax int `mapstructure:"connections_max"`
	// RequestsMax is how many requests and streams it may have open, on all of its
	// connections.
	RequestsMax int `mapstructure:"requests_max"`
	// IntrospectionsMax is how many questions to one token's issuer may be open
	// because of it, of identity's 64 for each issuer.
	IntrospectionsMax int `mapstructure:"introspections_max"`
	// SignInCallsMax is how many of its requests to our sign-in pages may be served at
	// a time, of login's 128 that may call a provider.
	SignInCallsMax int `mapstructure:"sign_in_calls_max"`
	// Handshakes are new connections, each with its handshake.
	Handshakes Allowance `mapstructure:"handshakes"`
	// Resets are HTTP/2 streams that it gave up before they were answered.
	Resets Allowance `mapstructure:"resets"`
	// Failures are credentials that were never good: forged, malformed or unknown.
	// Beyond it only those are accepted that have been checked before.
	Failures Allowance `mapstructure:"failures"`
	// SignIns are attempts to sign in, at a provider or at a route that declares them.
	SignIns Allowance `mapstructure:"sign_ins"`
	// Logouts are logout tokens that it brought and that were refused. Beyond it none is
	// looked at, so that a forger has no signatures checked at our cost.
	Logouts Allowance `mapstructure:"logouts"`
	// AddressesMax bounds the addresses that are counted, about 150 B each.
	AddressesMax int `mapstructure:"addresses_max"`
	// Exempt are addresses and prefixes without budgets, such as a load generator's.
	// Trusted proxies never have any.
	Exempt []string `mapstructure:"exempt"`
}

// Allowance is how often something may be done.
type Allowance struct {
	// PerMinute is how often in the long run; 0 for no limit.
	PerMinute int `mapstructure:"per_minute"`
	// Burst is how often at once.
	Burst int `mapstructure:"burst"`
}

// DefaultConfig is for a house of a thousand people behind one address.
//
//   - Two connections each: browsers open one over HTTP/2, up to six over HTTP/1.1.
//     It is an eighth of what the listener takes in all.
//   - Eight requests each, with a stream or two open all day.
//   - All come back at once after a cut line, twice; 100 a second afterwards.
//   - A reload or a page left early gives up some ten streams: four each at once, and
//     six a minute.
//   - All sign in within the minute, with two requests each; 20 a second afterwards.
//   - A broken deployment makes each of them send one bad token at once.
//   - Logout tokens come from providers alone, and a refused one is hardly theirs.
//   - Introspections and calls are a quarter of what is there for all: each takes some
//     20 ms, so that 16 at a time are 800 a second.
func DefaultConfig() Config {
	return Config{
		ConnectionsMax: 2_048, RequestsMax: 8_192, IntrospectionsMax: 16, SignInCallsMax: 32,
		Handshakes:   Allowance{PerMinute: 6_000, Burst: 4_096},
		Resets:       Allowance{PerMinute: 6_000, Burst: 4_096},
		Failures:     Allowance{PerMinute: 600, Burst: 1_000},
		SignIns:      Allowance{PerMinute: 1_200, Burst: 2_000},
		Logouts:      Allowance{PerMinute: 60, Burst: 100},
		AddressesMax: 65_536,
	}
}

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	var errs []error
	for _, f := range []struct {
		key   string
		value int
	}{
		{"connections_max", c.ConnectionsMax},
		{"requests_max", c.RequestsMax},
		{"introspections_max", c.IntrospectionsMax},
		{"sign_in_calls_max", c.SignInCallsMax},
	} {
		if f.value < 0 || f.value > limitMax {
			errs = append(errs, fmt.Errorf("%s: must be between 0, for no limit, and %d, is %d", f.key, limitMax, f.value))
		}
	}
	for _, f := range []struct {
		key   string
		value Allowance
	}{{"handshakes", c.Handshakes}, {"resets", c.Resets}, {"failures", c.Failures}, {"sign_ins", c.SignIns}, {"logouts", c.Logouts}} {
		if f.value.PerMinute < 0 || f.value.PerMinute > limitMax {
			errs = append(errs, fmt.Errorf("%s.per_minute: must be between 0, for no limit, and %d, is %d", f.key, limitMax, f.value.PerMinute))
		}
		if f.value.PerMinute > 0 && (f.value.Burst < 1 || f.value.Burst > limitMax) {
			errs = append(errs, fmt.Errorf("%s.burst: must be between 1 and %d, is %d", f.key, limitMax, f.value.Burst))
		}
	}
	if c.AddressesMax < addressesLeast || c.AddressesMax > addressesMost {
		errs = append(errs, fmt.Errorf("addresses_max: must be between %d and %d, is %d", addressesLeast, addressesMost, c.AddressesMax))
	}
	if len(c.Exempt) > exemptMax {
		errs = append(errs, fmt.Errorf("exempt: at most %d are allowed, there are %d", exemptMax, len(c.Exempt)))
	}
	for i, s := range c.Exempt {
		_, err := origin.ParsePrefix(s)
		if err != nil {
			errs = append(errs, fmt.Errorf("exempt[%d]: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// prefixes parses prefixes that have no faults.
func prefixes(list []string) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(list))
	for _, s := range list {
		p, _ := origin.ParsePrefix(s) // Validated.
		out = append(out, p)
	}
	return out
}
