package scorer

import (
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/epoch"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/sequence"
)

const (
	// offersMax bounds the epochs that wait for their control record.
	offersMax = 128
	// levelHalfLife is after how much silence the level of a session is half
	// forgotten: what was strange this morning is little evidence at night.
	levelHalfLife = 4 * time.Hour
	// continuedFor is how long after the last request of one session another of the
	// same client goes on with its level.
	continuedFor = time.Hour
)

// epochs are the engine's part in the tenants' shared epochs.
type epochs struct {
	every time.Duration // 0: others build them.
	// offers are epochs that no control record has named yet, oldest first. They
	// are no part of the state: who restores is offered them again.
	offers []*epoch.Epoch
	missed uint64
}

// Offer hands over an epoch that a control record is about to name. The record
// puts it in force; an offer alone changes nothing.
func (e *Engine) Offer(o *epoch.Epoch) {
	if len(e.epochs.offers) >= offersMax {
		e.epochs.offers = append(e.epochs.offers[:0], e.epochs.offers[1:]...)
	}
	e.epochs.offers = append(e.epochs.offers, o)
}

// Lacks reports which epoch an event is about to put in force that was not
// offered yet: [Engine.Assess] would have to go on without it.
func (e *Engine) Lacks(ev *event.RequestEvent) (epoch.Reference, bool) {
	ref, ok := epoch.Named(ev)
	if !ok || e.offered(ref) != nil {
		return epoch.Reference{}, false
	}
	t := e.tenants.Peek(entity.Key{Tenant: ref.Tenant})
	return ref, t == nil || ref.Number > t.Shared.Number()
}

func (e *Engine) offered(ref epoch.Reference) *epoch.Epoch {
	for _, o := range e.epochs.offers {
		if o.Reference() == ref {
			return o
		}
	}
	return nil
}

// activate puts the epoch that a control record names in force.
func (e *Engine) activate(ev *event.RequestEvent) {
	ref, ok := epoch.Named(ev)
	if !ok {
		return
	}
	o := e.offered(ref)
	if o == nil {
		_, lacks := e.Lacks(ev)
		if lacks {
			e.epochs.missed++
		}
		return
	}
	e.tenant(ref.Tenant).Shared.Activate(o)
	kept := e.epochs.offers[:0]
	for _, o := range e.epochs.offers {
		if o.Tenant != ref.Tenant || o.Number > ref.Number {
			kept = append(kept, o)
		}
	}
	clear(e.epochs.offers[len(kept):])
	e.epochs.offers = kept
}

// Summaries calls yield for each tenant with all that this partition has
// learned about it. A summary is part of the engine: encode it before the next
// record.
func (e *Engine) Summaries(partition int32, yield func(*epoch.Summary) bool) {
	for k, t := range e.tenants.All {
		s := t.Shared.Summary(k.Tenant, partition, e.clock.Now())
		if s != nil && !yield(s) {
			return
		}
	}
}

// watch lets the order of a subject's events be followed from some of them on,
// and lets it fade with time.
func (e *Engine) watch(x *evidence.Context) {
	own, s := x.Subject, x.Session
	if own == nil || own.Sequence == nil && own.Total < entity.SequenceFrom {
		return
	}
	if own.Sequence == nil {
		own.Sequence = e.spares.Habit()
	}
	own.Sequence.Day(entity.Day(x.Now), float64(e.model.Learning.HalfLife)/float64(24*time.Hour))
	if s.Watch != nil {
		if gap := x.Now - s.Watched; gap > int64(time.Minute) {
			s.Watch.Fade(exact.Decay(float64(gap), float64(levelHalfLife)))
		}
		s.Watched = x.Now
		return
	}
	s.Watch, s.Watched = e.spares.Watch(), x.Now
	last := e.before(x)
	if last != nil && last != s && last.Subject == s.Subject && last.Watch != nil && len(last.Places) > 0 &&
		last.Places[last.Here].Family.String() == x.Agent.Family && x.Now-last.Watched < int64(continuedFor) {
		s.Watch.Continue(last.Watch)
		// What it said there is inherited as suspicion already.
		if said := last.Suspicion.Peak(int(evidence.Takeover)); said > 0 {
			s.Suspicion.Mark(int(evidence.Takeover)).Peak = said
		}
	}
	s.Watch.Renew(entity.Day(x.Now))
}

