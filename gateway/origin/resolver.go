package origin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/metric"
)

// Origin is where a request comes from. The caller must not change Tags.
type Origin struct {
	Address                         netip.Addr // Not valid where the peer has no address.
	ASN                             uint32     // 0 where unknown.
	ASOrg, Country                  string     // Country in ISO 3166-1 alpha-2.
	Latitude, Longitude, AccuracyKM float64    // Degrees, degrees, kilometres; see HasLocation.
	HasLocation                     bool
	Tags                            []string // vpn, tor, relay, hosting and the operator's own.
}

// Options are what a [Resolver] depends on. All are required.
type Options struct {
	Config Config
	Logger *slog.Logger
	Meter  metric.Meter
}

// Resolver finds the origin of requests.
type Resolver struct {
	trusted  []netip.Prefix
	header   string // In canonical form.
	ja4      string // The header, in canonical form; empty for none.
	networks []network
	files    []database
	metrics  metrics
	log      *slog.Logger

	forwarded cache
}

// network is a Static that has been parsed.
type network struct {
	prefix netip.Prefix
	origin Origin
}

// New opens the databases. The error joins every fault of the configuration
// and names each file that cannot be read.
func New(o Options) (*Resolver, error) {
	err := o.Config.Validate()
	if err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	m, err := newMetrics(o.Meter)
	if err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	r := &Resolver{header: http.CanonicalHeaderKey(o.Config.Header), ja4: http.CanonicalHeaderKey(o.Config.JA4Header), metrics: m, log: o.Logger, forwarded: newCache(CacheEntries)}
	for _, s := range o.Config.TrustedProxies {
		p, _ := ParsePrefix(s) // Validated.
		r.trusted = append(r.trusted, p)
	}
	for _, s := range o.Config.Networks {
		r.networks = append(r.networks, s.network())
	}
	slices.SortStableFunc(r.networks, func(a, b network) int { return b.prefix.Bits() - a.prefix.Bits() })
	var errs []error
	for i, name := range o.Config.Databases {
		db, err := openDatabase(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("databases[%d]: %w", i, err))
			continue
		}
		r.files = append(r.files, db)
	}
	if len(errs) > 0 {
		return nil, errors.Join(append(errs, r.Close())...)
	}
	return r, nil
}

// network turns a Static that has no faults into its parsed form.
func (s Static) network() network {
	p, _ := ParsePrefix(s.Prefix) // Validated.
	o := Origin{ASN: s.ASN, ASOrg: s.Org, Country: s.Country, AccuracyKM: s.AccuracyKM, Tags: slices.Clone(s.Tags)}
	if s.Latitude != nil {
		o.Latitude, o.Longitude, o.HasLocation = *s.Latitude, *s.Longitude, true
	}
	return network{prefix: p, origin: o}
}

// Close releases the databases. No look-up may follow.
func (r *Resolver) Close() error {
	var errs []error
	for _, db := range r.files {
		errs = append(errs, db.reader.Close())
	}
	return errors.Join(errs...)
}

// connKey is the key of a connection's place in its context.
type connKey struct{}

// place is filled by the first request of a connection.
type place struct {
	once   sync.Once
	origin Origin
}

// ConnContext is for http.Server.ConnContext: it makes room for what is found
// out about the connection's peer, once for all its requests.
func (r *Resolver) ConnContext(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, new(place))
}

// Of returns where req comes from. It never fails; what is unknown is zero.
func (r *Resolver) Of(req *http.Request) Origin {
	peer := r.peer(req)
	if len(r.trusted) == 0 || !r.trusts(peer.Address) {
		return peer
	}
	client := r.client(req, peer.Address)
	if client == peer.Address {
		return peer
	}
	o, ok := r.forwarded.get(client)
	if !ok {
		o = r.Lookup(req.Context(), client)
		r.forwarded.put(client, o)
	}
	return o
}

// peer is the origin of the connection itself.
func (r *Resolver) peer(req *http.Request) Origin {
	p, ok := req.Context().Value(connKey{}).(*place)
	if !ok {
		return r.Lookup(req.Context(), parseAddress(req.RemoteAddr))
	}
	p.once.Do(func() { p.origin = r.Lookup(req.Context(), parseAddress(req.RemoteAddr)) })
	return p.origin
}

// Lookup returns what is known about an address.
func (r *Resolver) Lookup(ctx context.Context, a netip.Addr) Origin {
	if !a.IsValid() {
		return Origin{}
	}
	for _, n := range r.networks {
		if n.prefix.Contains(a) {
			o := n.origin
			o.Address = a
			return o
		}
	}
	o := Origin{Address: a}
	for _, db := range r.files {
		err := db.fill(a, &o)
		if err != nil {
			r.metrics.fault(ctx)
			r.log.DebugContext(ctx, "look up address", "database", db.name, "error", err)
		}
	}
	return o
}

func (r *Resolver) trusts(a netip.Addr) bool {
	for _, p := range r.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// parseAddress reads an address with or without a port, in brackets or not.
// What is none gives the zero address.
func parseAddress(s string) netip.Addr {
	s = strings.TrimSpace(s)
	ap, err := netip.ParseAddrPort(s)
	if err == nil {
		return ap.Addr().WithZone("").Unmap()
	}
	if len(s) > 1 && s[0] == '[' && s[len(s)-1] == ']' {
		s = s[1 : len(s)-1]
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return a.WithZone("").Unmap()
}
