package login

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// errand is one try at a call that nobody waits for. again reports whether another
// try may do better.
type errand func(ctx context.Context) (again bool, err error)

// errands are such calls to one party, a peer or a provider: a queue with an end, a
// few workers that are there only while it holds something, and a few tries for each.
// A party that hangs so costs its own queue, and neither memory nor connections
// without end. Safe for concurrent use.
type errands struct {
	to, name   string // To what kind of party, and which one.
	background *background
	closing    <-chan struct{} // Closed when the gateway ends: each gets one more try.
	pauses     []time.Duration // Between tries.
	log        *slog.Logger
	counted    metric.Int64Counter

	mu      sync.Mutex
	waiting []func()
	workers int
	away    bool // Nobody was there after closing.
}

// newErrands returns an empty queue.
func (l *Login) newErrands(to, name string) *errands {
	return &errands{
		to: to, name: name, background: &l.background, closing: l.closing, pauses: errandPauses(), log: l.log, counted: l.metrics.errands,
	}
}

// run has an errand done in the background. One that finds no place, or comes when the
// gateway has ended, is dropped, and one that is not done within errandFor is given up; both are counted.
func (e *errands) run(ctx context.Context, do errand) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), errandFor)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.workers < errandWorkersMax && e.background.Go(e.work) { // It waits for mu.
		e.workers++
	}
	if len(e.waiting) >= errandsMax || e.workers == 0 {
		cancel()
		e.count(ctx, "dropped")
		return
	}
	e.waiting = append(e.waiting, func() {
		defer cancel()
		e.try(ctx, do)
	})
}

// work does what waits until nothing does.
func (e *errands) work() {
	for {
		e.mu.Lock()
		if len(e.waiting) == 0 {
			e.workers--
			e.waiting = nil
			e.mu.Unlock()
			return
		}
		next := e.waiting[0]
		e.waiting[0] = nil
		e.waiting = e.waiting[1:]
		e.mu.Unlock()
		next()
	}
}

// try does one errand.
func (e *errands) try(ctx context.Context, do errand) {
	var err error
	for i := 0; ; i++ {
		if e.isAway() {
			break
		}
		var again bool
		again, err = e.once(ctx, do)
		if err == nil {
			e.count(ctx, "ok")
			return
		}
		if !again || i == len(e.pauses) || !e.pause(ctx, e.pauses[i]) {
			break
		}
	}
	e.count(ctx, "given_up")
	e.log.WarnContext(ctx, "call given up", "to", e.to, "name", e.name, "error", err)
}

// once makes one try. While the gateway ends it is a short one, and the last of all
// where nobody answers.
func (e *errands) once(ctx context.Context, do errand) (again bool, err error) {
	select {
	case <-e.closing:
	default:
		return do(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, errandLast)
	defer cancel()
	again, err = do(ctx)
	if err != nil && again { // Who says no to one call is there for the next.
		e.mu.Lock()
		e.away = true
		e.mu.Unlock()
	}
	return again, err
}

func (e *errands) isAway() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.away
}

// pause waits before the next try; false where there is no time for one.
func (e *errands) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-e.closing:
		return true
	case <-ctx.Done():
		return false
	}
}

func (e *errands) size() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.waiting)
}

func (e *errands) count(ctx context.Context, outcome string) {
	e.counted.Add(ctx, 1, metric.WithAttributes(attribute.String("to", e.to), attribute.String("outcome", outcome)))
}
