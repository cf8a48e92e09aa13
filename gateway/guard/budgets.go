package guard

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

	"go.opentelemetry.io/otel/metric"
)

// Options are what [Budgets] depend on. All but Trusted are required.
type Options struct {
	Config Config
	// Trusted are proxies whose clients are known by other addresses: they have no
	// budgets of their own.
	Trusted []netip.Prefix
	Logger  *slog.Logger
	Meter   metric.Meter
	Now     func() time.Time
}

// Budgets count what addresses hold and do.
type Budgets struct {
	levels  [levels]int32 // 0 for no limit.
	rates   [rates]bucket
	exempt  []netip.Prefix
	room    int // Addresses of one shard.
	log     *slog.Logger
	metrics *metrics
	now     func() time.Time

	warned  [levels + Level(rates)]atomic.Int64 // When the log was last told of a budget, Unix nanoseconds.
	tracked atomic.Int64
	seed    maphash.Seed
	shards  [shards]shard
}

// shard holds a part of the addresses.
type shard struct {
	mu    sync.Mutex
	known map[netip.Addr]*account
}

// account is one address.
type account struct {
	held [levels]int32
	full [rates]int64 // When its bucket is full again, Unix nanoseconds.
}

// New returns budgets that nobody has used. The error joins every fault of the
// configuration.
func New(o Options) (*Budgets, error) {
	err := o.Config.Validate()
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if o.Logger == nil || o.Meter == nil || o.Now == nil {
		return nil, errors.New("guard: logger, meter and now are required")
	}
	c := o.Config
	b := &Budgets{
		levels: [levels]int32{int32(c.ConnectionsMax), int32(c.RequestsMax), int32(c.IntrospectionsMax), int32(c.SignInCallsMax)},
		rates:  [rates]bucket{newBucket(c.Handshakes), newBucket(c.Resets), newBucket(c.Failures), newBucket(c.SignIns), newBucket(c.Logouts)},
		exempt: append(prefixes(c.Exempt), o.Trusted...), room: c.AddressesMax / shards,
		log: o.Logger, now: o.Now, seed: maphash.MakeSeed(),
	}
	for i := range b.shards {
		b.shards[i].known = make(map[netip.Addr]*account)
	}
	b.metrics, err = newMetrics(o.Meter, b.tracked.Load)
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	return b, nil
}

// Hold is something that an address holds. Its zero value is nothing.
type Hold struct {
	budgets *Budgets
	shard   *shard
	account *account
	key     netip.Addr
	level   Level
}

// Enter takes one of what an address may hold. The error is an [*Error] where it
// holds as much as it may; else the caller must call Leave.
func (b *Budgets) Enter(ctx context.Context, l Level, a netip.Addr) (Hold, error) {
	if b == nil || b.levels[l] == 0 {
		return Hold{}, nil
	}
	key, counts := b.key(a)
	if !counts {
		return Hold{}, nil
	}
	s := b.shard(key)
	s.mu.Lock()
	acc := b.account(ctx, s, key)
	full := acc != nil && acc.held[l] >= b.levels[l]
	if acc != nil && !full {
		acc.held[l]++
	}
	s.mu.Unlock()
	switch {
	case acc == nil:
		return Hold{}, nil
	case full:
		return Hold{}, b.refuse(ctx, int(l), key, 0)
	}
	return Hold{budgets: b, shard: s, account: acc, key: key, level: l}, nil
}

// Leave gives back what is held. It must be called once.
func (h Hold) Leave() {
	if h.account == nil {
		return
	}
	h.shard.mu.Lock()
	defer h.shard.mu.Unlock()
	h.account.held[h.level]--
	if !h.account.holds() && h.account.debt(h.budgets.now().UnixNano()) == 0 {
		delete(h.shard.known, h.key)
		h.budgets.tracked.Add(-1)
	}
}