// before is the session in which the subject was seen last, nil where it has
// taught all it had.
func (e *Engine) before(x *evidence.Context) *entity.Session {
	for _, id := range x.Subject.Open {
		if evidence.Hash(id) == x.Subject.LastSession {
			return e.peek(entity.Key{Tenant: x.Session.Key.Tenant, Kind: verdict.TargetSession, ID: id})
		}
	}
	return nil
}

// ordered lets the session's oldest events teach the order of the subject's,
// unless there was a verdict, and builds the tenant's next epoch where that is
// this engine's business and due.
func (e *Engine) ordered(x *evidence.Context) {
	w := x.Session.Watch
	switch {
	case w == nil:
		return
	case x.Session.Tainted:
		w.Forget()
	default:
		w.Teach(x.Subject.Sequence, w.Due(), x.Tenant.Shared.Grow())
	}
	k := &x.Tenant.Shared
	if e.epochs.every > 0 && k.Due(x.Now, e.epochs.every) {
		k.Activate(epoch.Build(k.Active, k.Summary(x.Tenant.Key.Tenant, 0, x.Now)))
	}
}

// ripened takes a session that has stayed clean: all that is pending teaches, at
// once where the session is over, and once a day, or when the subject has gone on to another session, its peak
// counts among those of clean sessions.
func (e *Engine) ripened(x *evidence.Context, s *entity.Session, own *entity.Subject) {
	if s.Watch == nil || own.Sequence == nil {
		return
	}
	if s == x.Session {
		s.Watch.Ripen()
	} else {
		s.Watch.Teach(own.Sequence, 0, x.Tenant.Shared.Grow())
	}
	if s != x.Session || s.Watch.Day() != entity.Day(x.Now) {
		peaked(x, s)
		s.Watch.Renew(entity.Day(x.Now))
	}
}

// comparedOf is of how many sessions one is compared, for all of them: what a
// comparison says is a property of the tenant, and it costs as much as scoring.
const comparedOf = 2

// compare lets what a session is about to teach say how far the subject's habits
// lie from those of his peers, for sessions that are drawn by their pseudonyms.
// otherwise is the concentration as long as none was learned.
func compare(x *evidence.Context, s *entity.Session, own *entity.Subject, weight, otherwise float64) {
	if evidence.Hash(s.Key.ID)%comparedOf != 0 {
		return
	}
	peers := evidence.Peers{Tenant: x.Tenant, Group: x.Tenant.Group(s.Rare().Group)}
	var trials [entity.KindCount]evidence.Trials
	for i := range s.Pending.Seen {
		v := &s.Pending.Seen[i]
		if v.Fresh && int(v.Kind) < entity.KindCount {
			peers.Compare(own, entity.Kind(v.Kind), v.Name, otherwise, &trials[v.Kind])
		}
	}
	k, weight := &x.Tenant.Shared, comparedOf*weight
	for kind := range trials {
		k.Likelihoods[kind].Add(&trials[kind].Tenant, weight)
		k.Groups.Members[kind].Add(&trials[kind].Member, weight)
		k.Groups.Groups[kind].Add(&trials[kind].Group, weight)
	}
}

// peaked counts the peak of a clean session, or of one whose owner has proven
// himself. One that was hardly judged has none.
func peaked(x *evidence.Context, s *entity.Session) {
	if s.Watch != nil && s.Watch.Judged() >= sequence.JudgedMin {
		live, kind := x.Tenant.Shared.Grow(), evidence.SequenceKind(x.Event)
		live.Tails[kind].Observe(s.Watch.Peak)
		live.Adaptive[kind].Observe(s.Watch.AdaptivePeak)
	}
}
