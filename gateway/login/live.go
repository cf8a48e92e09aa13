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
	by   map[string]map[*entry]struct{} // By what a provider calls them; see names.
	held *list.List                     // Of *entry, those with open requests, whoever was not looked at for longest in front.
	used *list.List                     // Of the other *entry, the least recently used in front.
}

// entry is one session; guarded by live.mu.
type entry struct {
	newest  record
	rotated time.Time // When a cookie of the newest generation was first seen.
	used    time.Time
	visitor Visitor // Who used it last.
	open    int     // Requests.
	ended   bool
	tries   int // Codes since triedAt.
	triedAt time.Time

	renewing bool
	failures int       // To renew, in a row.
	failing  time.Time // Since when; counts where failures do.
	retryAt  time.Time // Not to be renewed before.

	place *list.Element // Nil while it is held.
	turn  *list.Element // Nil while it is not.
}

// bySID and bySubject are what a provider calls a session.
func bySID(issuer, sid string) string         { return "sid\x00" + issuer + "\x00" + sid }
func bySubject(issuer, subject string) string { return "sub\x00" + issuer + "\x00" + subject }

// set changes what is known of a session; mu is held.
func (l *live) set(e *entry, s record) {
	if e.newest.SID != s.SID || e.newest.Subject != s.Subject {
		l.unname(e)
	}
	e.newest = s
	for _, name := range s.names() {
		if l.by[name] == nil {
			l.by[name] = make(map[*entry]struct{})
		}
		l.by[name][e] = struct{}{}
	}
}

func (l *live) unname(e *entry) {
	for _, name := range e.newest.names() {
		delete(l.by[name], e)
		if len(l.by[name]) == 0 {
			delete(l.by, name)
		}
	}
}

func (s record) names() []string {
	out := []string{bySubject(s.Issuer, s.Subject)}
	if s.SID != "" {
		out = append(out, bySID(s.Issuer, s.SID))
	}
	return out
}

func newLive(c Config) *live {
	return &live{
		max: c.SessionsMax, idle: c.IdleTimeout, staleMost: c.StaleMax, byID: make(map[string]*entry), by: make(map[string]map[*entry]struct{}),
		held: list.New(), used: list.New(),
	}
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
	case e.open == 0 && now.Sub(seen) >= l.idle:
		return record{}, false, faultOf(CodeExpired, "idle")
	case l.stale(e, now):
		return record{}, false, faultOf(CodeStale, "")
	case s.Generation < e.newest.Generation:
		if now.Sub(e.rotated) > supersededGrace {
			return record{}, false, faultOf(CodeSuperseded, "")
		}
		return s, false, nil // On its way while it was replaced; with the rights it had.
	case s.Generation > e.newest.Generation:
		l.set(e, s)
		e.rotated = now
	case s.Renewal > e.newest.Renewal:
		l.set(e, s)
	case s.Renewal < e.newest.Renewal:
		s, fresh = e.newest, true
	}
	e.used = now
	if v.UserAgent != "" || v.Origin.Address.IsValid() { // Else another gateway asks.
		e.visitor = v
	}
	if e.place != nil {
		l.used.MoveToBack(e.place)
	}
	return s, fresh, nil
}

// newest is a session as it is by now, without a use of it.
func (l *live) newest(s record) (record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byID[s.ID]
	if e == nil || e.ended {
		return record{}, faultOf(CodeEnded, "")
	}
	return e.newest, nil
}

// stale reports whether a session's provider has been away for so long that its
// silence cannot be taken for consent any more; mu is held.
func (l *live) stale(e *entry, now time.Time) bool {
	return e.failures > 0 && now.Sub(e.failing) > l.staleMost
}

