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
	for n, f := range s.said {
		next, gone := f.swept(now.Add(-lapsedKept))
		if gone == 0 {
			continue
		}
		t.verdicts.Add(-gone)
		s.say(n, next)
	}
}

// evict drops the weakest of a sample of the shard's verdicts (see weaker), the first
// to lapse among equals, so that the strongest stay when an attacker floods the table.
// keep is the target that room is made for. Called with the shard's mutex held.
func (t *Table) evict(s *shard, keep name, now time.Time) {
	var worst *held
	var from name
	seen := 0
	for n, f := range s.said {
		if n == keep {
			continue
		}
		for h := f; h != nil; h = h.other {
			if worst == nil || weaker(h, worst, nanoseconds(now)) {
				worst, from = h, n
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
	s.say(from, s.said[from].without(worst.authority))
	t.verdicts.Add(-1)
	if nanoseconds(now) < worst.until {
		t.evicted(worst, now)
	}
}

// evicted counts a live verdict that had to go, and says so, at most once in
// evictedEvery: whoever floods the table must not fill the log as well.
func (t *Table) evicted(h *held, now time.Time) {
	ctx := noCaller()
	t.metrics.evicted.Add(ctx, 1)
	unsaid := t.evictedUnsaid.Add(1)
	last := t.evictedSaid.Load()
	if last != 0 && now.UnixNano()-last < int64(evictedEvery) || !t.evictedSaid.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	t.evictedUnsaid.Add(-unsaid)
	t.logger.ErrorContext(ctx, "live verdicts dropped because verdicts_max is reached",
		"dropped", unsaid, "last", h.verdict(&key{}).GetId(), "action", actionName(h.strength))
}

// weaker orders by lapsed, login, strength, until: what people bring about themselves, by
// signing in and out all day, pushes out nothing that was judged.
func weaker(a, b *held, now int64) bool {
	aLive, bLive := now < a.until, now < b.until
	aOwn, bOwn := a.authority == authorityLogin, b.authority == authorityLogin
	switch {
	case aLive != bLive:
		return !aLive
	case aOwn != bOwn:
		return aOwn
	case a.strength != b.strength:
		return a.strength < b.strength
	}
	return a.until < b.until
}
