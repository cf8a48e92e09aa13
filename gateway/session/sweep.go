package session

import "time"

// sweep drops a shard's verdicts that lapsed long ago, at most once a minute,
// paid for by whoever brings a new one: without news nothing grows. Called with
// the shard's mutex held.
func (t *Table) sweep(s *shard, now time.Time) {
	if now.Sub(s.swept) < sweepEvery {
		return
	}
	s.swept = now
	for k, c := range s.cells {
		f := c.fold.Load()
		if f == nil {
			continue
		}
		next, gone := f.swept(now.Add(-lapsedKept))
		if gone == 0 {
			continue
		}
		t.verdicts.Add(-gone)
		c.fold.Store(next)
		if next == nil && len(c.visits) == 0 {
			delete(s.cells, k)
		}
	}
}

// evict drops the weakest of a sample of the shard's verdicts, the first to
// lapse among equals, so that the strongest stay when an attacker floods the
// table. keep is the target that room is made for. Called with the shard's
// mutex held.
func (t *Table) evict(s *shard, keep key, now time.Time) {
	var worst *held
	var from *cell
	at, seen := 0, 0
	for k, c := range s.cells {
		f := c.fold.Load()
		if f == nil || k == keep {
			continue
		}
		for i, h := range f.by {
			if h != nil && (worst == nil || weaker(h, worst, now)) {
				worst, from, at = h, c, i
			}
		}
		seen++
		if seen == evictSample {
			break
		}
	}
	if worst == nil {
		return // Nothing else in this shard: over the limit by less than one per shard.
	}
	next := *from.fold.Load()
	next.by[at] = nil
	t.verdicts.Add(-1)
	if next == (fold{}) {
		from.fold.Store(nil)
		if len(from.visits) == 0 {
			delete(s.cells, from.key)
		}
	} else {
		from.fold.Store(&next)
	}
	if now.Before(worst.until) {
		ctx := noCaller()
		t.metrics.evicted.Add(ctx, 1)
		t.logger.ErrorContext(ctx, "live verdict dropped because verdicts_max is reached",
			"verdict", worst.verdict.GetId(), "action", worst.verdict.GetAction())
	}
}

// weaker orders by lapsed, strength, until.
func weaker(a, b *held, now time.Time) bool {
	aLive, bLive := now.Before(a.until), now.Before(b.until)
	switch {
	case aLive != bLive:
		return !aLive
	case a.strength != b.strength:
		return a.strength < b.strength
	}
	return a.until.Before(b.until)
}
