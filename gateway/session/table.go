package session

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
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

	visits   atomic.Int64
	verdicts atomic.Int64
	lengths  [129 + 33]atomic.Bool // Prefix lengths that have had a verdict: 0–128 IPv6, then 0–32 IPv4.
	prefixes atomic.Bool           // Whether any has.
	shards   [shards]shard
}

// shard holds a part of the names.
type shard struct {
	mu    sync.Mutex
	cells map[key]*cell
	swept time.Time
}

// cell is one name: the visits that have it and what the authorities say.
type cell struct {
	key    key
	fold   atomic.Pointer[fold] // Written under the shard's mutex.
	visits []member             // Guarded by the shard's mutex.
}

// member is a visit and which of its slots points here.
type member struct {
	visit *Visit
	slot  int
}

func (c *cell) strongest(e *Entry, now time.Time) *held { return c.fold.Load().strongest(e, now) }

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
		t.shards[i].cells = make(map[key]*cell)
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
//
// The visit is listed under all its names before its standing can be asked for,
// so a verdict that arrives meanwhile is met by one of the two.
func (t *Table) Enter(ctx context.Context, e Entry) (context.Context, *Visit) {
	if e.Who.Tenant == "" {
		e.Who.Tenant = t.tenant
	}
	if e.Stream == "" {
		e.Stream = event.StreamRequest
	}
	ctx, cancel := context.WithCancelCause(ctx)
	v := &Visit{table: t, entry: e, cancel: cancel}
	v.stream.Store(&e.Stream)
	if t.visits.Add(1) > int64(t.config.VisitsMax) {
		t.visits.Add(-1)
		v.err = ErrFull
		t.metrics.full.Add(ctx, 1, reason("total"))
		return ctx, v
	}
	keys := e.keys()
	v.slots = make([]slot, len(keys))
	for i, k := range keys {
		if !t.list(v, i, k) {
			for j := range i {
				t.unlist(v, j)
			}
			v.slots = nil
			t.visits.Add(-1)
			v.err = ErrSessionFull
			t.metrics.full.Add(ctx, 1, reason("session"))
			return ctx, v
		}
	}
	return ctx, v
}

// list puts v under one name. It reports false where the session has too many.
func (t *Table) list(v *Visit, i int, k key) bool {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cells[k]
	if c == nil {
		c = &cell{key: k}
		s.cells[k] = c
	}
	if k.kind == kindSession && len(c.visits) >= t.config.VisitsPerSessionMax {
		return false
	}
	v.slots[i] = slot{cell: c, at: len(c.visits)}
	c.visits = append(c.visits, member{visit: v, slot: i})
	return true
}

