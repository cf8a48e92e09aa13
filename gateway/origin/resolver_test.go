package origin_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/gateway/origin"
)

func TestLookup(t *testing.T) {
	r := resolver(t, func(c *origin.Config) {
		c.Networks = []origin.Static{
			{Prefix: "198.51.100.0/24", Country: "NZ", ASN: 64500, Org: "Example", Latitude: new(-41.3), Longitude: new(174.8), AccuracyKM: 5},
			{Prefix: "198.51.100.128/25", Country: "CL", Tags: []string{"vpn"}},
			{Prefix: "2001:db8::/32", Country: "FJ", Latitude: new(float64(0)), Longitude: new(float64(0))},
			{Prefix: "2.125.160.217", Country: "FR"},
			{Prefix: "::ffff:203.0.113.0/120", Country: "IS"},
		}
	})
	tests := map[string]struct {
		address string
		want    origin.Origin
	}{
		"city with coordinates":               {"2.125.160.216", origin.Origin{Country: "GB", Latitude: 51.75, Longitude: -1.25, AccuracyKM: 100, HasLocation: true}},
		"several databases":                   {"81.2.69.144", origin.Origin{Country: "GB", Latitude: 51.5142, Longitude: -0.0931, AccuracyKM: 3, HasLocation: true, Tags: []string{"vpn", "tor", "relay", "hosting"}}},
		"asn":                                 {"1.128.0.1", origin.Origin{ASN: 1221, ASOrg: "Telstra Pty Ltd"}},
		"tor exit":                            {"65.0.0.1", origin.Origin{Tags: []string{"tor"}}},
		"nobody knows it":                     {"192.0.2.1", origin.Origin{}},
		"loopback":                            {"::1", origin.Origin{}},
		"static":                              {"198.51.100.1", origin.Origin{Country: "NZ", ASN: 64500, ASOrg: "Example", Latitude: -41.3, Longitude: 174.8, AccuracyKM: 5, HasLocation: true}},
		"the longest static prefix wins":      {"198.51.100.200", origin.Origin{Country: "CL", Tags: []string{"vpn"}}},
		"latitude 0 and longitude 0 exist":    {"2001:db8::1", origin.Origin{Country: "FJ", HasLocation: true}},
		"static replaces the databases":       {"2.125.160.217", origin.Origin{Country: "FR"}},
		"static in mapped form":               {"203.0.113.9", origin.Origin{Country: "IS"}},
		"version 6 in the databases":          {"2001:218::1", origin.Origin{Country: "JP", Latitude: 35.68536, Longitude: 139.75309, AccuracyKM: 100, HasLocation: true}},
		"a network without its coordinates":   {"2.3.3.1", origin.Origin{}},
		"an address inside of a larger range": {"67.43.156.77", origin.Origin{Country: "BT", ASN: 35908, Latitude: 27.5, Longitude: 90.5, AccuracyKM: 534, HasLocation: true}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.want.Address = netip.MustParseAddr(tt.address)
			got := r.Lookup(t.Context(), tt.want.Address)
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Lookup(%s) (-want +got):\n%s", tt.address, diff)
			}
		})
	}
}

