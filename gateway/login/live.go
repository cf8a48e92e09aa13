package login

import (
	"container/list"
	"sync"
	"time"
)

// live remembers what was last seen of each session: a cache beside the cookies,
// which are what counts. The sessions of open requests stay; of the others the
// least recently used go first. Safe for concurrent use.
type live struct {
	max             int
	idle, staleMost time.Duration

	mu   sync.Mutex
	byID map[string]*entry
	used *list.List // Of *entry, the least recently used in front.
}

// entry is one session; guarded by live.mu.
type entry struct {
	newest   record
	rotated  time.Time // When a cookie of the newest generation was first seen.
	used     time.Time
	visitor  Visitor // Who used it last.
	held     int     // Open requests.
	ended    bool
	forsaken bool // Its refresh token was given back.

	renewing bool
	failures int       // To renew, in a row.
	failing  time.Time // Since when; counts where failures do.
	retryAt  time.Time // Not to be renewed before.

	place *list.Element
}

func newLive(c Config) *live {
	return &live{max: c.SessionsMax, idle: c.IdleTimeout, staleMost: c.StaleMax, byID: make(map[string]*entry), used: list.New()}
}

// meet compares a session that a browser brings with what is known of it, and
// returns what it is now: the browser may not have got the last renewal yet. fresh
// reports that it has to be given new cookies. The error is a *fault.
func (l *live) meet(s record, v Visitor, now time.Time) (out record, fresh bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byID[s.ID]
	if e == nil {
		if now.Sub(time.Unix(s.Seen, 0)) >= l.idle {
			return record{}, false, faultOf(CodeExpired, "idle")
		}
		e = l.add(s, now)
	}
	seen := time.Unix(s.Seen, 0)
	if e.used.After(seen) {
		seen = e.used
	}
	switch {
	case e.ended:
		return record{}, false, faultOf(CodeEnded, "")
	case e.held == 0 && now.Sub(seen) >= l.idle:
		return record{}, false, faultOf(CodeExpired, "idle")
	case l.stale(e, now):
		return record{}, false, faultOf(CodeStale, "")
	case s.Generation < e.newest.Generation:
		if now.Sub(e.rotated) > supersededGrace {
			return record{}, false, faultOf(CodeSuperseded, "")
		}
		return s, false, nil // On its way while it was replaced; with the rights it had.
	case s.Generation > e.newest.Generation:
		e.newest, e.rotated = s, now
	case s.Renewal > e.newest.Renewal:
		e.newest = s
	case s.Renewal < e.newest.Renewal:
		s, fresh = e.newest, true
	}
	e.used = now
	if v.UserAgent != "" || v.Origin.Address.IsValid() { // Else another gateway asks.
		e.visitor = v
	}
	l.used.MoveToBack(e.place)
	return s, fresh, nil
}

// stale reports whether a session's provider has been away for so long that its
// silence cannot be taken for consent any more; mu is held.
func (l *live) stale(e *entry, now time.Time) bool {
	return e.failures > 0 && now.Sub(e.failing) > l.staleMost
}

// add remembers a session; mu is held.
func (l *live) add(s record, now time.Time) *entry {
	e := &entry{newest: s, rotated: now, used: time.Unix(s.Seen, 0)}
	e.place = l.used.PushBack(e)
	l.byID[s.ID] = e
	for at := l.used.Front(); at != nil && len(l.byID) > l.max; {
		old := at.Value.(*entry) //nolint:forcetypeassert // The list holds nothing else.
		next := at.Next()
		if old.held == 0 && old != e {
			l.drop(old)
		}
		at = next
	}
	return e
}

func (l *live) drop(e *entry) {
	l.used.Remove(e.place)
	delete(l.byID, e.newest.ID)
}

// put remembers a session that was made or changed here.
func (l *live) put(s record, v Visitor, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byID[s.ID]
	if e == nil {
		e = l.add(s, now)
	}
	if s.Generation != e.newest.Generation {
		e.rotated = now
	}
	e.newest, e.used, e.visitor = s, now, v
	e.failures, e.retryAt = 0, time.Time{}
}

// hold keeps a session while a request of it is open.
func (l *live) hold(id string, now func() time.Time) (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byID[id]
	if e == nil {
		return func() {}
	}
	e.held++
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		e.held--
		e.used = now()
	})
}

// claim reports whether a session is to be renewed now, by the caller, who has to
// say how it went with settle.
func (l *live) claim(id string, now time.Time) (s record, v Visitor, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byID[id]
	if e == nil || e.ended || e.renewing || now.Before(e.retryAt) || e.newest.RenewAt == 0 || now.Unix() < e.newest.RenewAt {
		return record{}, Visitor{}, false
	}
	e.renewing = true
	return e.newest, e.visitor, true
}

// settle notes how a renewal went: change is applied to what is known by now, and
// is nil where the provider was away.
func (l *live) settle(id string, now time.Time, change func(record) record) (record, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byID[id]
	if e == nil {
		return record{}, false
	}
	e.renewing = false
	if change == nil {
		if e.failures == 0 {
			e.failing = now
		}
		e.failures++
		e.retryAt = now.Add(min(renewPause<<min(e.failures-1, 10), renewPauseMax))
		return e.newest, false
	}
	e.newest, e.failures, e.retryAt = change(e.newest), 0, time.Time{}
	return e.newest, !e.ended
}

// end makes a session's cookies void here.
func (l *live) end(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byID[id]
	if e != nil {
		e.ended = true
	}
}

// forsake reports whether a session's refresh token has not been given back yet,
// and notes that it is now.
func (l *live) forsake(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byID[id]
	if e == nil || e.forsaken {
		return false
	}
	e.forsaken = true
	return true
}

// heldNow returns the sessions of open requests, and those among them whose
// provider has been away for too long.
func (l *live) heldNow(now time.Time) (all, stale []record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.byID {
		if e.held == 0 || e.ended {
			continue
		}
		all = append(all, e.newest)
		if l.stale(e, now) {
			stale = append(stale, e.newest)
		}
	}
	return all, stale
}

// of returns the live sessions of a provider's session, or of a subject where sid
// is empty.
func (l *live) of(issuer, sid, subject string) []record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []record
	for _, e := range l.byID {
		s := e.newest
		if e.ended || s.Issuer != issuer || sid != "" && s.SID != sid || sid == "" && s.Subject != subject {
			continue
		}
		out = append(out, s)
	}
	return out
}

func (l *live) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byID)
}
