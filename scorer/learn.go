package scorer

import (
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

// teach lets every session of the event's subject that has stayed clean for
// the quarantine teach what it has shown, as one bounded delta. It is done when
// a subject is next seen, so it depends on the subject's own records alone. A
// session that is over teaches its subject then, who is about to be judged by
// it, and the tenant with one of the subject's next events, each of them one, so
// that no event pays for much. It reports whether anything was taught.
func (e *Engine) teach(x *evidence.Context) (taught bool) {
	if x.Subject == nil {
		if !e.ripe(x.Session, x.Now) {
			return false
		}
		e.learn(x, x.Session, nil, &x.Tenant.Addresses)
		return true
	}
	kept, idle := x.Subject.Open[:0], -1
	for _, id := range x.Subject.Open {
		s := e.opened(x, id)
		switch {
		case s == nil || s.Subject != x.Event.GetSubject():
			continue // Pushed out before it could teach.
		case s.Pending.Share > 0 && taught && s != x.Session:
			// Its turn comes with the next event.
		case s.Pending.Share > 0:
			taught = true
			e.share(x, s, x.Subject, &x.Tenant.Subjects)
			if s != x.Session {
				continue
			}
		case e.ripe(s, x.Now):
			taught = true
			e.learn(x, s, x.Subject, &x.Tenant.Subjects)
			if s != x.Session && s.Pending.Share == 0 {
				continue
			}
		case idle < 0 && s.Tainted && s != x.Session && x.Now >= s.Suspicion.LevelUntil:
			idle = len(kept)
		}
		kept = append(kept, id)
	}
	x.Subject.Open = kept
	if x.Session.Key.Kind == verdict.TargetSession {
		x.Subject.Watch(x.Session.Key.ID, idle)
	} else {
		x.Subject.Watch("", idle)
	}
	return taught
}

// opened is one of the sessions of the event's subject that wait to teach, "" for
// that of who shows none; nil where it was pushed out.
func (e *Engine) opened(x *evidence.Context, id string) *entity.Session {
	key := entity.Key{Tenant: x.Event.GetTenant(), Kind: verdict.TargetSession, ID: id}
	if id == "" {
		key.Kind, key.ID = verdict.TargetSubject, x.Event.GetSubject()
	}
	if x.Session.Key == key {
		return x.Session // Most often it is.
	}
	return e.peek(key)
}

// ripe reports whether a session's delta is old enough and clean.
func (e *Engine) ripe(s *entity.Session, now int64) bool {
	if !e.due(s, now) || s.Tainted {
		return false
	}
	s.Suspicion.Decay(now, e.model.Pace())
	return s.Suspicion.Total(0) < e.model.Learning.CleanBelow
}

// learn teaches the habits of a session's subject, nil for an address, and those
// of its peers, unless the session is over: then its share is due.
func (e *Engine) learn(x *evidence.Context, s *entity.Session, own *entity.Subject, peers *entity.Habits) {
	s.Roll(x.Now)
	for i := range s.Walks {
		if s.Walks[i].Best > 0 {
			s.Pending.Samples.Add(entity.Runs, profile.Bucket(s.Walks[i].Best))
			s.Pending.Samples.Add(entity.Strides, profile.Bucket(entity.StrideOdds(int(s.Walks[i].Longest))))
			s.Walks[i].Best, s.Walks[i].Longest = 0, 0
		}
	}
	if r := s.Rare(); r.Best > 0 {
		s.Pending.Samples.Add(entity.Runs, profile.Bucket(r.Best))
		s.Pending.Samples.Add(entity.Strides, profile.Bucket(entity.StrideOdds(int(r.Longest))))
		own := s.OwnRare()
		own.Best, own.Longest = 0, 0
	}
	l := &e.model.Learning
	prefix, network := uint64(0), ""
	if len(s.Places) > 0 {
		prefix, network = s.Places[s.Here].Prefix, s.Places[s.Here].Network.String()
	}
	// Of more sessions than can wait each teaches whose they are and nobody else.
	flood := own != nil && s != x.Session && len(own.Open) >= entity.OpenSessionsMax
	weight := 0.0
	if !flood {
		weight = x.Tenant.Influence.Weight(prefix, evidence.Hash(network), x.Now, l)
		weight *= e.gateways.Weight(s.Pending.Gateway.String(), x.Now, l)
		if own != nil {
			weight *= own.Weight(x.Now, l)
		}
	}
	if own != nil {
		doubted := float64(s.Worst) >= l.CleanBelow && entity.Day(x.Now)-s.WorstDay < entity.Day(int64(l.PlaceSpan))
		if !doubted && !flood {
			compare(x, s, own, weight, l.Concentration) // With what was known before.
		}
		if !own.Learn(&s.Pending, x.Now, l, doubted) {
			s.Pending.Taught(x.Now)
			return
		}
		e.resides(x, own, network)
		own.LearnOdd(s.OddPeak)
		s.OddPeak = 0
		if flood {
			s.Pending.Taught(x.Now)
			return
		}
	}
	s.Pending.Share = float32(weight)
	if own == nil || s == x.Session || s.Pending.Share == 0 {
		e.share(x, s, own, peers)
	}
}

// share teaches the tenant what a session has taught its subject, nil for an
// address.
func (e *Engine) share(x *evidence.Context, s *entity.Session, own *entity.Subject, peers *entity.Habits) {
	weight, halfLife := float64(s.Pending.Share), e.model.Learning.HalfLife
	if own != nil {
		x.Tenant.LearnShape(&own.Habits, s, x.Now, halfLife, weight)
		e.ripened(x, s, own)
		if group := s.Rare().Group; e.model.HasPeerGroup(group) {
			// One who comes ten times a day is not ten colleagues.
			x.Tenant.LearnGroup(group, &s.Pending, evidence.Hash(s.Subject), x.Now, halfLife, weight/float64(max(1, own.Taught)))
		}
	}
	x.Tenant.LearnFlags(&s.Pending, weight)
	peers.Learn(&s.Pending, x.Now, halfLife, weight)
	s.Pending.Taught(x.Now)
}

// settle notes where the subject was last, unless the session is under
// suspicion: where a thief has been is not where the owner was.
func (e *Engine) settle(x *evidence.Context, suspicion float64) {
	s := x.Session
	if x.Subject == nil || s.Tainted || suspicion >= e.model.Learning.CleanBelow || len(s.Places) == 0 {
		return
	}
	x.Subject.LastPlace, x.Subject.LastSession = s.Places[s.Here], evidence.Hash(s.Key.ID)
}

// prove notes that the person has shown who he is since the last verdict: by a
// step-up, or by a sign-in that is newer. What supported a step-up is settled
// then; what supports a revoke is not.
//
// It reports whether he has proven it with this event by more than a password.
func (e *Engine) prove(x *evidence.Context) bool {
	ev, s := x.Event, x.Session
	if x.Subject == nil {
		return false
	}
	verdictAt := s.Suspicion.VerdictAt
	signedIn := ev.GetKind() == event.KindSession && ev.GetAuthOutcome() == event.AuthSuccess
	newer := verdictAt != 0 && ev.GetAuthTime() != nil && ev.GetAuthTime().AsTime().UnixNano() > verdictAt
	if !signedIn && !newer || evidence.WornDown(x.Subject, x.At) {
		return false
	}
	if s.Suspicion.Level > verdict.Strength(verdict.ActionStepUp) {
		return false // A revoked session does not come back.
	}
	peaked(x, s)
	absolve(s, verdict.ActionStepUp, x.Now)
	next := e.shown(x, 0)
	x.Subject.Answer(&next)
	e.acquit(x.Tenant, s, x.Network)
	return newer || ev.GetReason() == event.ReasonStepUp || len(ev.GetAmr()) > 1
}

// absolve forgets what a session is suspected of as far as it supports at most
// an action, and lets it teach again after another quarantine.
func absolve(s *entity.Session, action string, now int64) {
	s.Suspicion.Clear(verdict.Strength(action))
	s.Suspicion.Level, s.Suspicion.LevelUntil, s.Suspicion.LevelToken, s.Suspicion.VerdictAt = 0, 0, 0, 0
	s.Tainted = false
	s.Pending.Settle()
	s.Pending.Since = now
	if s.Watch != nil {
		s.Watch.Rest()
	}
}

// control takes an operator's word: what was lifted starts again from nothing,
// or the next event would bring the verdict back. Signals keep their peaks, so
// only what goes beyond the lifted facts counts.
func (e *Engine) control(ev *event.RequestEvent) {
	switch ev.GetReason() {
	case event.ReasonEpoch:
		e.activate(ev)
		return
	case event.ReasonClear:
	default:
		return
	}
	now := e.clock.Now()
	lift := func(kind, id string) {
		if id == "" {
			return
		}
		e.visit(entity.Key{Tenant: ev.GetTenant(), Kind: kind, ID: id}, func(s *entity.Session) {
			absolve(s, verdict.ActionBlock, now)
			s.Worst = 0
			e.acquit(e.tenant(ev.GetTenant()), s, "")
		})
	}
	lift(verdict.TargetSession, ev.GetSession())
	lift(verdict.TargetAddress, ev.GetAddress())
	own := e.peekSubject(entity.Key{Tenant: ev.GetTenant(), Kind: verdict.TargetSubject, ID: ev.GetSubject()})
	if own == nil {
		return
	}
	own.Absolve()
	if ev.GetSession() != "" {
		return // Only that session was lifted.
	}
	lift(verdict.TargetSubject, ev.GetSubject())
	for _, id := range own.Open {
		lift(verdict.TargetSession, id)
	}
}