// unlist takes v from under its i-th name, and the name away when it is unused.
func (t *Table) unlist(v *Visit, i int) {
	c := v.slots[i].cell
	s := t.shard(c.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	at, last := v.slots[i].at, len(c.visits)-1
	moved := c.visits[last]
	c.visits[at] = moved
	moved.visit.slots[moved.slot].at = at
	c.visits[last] = member{}
	c.visits = c.visits[:last]
	if last == 0 && c.fold.Load() == nil {
		delete(s.cells, c.key)
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
	now := t.now()
	f, why := t.store(k, authority, hold(v, k.kind, tenant), now)
	if f == nil {
		t.metrics.refused.Add(ctx, 1, reason(why))
		return
	}
	t.metrics.applied.Add(ctx, 1, metric.WithAttributes(
		attribute.String("authority", v.GetAuthority()), attribute.String("action", v.GetAction())))
	if f.ends() {
		t.cut(ctx, k, f, now, arrived)
	}
}

// store folds h in. It returns the new fold, or nil and why h is not news.
func (t *Table) store(k key, authority int, h *held, now time.Time) (*fold, string) {
	if k.kind == kindPrefix {
		t.lengths[lengthAt(k.net.Addr(), k.net.Bits())].Store(true)
		t.prefixes.Store(true)
	}
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	t.sweep(s, now)
	c := s.cells[k]
	if (c == nil || c.fold.Load() == nil) && !now.Before(h.until) && len(h.verdict.Clears) == 0 {
		return nil, "lapsed"
	}
	if c == nil {
		c = &cell{key: k}
		s.cells[k] = c
	}
	old := c.fold.Load()
	f, news := old.with(authority, h)
	if !news {
		return nil, "repeated"
	}
	if old == nil || old.by[authority] == nil {
		if t.verdicts.Add(1) > int64(t.config.VerdictsMax) {
			t.evict(s, k, now)
		}
	}
	c.fold.Store(f)
	return f, ""
}

// cut ends every visit under k whose strongest verdict in f ends it.
func (t *Table) cut(ctx context.Context, k key, f *fold, now, arrived time.Time) {
	for _, v := range t.under(k) {
		h := f.strongest(&v.entry, now)
		if h == nil || !v.endedBy(h.verdict.Action) {
			continue
		}
		if v.end(&Cut{Verdict: h.verdict, Arrived: arrived}) {
			t.metrics.cut.Add(ctx, 1, metric.WithAttributes(
				attribute.String("action", h.verdict.Action), attribute.String("stream", v.Stream())))
		}
	}
}

// Suspend ends every open visit that pick chooses, without a verdict: for what the
// gateway itself no longer allows, such as streams on a route that is closed while
// nobody knows its callers' standing. It returns how many it ended. pick must be
// quick and must not call the table.
func (t *Table) Suspend(pick func(e *Entry, stream string) bool) int {
	ctx, n := noCaller(), 0
	for _, v := range t.all() {
		stream := v.Stream()
		if pick(&v.entry, stream) && v.end(&Cut{}) {
			n++
			t.metrics.cut.Add(ctx, 1, metric.WithAttributes(attribute.String("action", "posture"), attribute.String("stream", stream)))
		}
	}
	return n
}

// under copies the visits that have a name. A prefix finds those in its
// buckets: one where it is as long as a bucket, else all that it contains.
func (t *Table) under(k key) []*Visit {
	if k.kind != kindPrefix {
		return t.visitsOf(k, netip.Prefix{})
	}
	b := bucketOf(k.net.Addr())
	if k.net.Bits() >= b.Bits() {
		return t.visitsOf(key{tenant: k.tenant, kind: kindBucket, net: b}, k.net)
	}
	var all []*Visit
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for ck, c := range s.cells {
			if ck.kind == kindBucket && ck.tenant == k.tenant && k.net.Contains(ck.net.Addr()) {
				for _, m := range c.visits {
					all = append(all, m.visit)
				}
			}
		}
		s.mu.Unlock()
	}
	return all
}

// visitsOf copies the visits of one name, of those in a network where it is valid.
func (t *Table) visitsOf(k key, within netip.Prefix) []*Visit {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cells[k]
	if c == nil {
		return nil
	}
	out := make([]*Visit, 0, len(c.visits))
	for _, m := range c.visits {
		if !within.IsValid() || within.Contains(plain(m.visit.entry.Who.Address)) {
			out = append(out, m.visit)
		}
	}
	return out
}

// strongestPrefix looks a visit's address up under every prefix length that has
// ever had a verdict: two or three in practice.
func (t *Table) strongestPrefix(e *Entry, now time.Time) *held {
	if !t.prefixes.Load() || !e.Who.Address.IsValid() {
		return nil
	}
	a := plain(e.Who.Address)
	var best *held
	for bits := range a.BitLen() + 1 {
		if !t.lengths[lengthAt(a, bits)].Load() {
			continue
		}
		p, _ := a.Prefix(bits) // Valid: bits is within the family.
		k := key{tenant: e.Who.Tenant, kind: kindPrefix, net: p}
		s := t.shard(k)
		s.mu.Lock()
		c := s.cells[k]
		s.mu.Unlock()
		if c != nil {
			best = stronger(best, c.strongest(e, now))
		}
	}
	return best
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

func (t *Table) shard(k key) *shard { return &t.shards[maphash.Comparable(t.seed, k)%shards] }