func TestOfBelievesOnlyTrustedProxies(t *testing.T) {
	trust := func(header string) func(*origin.Config) {
		return func(c *origin.Config) {
			c.TrustedProxies = []string{"10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48"}
			c.Header = header
		}
	}
	xff, rfc := resolver(t, trust(origin.HeaderXForwardedFor)), resolver(t, trust(origin.HeaderForwarded))
	nobody := resolver(t)
	long := strings.Repeat("10.0.0.1, ", 1000)
	tests := map[string]struct {
		resolver *origin.Resolver
		peer     string
		header   http.Header
		want     string
	}{
		"no proxy is trusted":               {nobody, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"1.1.1.1"}}, "10.0.0.1"},
		"an untrusted peer is the client":   {xff, "203.0.113.5:99", http.Header{"X-Forwarded-For": {"1.1.1.1"}}, "203.0.113.5"},
		"a trusted peer without a header":   {xff, "10.0.0.1:5", nil, "10.0.0.1"},
		"one hop":                           {xff, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"1.1.1.1"}}, "1.1.1.1"},
		"what the client claims is ignored": {xff, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"6.6.6.6, 1.1.1.1"}}, "1.1.1.1"},
		"trusted hops are skipped":          {xff, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"6.6.6.6, 1.1.1.1, 192.0.2.7, 10.1.1.1"}}, "1.1.1.1"},
		"several headers are one list":      {xff, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"6.6.6.6", "1.1.1.1", "10.1.1.1"}}, "1.1.1.1"},
		"all hops are trusted":              {xff, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"10.2.2.2, 10.1.1.1"}}, "10.2.2.2"},
		"nonsense ends the walk":            {xff, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"1.1.1.1, nonsense, 10.1.1.1"}}, "10.1.1.1"},
		"an empty hop ends the walk":        {xff, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"1.1.1.1, , 10.1.1.1"}}, "10.1.1.1"},
		"a long list of trusted hops ends":  {xff, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"1.1.1.1, " + long + "10.0.0.2"}}, "10.0.0.1"},
		"hops with ports":                   {xff, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"1.1.1.1:4711"}}, "1.1.1.1"},
		"hops of version 6":                 {xff, "[2001:db8:1::1]:5", http.Header{"X-Forwarded-For": {"[2001:db8:2::9]:443"}}, "2001:db8:2::9"},
		"mapped hops are version 4":         {xff, "[::ffff:10.0.0.1]:5", http.Header{"X-Forwarded-For": {"::ffff:1.1.1.1"}}, "1.1.1.1"},
		"zones are dropped":                 {xff, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"fe80::1%eth0"}}, "fe80::1"},
		"the other header is not read":      {xff, "10.0.0.1:5", http.Header{"Forwarded": {"for=1.1.1.1"}}, "10.0.0.1"},
		"forwarded":                         {rfc, "10.0.0.1:5", http.Header{"Forwarded": {"for=6.6.6.6, For=1.1.1.1;proto=https;by=10.0.0.1, for=10.1.1.1"}}, "1.1.1.1"},
		"forwarded, quoted version 6":       {rfc, "10.0.0.1:5", http.Header{"Forwarded": {`for="[2001:db8:2::9]:443"`}}, "2001:db8:2::9"},
		"forwarded, obfuscated":             {rfc, "10.0.0.1:5", http.Header{"Forwarded": {"for=1.1.1.1, for=_hidden"}}, "10.0.0.1"},
		"forwarded, unknown":                {rfc, "10.0.0.1:5", http.Header{"Forwarded": {"for=unknown"}}, "10.0.0.1"},
		"forwarded, comma in quotes":        {rfc, "10.0.0.1:5", http.Header{"Forwarded": {`for=1.1.1.1;x="a, for=6.6.6.6"`}}, "1.1.1.1"},
		"forwarded, no for":                 {rfc, "10.0.0.1:5", http.Header{"Forwarded": {"for=1.1.1.1, proto=https"}}, "10.0.0.1"},
		"forwarded, x-forwarded-for unread": {rfc, "10.0.0.1:5", http.Header{"X-Forwarded-For": {"1.1.1.1"}}, "10.0.0.1"},
		"a peer without an address":         {xff, "@", http.Header{"X-Forwarded-For": {"1.1.1.1"}}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tt.peer, Header: tt.header}
			got := tt.resolver.Of(r).Address
			want := netip.Addr{}
			if tt.want != "" {
				want = netip.MustParseAddr(tt.want)
			}
			if got != want {
				t.Errorf("Of(%s, %v) = %s, want %s", tt.peer, tt.header, got, want)
			}
		})
	}
}

// A forwarded address is looked up like any other, and the second look-up
// comes from the cache.
func TestOfKnowsForwardedAddresses(t *testing.T) {
	r := resolver(t, func(c *origin.Config) { c.TrustedProxies = []string{"127.0.0.0/8"} })
	for range 2 {
		got := r.Of(&http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{"X-Forwarded-For": {"2.125.160.216"}}})
		if got.Country != "GB" || !got.HasLocation {
			t.Errorf("origin is %+v", got)
		}
	}
}

// All requests of a connection share one look-up, and ConnContext does not
// touch the connection: asking it for its peer could block the accept loop.
func TestConnContextIsLazy(t *testing.T) {
	r := resolver(t)
	ctx := r.ConnContext(t.Context(), nil)
	req := httptest.NewRequestWithContext(ctx, "GET", "/", http.NoBody)
	req.RemoteAddr = "2.125.160.216:1"
	first := r.Of(req)
	req.RemoteAddr = "1.128.0.1:1" // Cannot happen on a connection; shows that nobody looks again.
	if second := r.Of(req); first.Country != "GB" || second.Address != first.Address {
		t.Errorf("first %+v, second %+v", first, second)
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.mmdb")
	err := os.WriteFile(broken, []byte("no database"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		config origin.Config
		want   []string
	}{
		"missing and broken files": {
			origin.Config{Databases: []string{filepath.Join(dir, "none"), broken}},
			[]string{"databases[0]: open", "databases[1]: open"},
		},
		"everything else": {
			origin.Config{
				TrustedProxies: []string{"10.0.0.1/8", "x"}, Header: "x-real-ip",
				Networks: []origin.Static{{Prefix: "y", Country: "Germany", Latitude: new(float64(99)), AccuracyKM: -1}},
			},
			[]string{
				`trusted_proxies[0]: "10.0.0.1/8" has bits set behind its length, did you mean "10.0.0.0/8"?`, "trusted_proxies[1]:", "header: must be",
				"networks[0].prefix", "networks[0].country", "networks[0].latitude: needs longitude", "networks[0].latitude: must be between", "networks[0].accuracy_km",
			},
		},
		"limits": {
			origin.Config{
				TrustedProxies: make([]string, origin.TrustedMax+1), Databases: make([]string, origin.DatabasesMax+1),
				Networks: make([]origin.Static, origin.NetworksMax+1), Header: origin.HeaderForwarded,
			},
			[]string{"trusted_proxies: at most", "databases: at most", "networks: at most"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := origin.New(origin.Options{Config: tt.config, Logger: nil, Meter: noop.Meter{}})
			if err == nil {
				t.Fatal("New accepted a faulty configuration")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("New() = %v\nwithout %q", err, want)
				}
			}
		})
	}
}