// add remembers a session; mu is held.
func (l *live) add(s record, now time.Time) *entry {
	for len(l.byID) >= l.max && l.used.Len() > 0 {
		old := l.used.Remove(l.used.Front()).(*entry) //nolint:forcetypeassert // The list holds nothing else.
		l.unname(old)
		delete(l.byID, old.newest.ID)
	}
	e := &entry{rotated: now, used: time.Unix(s.Seen, 0)}
	e.place = l.used.PushBack(e)
	l.byID[s.ID] = e
	l.set(e, s)
	return e
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
	l.set(e, s)
	e.used, e.visitor = now, v
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
	e.open++
	if e.place != nil {
		l.used.Remove(e.place)
		e.place = nil
		e.turn = l.held.PushBack(e)
	}
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		e.open--
		e.used = now()
		if e.open == 0 {
			e.place = l.used.PushBack(e)
			l.held.Remove(e.turn)
			e.turn = nil
		}
	})
}

// claim reports whether a session is to be renewed now, by the caller, who has to
// say how it went with settle.
func (l *live) claim(id string, now time.Time) (s record, v Visitor, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byID[id]
	if e == nil || !e.due(now) {
		return record{}, Visitor{}, false
	}
	e.renewing = true
	return e.newest, e.visitor, true
}

// due reports whether a session is to be renewed; live.mu is held.
func (e *entry) due(now time.Time) bool {
	return !e.ended && !e.renewing && !now.Before(e.retryAt) && e.newest.RenewAt != 0 && now.Unix() >= e.newest.RenewAt
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
	l.set(e, change(e.newest))
	e.failures, e.retryAt = 0, time.Time{}
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

// newestToken is the refresh token of a session, the newest that is known; empty where
// there is none.
func (l *live) newestToken(s record) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byID[s.ID]
	if e == nil {
		return s.RefreshToken
	}
	return e.newest.RefreshToken
}

// lapsed forgets some of the sessions that were not used for so long, and returns
// them: their cookies are as old, and do not count either. One whose provider takes
// nothing just now stays for a later look, and holds up few of the others.
func (l *live) lapsed(now time.Time, after time.Duration, takes func(provider string) bool) []record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []record
	at := l.used.Front()
	for range lookMax {
		if at == nil || len(out) == lapsedMax {
			break
		}
		e := at.Value.(*entry) //nolint:forcetypeassert // The list holds nothing else.
		if now.Sub(e.used) < after {
			break
		}
		at = at.Next()
		if e.renewing || e.newest.RefreshToken != "" && !takes(e.newest.Provider) {
			continue
		}
		l.used.Remove(e.place)
		l.unname(e)
		delete(l.byID, e.newest.ID)
		out = append(out, e.newest)
	}
	return out
}

// try reports whether a session may try one more code.
func (l *live) try(id string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byID[id]
	if e == nil {
		return false
	}
	if now.Sub(e.triedAt) >= codeTriesFor {
		e.tries, e.triedAt = 0, now
	}
	e.tries++
	return e.tries <= codeTriesMax
}

// look goes over the sessions of open requests whose turn it is, at most lookMax of
// them: none of the requests that wait for mu meanwhile waits for all. due are to be
// renewed, over have come to their age, or their provider was away for too long.
func (l *live) look(now time.Time, absolute time.Duration) (due []string, over []record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range min(l.held.Len(), lookMax) {
		e := l.held.Front().Value.(*entry) //nolint:forcetypeassert // The list holds nothing else.
		l.held.MoveToBack(e.turn)
		switch {
		case e.ended:
		case l.stale(e, now) || !now.Before(time.Unix(e.newest.Created, 0).Add(absolute)):
			over = append(over, e.newest)
		case e.due(now):
			due = append(due, e.newest.ID)
		}
	}
	return due, over
}

// holds is how many sessions have open requests.
func (l *live) holds() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held.Len()
}

// of returns the live sessions of a provider's session, or of a subject where sid
// is empty.
func (l *live) of(issuer, sid, subject string) []record {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := bySID(issuer, sid)
	if sid == "" {
		name = bySubject(issuer, subject)
	}
	var out []record
	for e := range l.by[name] {
		if !e.ended {
			out = append(out, e.newest)
		}
	}
	return out
}

func (l *live) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byID)
}
