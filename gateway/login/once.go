package login

import (
	"sync"
	"time"
)

// once remembers names that count only once, until they would not count anyway.
// Beyond its size the oldest go. Safe for concurrent use.
type once struct {
	max int
	now func() time.Time

	mu    sync.Mutex
	until map[string]time.Time
	order []string // As they came; the first goes first.
}

func newOnce(size int, now func() time.Time) *once {
	return &once{max: size, now: now, until: make(map[string]time.Time)}
}

// first reports whether a name comes for the first time, and remembers it for a
// while.
func (o *once) first(name string, keep time.Duration) bool {
	now := o.now()
	o.mu.Lock()
	defer o.mu.Unlock()
	until, known := o.until[name]
	if known && now.Before(until) {
		return false
	}
	if !known {
		o.order = append(o.order, name)
	}
	o.until[name] = now.Add(keep)
	for len(o.order) > 0 && (len(o.order) > o.max || !now.Before(o.until[o.order[0]])) {
		delete(o.until, o.order[0])
		o.order = o.order[1:]
	}
	return true
}
