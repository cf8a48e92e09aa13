package session

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

const subjectService = event.SubjectService

// Options are what a [Table] depends on. All are required but Tenant.
type Options struct {
	Config Config
	// Tenant is meant where an entry or verdict names none.
	Tenant string
	Logger *slog.Logger
	Meter  metric.Meter
	Now    func() time.Time
}

// Table holds the visits that are open and the verdicts that hold.
type Table struct {
	config  Config
	tenant  string
	logger  *slog.Logger
	metrics metrics
	now     func() time.Time
	seed    maphash.Seed

	generation atomic.Uint64 // Moves on whenever what verdicts say may have changed.
	storing    atomic.Int64  // Verdicts of which some may be seen although generation has not moved on yet.
	visits     atomic.Int64
	verdicts   atomic.Int64
	lengths    [129 + 33]atomic.Bool // Prefix lengths that have had a verdict: 0–128 IPv6, then 0–32 IPv4.
	prefixes   atomic.Bool           // Whether any has.
	// When a dropped verdict was last told of (Unix nanoseconds), and how many were not.
	evictedSaid, evictedUnsaid atomic.Int64
	shards                     [shards]shard
	groups                     [shards]group
}

// shard holds a part of the names.
type shard struct {
	mu    sync.Mutex
	said  map[name]*held // What the authorities say, by target.
	cells map[name]*cell // The names that a party has.
	swept time.Time
}

// cell is a name that a party has.
type cell struct {
	key     key
	fold    atomic.Pointer[held] // What shard.said has of it, written under the shard's mutex.
	open    atomic.Int64         // Visits; counted where it is the name of a session.
	parties []member             // Guarded by the shard's mutex.
}

// member is a party and which of its slots points here.
type member struct {
	party *party
	slot  int
}

// New returns an empty table.
func New(o Options) (*Table, error) {
	err := o.Config.Validate()
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	if o.Logger == nil || o.Meter == nil || o.Now == nil {
		return nil, errors.New("session: logger, meter and now are required")
	}
	t := &Table{config: o.Config, tenant: o.Tenant, logger: o.Logger, now: o.Now, seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].said, t.shards[i].cells = make(map[name]*held), make(map[name]*cell)
		t.groups[i].parties = make(map[uint64]*party)
	}
	t.metrics, err = newMetrics(o.Meter, t)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	return t, nil
}

// Enter lists a visit and returns a context that ends when a verdict ends the
// visit; context.Cause is then a *[Cut]. The caller must call Leave. Where
// Err is not nil the visit is not listed and must be refused.
func (t *Table) Enter(ctx context.Context, e Entry) (context.Context, *Visit) {
	v := new(Visit)
	_ = t.List(v, &e) // Visit.Err tells.
	return v.Context(ctx), v
}

// List is the part of Enter without a context, for a caller with memory of its
// own. It returns v.Err. An empty tenant or stream of e becomes the default. v is new:
// who has found a visit looks at it when it has left already, and must not find
// another one in its place, or half of one.
//
// The visit is listed under all its names before its standing can be asked for,
// so a verdict that arrives meanwhile is met by one of the two.
func (t *Table) List(v *Visit, e *Entry) error {
	if v.table != nil {
		return errUsed
	}
	if e.Who.Tenant == "" {
		e.Who.Tenant = t.tenant
	}
	if e.Stream == "" {
		e.Stream = event.StreamRequest
	}
	v.begin(t, e)
	if t.visits.Add(1) > int64(t.config.VisitsMax) {
		t.visits.Add(-1)
		v.err = ErrFull
		t.metrics.full.Add(noCaller(), 1, reason("total"))
		return v.err
	}
	if !t.join(v, e) {
		t.visits.Add(-1)
		v.err = ErrSessionFull
		t.metrics.full.Add(noCaller(), 1, reason("session"))
	}
	return v.err
}

