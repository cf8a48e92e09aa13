package scorer

import (
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
)

// fetch has the memory of an event's session and subject on its way, all at once,
// before one after the other is looked at; where the session begins or teaches, that
// of the subject's habits, too, and of his other sessions, which may be over.
func (e *Engine) fetch(ev *event.RequestEvent) {
	if ev.GetSession() == "" || ev.GetSubject() == "" {
		return
	}
	i, j := e.sessions.Likely(ev.GetSession()), e.subjects.Likely(ev.GetSubject())
	session, a := e.sessions.Fetch(i)
	subject, b := e.subjects.Fetch(j)
	e.fetched += a + b
	if session != nil {
		e.fetched += session.Fetch()
	}
	if subject == nil {
		return
	}
	e.fetched += subject.Fetch()
	if session == nil || e.due(session, e.clock.Now()) {
		e.fetched += subject.FetchHabits()
	}
	for _, id := range subject.Open {
		if id == ev.GetSession() {
			continue
		}
		other, sum := e.sessions.Fetch(e.sessions.Likely(id))
		if other != nil {
			sum += other.Fetch()
		}
		e.fetched += sum
	}
}

// due reports whether a session's delta is old enough to teach.
func (e *Engine) due(s *entity.Session, now int64) bool {
	return s.Pending.Requests > 0 && now-s.Pending.Since >= int64(e.model.Learning.Quarantine)
}
