package proxy

import (
	"sync"
	"time"
)

// young are the exchanges that are not yet known to last, in the order in which they
// began. They share one timer: nearly all are over before theirs would have gone off,
// and to start and stop one takes as long as to find a route.
type young struct {
	after time.Duration // How long one stays young.
	now   func() time.Time

	mu          sync.Mutex
	first, last *exchange // Linked by exchange.older and exchange.younger.
	timer       *time.Timer
	began       time.Time // When that began for which timer runs.
	running     bool      // timer does.
}

// add lists an exchange that has just begun.
func (y *young) add(x *exchange) {
	y.mu.Lock()
	defer y.mu.Unlock()
	x.young, x.older = true, y.last
	if y.last == nil {
		y.first = x
	} else {
		y.last.younger = x
	}
	y.last = x
	switch {
	case y.running:
		return
	case y.timer == nil:
		y.timer = time.AfterFunc(y.after, y.grow)
	default:
		y.timer.Reset(y.after)
	}
	y.began, y.running = x.began, true
}

// remove takes an exchange out, where it is listed.
func (y *young) remove(x *exchange) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if x.young {
		y.unlink(x)
	}
}

// unlink takes a listed exchange out. Called with mu held.
func (y *young) unlink(x *exchange) {
	if x.older == nil {
		y.first = x.younger
	} else {
		x.older.younger = x.younger
	}
	if x.younger == nil {
		y.last = x.older
	} else {
		x.younger.older = x.older
	}
	x.young, x.older, x.younger = false, nil, nil
}

// grow is the timer: the beats of those that are young no more begin.
func (y *young) grow() {
	for _, x := range y.grown() {
		x.caught(x.beat)()
	}
}

// grown takes them out, and sets the timer for the next.
func (y *young) grown() []*exchange {
	y.mu.Lock()
	defer y.mu.Unlock()
	var all []*exchange
	for y.first != nil && !y.first.began.After(y.began) {
		all = append(all, y.first)
		y.unlink(y.first)
	}
	y.running = y.first != nil
	if y.running {
		next := y.first.began
		// The second is less by as much as the timer was late; a clock that stands still
		// or was turned back knows the first alone.
		y.timer.Reset(min(y.after, next.Sub(y.began), next.Add(y.after).Sub(y.now())))
		y.began = next
	}
	return all
}