// list puts a party under one of its names.
func (t *Table) list(p *party, i int, k *key) {
	n := k.name()
	s := t.shard(n)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cells[n]
	if c == nil {
		c = &cell{key: *k}
		c.fold.Store(s.said[n])
		s.cells[n] = c
	}
	p.slots[i] = slot{cell: c, at: len(c.parties)}
	c.parties = append(c.parties, member{party: p, slot: i})
}

// unlist takes a party from under its i-th name, and the name away when it is unused.
func (t *Table) unlist(p *party, i int) {
	c := p.slots[i].cell
	n := c.key.name()
	s := t.shard(n)
	s.mu.Lock()
	defer s.mu.Unlock()
	at, last := p.slots[i].at, len(c.parties)-1
	moved := c.parties[last]
	c.parties[at] = moved
	moved.party.slots[moved.slot].at = at
	c.parties[last] = member{}
	c.parties = c.parties[:last]
	if last == 0 {
		delete(s.cells, n)
	}
}

// say puts f in force for a name, nil for nothing. Called with the shard's mutex held.
func (s *shard) say(n name, f *held) {
	if f == nil {
		delete(s.said, n)
	} else {
		s.said[n] = f
	}
	if c := s.cells[n]; c != nil {
		c.fold.Store(f)
	}
}

// Apply folds a verdict into what its authority said about its target, and ends
// the open visits that it now ends. arrived is when it reached this gateway.
// Repeated, earlier and unknown verdicts have no effect.
func (t *Table) Apply(v *verdict.Verdict, arrived time.Time) {
	ctx := noCaller()
	tenant := v.GetTenant()
	if tenant == "" {
		tenant = t.tenant
	}
	k, ok := keyOf(tenant, v.GetTarget())
	authority := authorityOf(v.GetAuthority())
	if !ok || authority < 0 || verdict.Strength(v.GetAction()) < 0 {
		t.metrics.refused.Add(ctx, 1, reason("unknown"))
		t.logger.WarnContext(ctx, "verdict names what this version does not know", "verdict", v.GetId(),
			"target", v.GetTarget().GetKind(), "authority", v.GetAuthority(), "action", v.GetAction())
		return
	}
	h, err := hold(v, k.kind, authority)
	if err != nil {
		t.logger.ErrorContext(ctx, "verdict cannot be kept", "verdict", v.GetId(), "error", err) // Cannot happen: it has been decoded.
		return
	}
	now := t.now()
	t.storing.Add(1)
	f, why := t.store(&k, h, now)
	t.generation.Add(1) // Before visits are looked for: whoever is not found sees that his opinion is old.
	t.storing.Add(-1)
	if f == nil {
		t.metrics.refused.Add(ctx, 1, reason(why))
		return
	}
	t.metrics.applied.Add(ctx, 1, metric.WithAttributes(
		attribute.String("authority", v.GetAuthority()), attribute.String("action", v.GetAction())))
	if f.ends() {
		t.cut(ctx, &k, f, now, arrived)
	}
}

// store folds h in. It returns the new fold, or nil and why h is not news.
func (t *Table) store(k *key, h *held, now time.Time) (*held, string) {
	if k.kind == kindPrefix {
		t.lengths[lengthAt(k.net.Addr(), k.net.Bits())].Store(true)
		t.prefixes.Store(true)
	}
	n := k.name()
	s := t.shard(n)
	s.mu.Lock()
	defer s.mu.Unlock()
	t.sweep(s, now)
	old := s.said[n]
	if old == nil && nanoseconds(now) >= h.until && h.clears == nil {
		return nil, "lapsed"
	}
	f, news := old.with(h)
	if !news {
		return nil, "repeated"
	}
	if old.by(h.authority) == nil {
		if t.verdicts.Add(1) > int64(t.config.VerdictsMax) {
			t.evict(s, n, now)
		}
	}
	s.say(n, f)
	return f, ""
}

