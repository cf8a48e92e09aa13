package release

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of [Positions.Wait]: the response is not known to be scored.
var (
	ErrLate   = errors.New("not scored in time")
	ErrFull   = errors.New("too many responses wait")
	ErrUnsent = errors.New("its event was not sent")
)

// Place is where an event stands: the zero Place is that of one that was dropped.
type Place struct {
	Lane uint32
	Seq  uint64
}

// waiter is one response.
type waiter struct {
	seq    uint64
	scored chan struct{} // Closed once it is.
}

// Wait returns nil once the event at a place is scored, which with the verdicts that
// it brought about is then in force here. Otherwise the error wraps [ErrLate] after
// most, [ErrFull] or [ErrUnsent] at once, or the cause of ctx's end. bytes is what
// the gateway may have to hold of the response meanwhile.
func (p *Positions) Wait(ctx context.Context, at Place, most time.Duration, bytes int64) error {
	began := p.now()
	err := p.wait(ctx, at, most, bytes)
	p.metrics.wait.Record(context.WithoutCancel(ctx), p.now().Sub(began).Seconds(), byResult(resultOf(err)))
	return err
}

func (p *Positions) wait(ctx context.Context, at Place, most time.Duration, bytes int64) error {
	if at.Seq == 0 {
		return ErrUnsent
	}
	defer p.leave(bytes)
	if !p.enter(bytes) {
		return ErrFull
	}
	l := &p.lanes[at.Lane]
	w := &waiter{seq: at.Seq, scored: make(chan struct{})}
	if l.join(w) {
		return nil
	}
	defer l.forget(w)
	over := time.NewTimer(most)
	defer over.Stop()
	select {
	case <-w.scored:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait to be scored: %w", context.Cause(ctx))
	case <-over.C:
	}
	select {
	case <-w.scored: // At the same moment.
		return nil
	default:
		return ErrLate
	}
}

// enter takes room for a response; leave gives it back, also where there was none.
func (p *Positions) enter(bytes int64) bool {
	waiting, held := p.waiting.Add(1), p.held.Add(bytes)
	return waiting <= int64(p.config.WaitingMax) && held <= p.config.HeldBytesMax
}

func (p *Positions) leave(bytes int64) {
	p.waiting.Add(-1)
	p.held.Add(-bytes)
}

// join lists a waiter, unless its number is scored already.
func (l *lane) join(w *waiter) (scored bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.seq <= l.scored {
		return true
	}
	l.waiters[w] = struct{}{}
	return false
}

func (l *lane) forget(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waiters, w)
}

// resultOf names how a wait ended.
func resultOf(err error) string {
	switch {
	case err == nil:
		return resultScored
	case errors.Is(err, ErrLate):
		return resultLate
	case errors.Is(err, ErrFull):
		return resultFull
	case errors.Is(err, ErrUnsent):
		return resultUnsent
	}
	return resultEnded
}
