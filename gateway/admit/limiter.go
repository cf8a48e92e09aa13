package admit

import (
	"fmt"
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// Limiter holds throttled targets to their rate: one token bucket per target, full
// at first. A verdict that is said again, as it is while its cause goes on, fills no
// bucket. Safe for concurrent use.
type Limiter struct {
	every time.Duration // Between two tokens.
	burst time.Duration // What a full bucket is worth.

	mu      sync.Mutex
	buckets map[bucket]time.Time // When it is full again.
}

// bucket is a throttled target.
type bucket struct{ tenant, kind, id string }

// NewLimiter returns a limiter without buckets.
func NewLimiter(c Config) (*Limiter, error) {
	err := c.Validate()
	if err != nil {
		return nil, fmt.Errorf("admit: %w", err)
	}
	every := time.Minute / time.Duration(c.ThrottlePerMinute)
	return &Limiter{every: every, burst: every * time.Duration(c.ThrottleBurst), buckets: make(map[bucket]time.Time)}, nil
}

// Apply takes a token for a decision that asks for one; without a token the
// result is a deny that says when to come again.
func (l *Limiter) Apply(d Decision, now time.Time) Decision {
	if !d.Throttle {
		return d
	}
	t := d.Verdict.GetTarget()
	wait := l.take(bucket{d.Verdict.GetTenant(), t.GetKind(), t.GetId()}, now)
	if wait <= 0 {
		return d
	}
	return Decision{Decision: event.DecisionDeny, Problem: problem.Throttled(d.Verdict, wait), Verdict: d.Verdict}
}

// take takes a token, or says how long until there is one. The bucket is kept
// as the time at which it is full again (the generic cell rate algorithm,
// ITU-T I.371).
func (l *Limiter) take(id bucket, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	full, known := l.buckets[id]
	if !known && len(l.buckets) >= bucketsMax {
		for k, t := range l.buckets {
			if !t.After(now) {
				delete(l.buckets, k)
			}
		}
		if len(l.buckets) >= bucketsMax {
			return l.every
		}
	}
	if full.Before(now) {
		full = now
	}
	full = full.Add(l.every)
	wait := full.Sub(now) - l.burst
	if wait > 0 {
		return wait
	}
	l.buckets[id] = full
	return 0
}