// Spend does one of what an address may do. The error is an [*Error] where it has
// done as much as it may; nothing is spent then.
func (b *Budgets) Spend(ctx context.Context, r Rate, a netip.Addr) error {
	if b == nil || b.rates[r].burst == 0 {
		return nil
	}
	key, counts := b.key(a)
	if !counts {
		return nil
	}
	now := b.now().UnixNano()
	s := b.shard(key)
	s.mu.Lock()
	acc := b.account(ctx, s, key)
	var wait time.Duration
	if acc != nil {
		var next int64
		next, wait = b.rates[r].take(acc.full[r], now)
		if wait <= 0 {
			acc.full[r] = next
		}
	}
	s.mu.Unlock()
	if wait > 0 {
		return b.refuse(ctx, int(levels)+int(r), key, wait)
	}
	return nil
}

// Owes reports, as an [*Error], that an address has done as much as it may. It
// spends nothing.
func (b *Budgets) Owes(ctx context.Context, r Rate, a netip.Addr) error {
	if b == nil || b.rates[r].burst == 0 {
		return nil
	}
	key, counts := b.key(a)
	if !counts {
		return nil
	}
	s := b.shard(key)
	s.mu.Lock()
	var full int64
	if acc := s.known[key]; acc != nil {
		full = acc.full[r]
	}
	s.mu.Unlock()
	if full == 0 {
		return nil // Most owe nothing at all, and need no clock.
	}
	_, wait := b.rates[r].take(full, b.now().UnixNano())
	if wait > 0 {
		return b.refuse(ctx, int(levels)+int(r), key, wait)
	}
	return nil
}

// Connect takes a connection's place: its handshake and, until it leaves, the
// connection itself.
func (b *Budgets) Connect(ctx context.Context, a netip.Addr) (Hold, error) {
	h, err := b.Enter(ctx, Connections, a)
	if err != nil {
		return h, err
	}
	err = b.Spend(ctx, Handshakes, a)
	if err != nil {
		h.Leave()
		return Hold{}, err
	}
	return h, nil
}

// key is what an address is counted as; counts is false where it has no budgets.
func (b *Budgets) key(a netip.Addr) (key netip.Addr, counts bool) {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return a, false
	}
	for _, p := range b.exempt {
		if p.Contains(a) {
			return a, false
		}
	}
	if a.Is4() {
		return a, true
	}
	p, err := a.Prefix(prefix6)
	return p.Addr(), err == nil
}

func (b *Budgets) shard(key netip.Addr) *shard {
	return &b.shards[maphash.Comparable(b.seed, key)%shards]
}

// account is that of an address; nil where there is no room for it. s.mu is held.
func (b *Budgets) account(ctx context.Context, s *shard, key netip.Addr) *account {
	acc := s.known[key]
	if acc != nil {
		return acc
	}
	if len(s.known) >= b.room {
		if !s.evict(b.now().UnixNano()) {
			b.metrics.untracked.Add(ctx, 1)
			return nil
		}
		b.metrics.evicted.Add(ctx, 1)
		b.tracked.Add(-1)
	}
	acc = new(account)
	s.known[key] = acc
	b.tracked.Add(1)
	return acc
}

// evict forgets, of a sample, the address that holds nothing and owes least.
func (s *shard) evict(now int64) bool {
	var least netip.Addr
	var debt int64
	found, looked := false, 0
	for key, acc := range s.known { // In any order: a sample is all that is needed.
		looked++
		if looked > evictSample || found && debt == 0 {
			break
		}
		d := acc.debt(now)
		if !acc.holds() && (!found || d < debt) {
			least, debt, found = key, d, true
		}
	}
	if found {
		delete(s.known, least)
	}
	return found
}

func (a *account) holds() bool { return a.held != [levels]int32{} }

// debt is how much of its rates is spent, in nanoseconds until all is full again.
func (a *account) debt(now int64) int64 {
	var sum int64
	for _, full := range a.full {
		sum += max(full-now, 0)
	}
	return sum
}

// refuse counts a refusal, and tells the log of an address now and then.
func (b *Budgets) refuse(ctx context.Context, budget int, key netip.Addr, wait time.Duration) error {
	b.metrics.refused[budget].Add(ctx)
	now, last := b.now().UnixNano(), b.warned[budget].Load()
	if now-last >= int64(warnEvery) && b.warned[budget].CompareAndSwap(last, now) {
		b.log.WarnContext(ctx, "an address has used up a budget", "budget", name(budget), "address", key.String())
	}
	return &Error{Budget: name(budget), Wait: wait}
}