// cut ends every visit under k whose strongest verdict in f ends it.
func (t *Table) cut(ctx context.Context, k *key, f *held, now, arrived time.Time) {
	var said *held // The one that c is about: mostly the same for all.
	var c *Cut
	lapses := int64(math.MaxInt64)
	for _, p := range t.under(k) {
		h := f.strongest(&p.entry, nanoseconds(now), &lapses)
		if h == nil {
			continue
		}
		action := actionName(h.strength)
		for _, v := range t.visitsOf(p) {
			if !v.endedBy(action) {
				continue
			}
			if said != h {
				said, c = h, &Cut{Verdict: h.verdict(k), Arrived: arrived}
			}
			if v.end(c) {
				t.metrics.cut.Add(ctx, 1, metric.WithAttributes(attribute.String("action", action), attribute.String("stream", v.Stream())))
			}
		}
	}
}

// Suspend ends every open visit that pick chooses, without a verdict: for what the
// gateway itself no longer allows, such as streams on a route that is closed while
// nobody knows its callers' standing. It returns how many it ended. pick sees who the
// visit is, its route and whether that is public; it must be quick and must not call
// the table.
func (t *Table) Suspend(pick func(e *Entry, stream string) bool) int {
	ctx, n := noCaller(), 0
	for _, v := range t.all() {
		stream := v.Stream()
		if pick(&v.party.entry, stream) && v.end(&Cut{}) {
			n++
			t.metrics.cut.Add(ctx, 1, metric.WithAttributes(attribute.String("action", "posture"), attribute.String("stream", stream)))
		}
	}
	return n
}

// under copies the parties that have a name. A prefix finds those in its
// buckets: one where it is as long as a bucket, else all that it contains.
func (t *Table) under(k *key) []*party {
	if k.kind != kindPrefix {
		return t.partiesOf(k, netip.Prefix{})
	}
	b := bucketOf(k.net.Addr())
	if k.net.Bits() >= b.Bits() {
		return t.partiesOf(&key{tenant: k.tenant, kind: kindBucket, net: b}, k.net)
	}
	var all []*party
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for _, c := range s.cells {
			if c.key.kind == kindBucket && c.key.tenant == k.tenant && k.net.Contains(c.key.net.Addr()) {
				for _, m := range c.parties {
					all = append(all, m.party)
				}
			}
		}
		s.mu.Unlock()
	}
	return all
}

// partiesOf copies the parties of one name, of those in a network where it is valid.
func (t *Table) partiesOf(k *key, within netip.Prefix) []*party {
	n := k.name()
	s := t.shard(n)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cells[n]
	if c == nil {
		return nil
	}
	out := make([]*party, 0, len(c.parties))
	for _, m := range c.parties {
		if !within.IsValid() || within.Contains(plain(m.party.entry.Who.Address)) {
			out = append(out, m.party)
		}
	}
	return out
}

// strongestPrefix looks a visit's address up under every prefix length that has
// ever had a verdict: two or three in practice. It returns the verdict and its target.
func (t *Table) strongestPrefix(e *Entry, now int64, lapses *int64) (*held, *key) {
	if !t.prefixes.Load() || !e.Who.Address.IsValid() {
		return nil, nil
	}
	a := plain(e.Who.Address)
	var best *held
	var about *key
	for bits := range a.BitLen() + 1 {
		if !t.lengths[lengthAt(a, bits)].Load() {
			continue
		}
		p, _ := a.Prefix(bits) // Valid: bits is within the family.
		k := &key{tenant: e.Who.Tenant, kind: kindPrefix, net: p}
		n := k.name()
		s := t.shard(n)
		s.mu.Lock()
		f := s.said[n]
		s.mu.Unlock()
		h := f.strongest(e, now, lapses)
		if h != nil && stronger(best, h) == h {
			best, about = h, k
		}
	}
	return best, about
}

func lengthAt(a netip.Addr, bits int) int {
	if a.Is4() {
		return 129 + bits
	}
	return bits
}

// noCaller is the context of work that belongs to no request: a verdict comes
// from another process.
func noCaller() context.Context {
	return context.Background() //nolint:forbidigo // There is no caller to inherit from, and metrics ask for one.
}

func (t *Table) shard(n name) *shard { return &t.shards[n[0]%shards] }
