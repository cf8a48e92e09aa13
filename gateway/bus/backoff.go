package bus

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff is a pause that doubles, with jitter over its upper half so that
// gateways do not return in step.
type Backoff struct{ next, low, high time.Duration }

// NewBackoff returns a pause that grows from low to high.
func NewBackoff(low, high time.Duration) *Backoff { return &Backoff{next: low, low: low, high: high} }

// Reset begins again with the shortest pause.
func (b *Backoff) Reset() { b.next = b.low }

// Pause waits, or until ctx ends; the next pause is twice as long.
func (b *Backoff) Pause(ctx context.Context) {
	Sleep(ctx, b.next/2+rand.N(b.next/2+1)) //nolint:gosec // Jitter is no secret.
	b.next = min(2*b.next, b.high)
}

// Sleep waits for d, or until ctx ends.
func Sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
