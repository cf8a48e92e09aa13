package scorer

import (
	"errors"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/event"
	deltas "github.com/vigil-gateway/vigil/schemas/facet"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/budget"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/epoch"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/facet"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// inherited is the most that a session inherits whose person has signed in anew, as
// a share of what a step-up needs: inherited suspicion alone asks for nothing.
const inherited = 0.5

// PhaseLearning marks assessments of subjects with too little history for
// novelty to count in full.
const PhaseLearning = "learning"

// Record is one record of a requests partition, in order. The engine reads the
// event and keeps none of it, not even a text: what an event's strings point to
// may change after the next call of [Engine.Assess].
type Record struct {
	Event     *event.RequestEvent
	Topic     string
	Partition int32
	Offset    int64
}

// Result is what the engine made of a record. The assessment is the engine's
// own and valid until the next call of [Engine.Assess]: who keeps it encodes or
// clones it. Proposals are the caller's.
type Result struct {
	// Assessment is nil for lane ticks, tombstones, control records and duplicates.
	Assessment *assessment.Assessment
	Proposals  []judge.Proposal
	// Cuts are what the records since the last cut add to the facets, for the
	// facet stage; one for each tenant. They are the engine's own, too: who keeps
	// them takes a [facet.CloneCut].
	Cuts []*deltas.FacetCut
	// Missing counts the sequence numbers that are missing in front of the record.
	Missing uint64
	// Duplicate says that the record was seen before and changed nothing.
	Duplicate bool
	// Gained is what the event added to its actor's suspicion, in nats by group.
	Gained [entity.GroupSlots]float64
}

// Options are what an [Engine] depends on.
type Options struct {
	// Model is required.
	Model *model.Model
	// OfflineClock takes the stream clock from the events' own times, for files
	// that have no lane ticks.
	OfflineClock bool
	// EpochEvery lets the engine build the tenants' shared epochs of what it has
	// seen itself, after each such span of stream time; 0 is [epoch.Every] with
	// the offline clock. Without that clock, and below 0, it builds none: control
	// records put them in force.
	EpochEvery time.Duration
	// Gather takes note of every actor's suspicion, and in a [Pair] of every
	// facet's, to calibrate thresholds with; nil gathers nothing.
	Gather *budget.Collector
	// Watch is shown each event and what is known about its actor after the
	// signals have looked at it; nil for nobody. It must keep nothing of it.
	Watch func(*evidence.Context)
}

// Engine scores the records of one partition. Not safe for concurrent use.
type Engine struct {
	model     *model.Model
	collector *evidence.Collector
	agents    evidence.Agents

	clock     entity.Clock
	positions event.Positions
	// Sessions and addresses have tables of their own, so that a flood of
	// addresses pushes out no session.
	sessions  *entity.Table[entity.Session]
	addresses *entity.Table[entity.Session]
	subjects  *entity.Table[entity.Subject]
	tenants   *entity.Table[entity.Tenant]
	// Accounts are bounded as addresses are: sign-ins make them.
	accounts *entity.Table[entity.Account]
	asns     *entity.Table[entity.ASN]
	facets   *facet.Collector
	gateways entity.Gateways
	shares   []judge.Share
	gather   *budget.Collector
	supports []float64
	custom   custom
	spares   entity.Spares
	shelf    shelf
	// context and answer are of the current event, and used again for the next.
	context evidence.Context
	answer  answer
	epochs  epochs
	clean   func(entity.Key) bool // stillClean, once.
	watcher func(*evidence.Context)
	dropped uint64 // Peer groups that were forgotten.
	late    uint64 // Events whose own time was cut.
	written int    // Bytes of the last snapshot, no part of the state.
	fetched byte   // Says nothing, see package fetch.
}

// New returns an engine without history.
func New(o Options) (*Engine, error) {
	if o.Model == nil {
		return nil, errors.New("scorer: a model is required")
	}
	e := &Engine{clock: entity.NewClock(o.OfflineClock), gather: o.Gather, watcher: o.Watch}
	if o.EpochEvery == 0 && o.OfflineClock {
		o.EpochEvery = epoch.Every
	}
	e.epochs.every = max(0, o.EpochEvery)
	e.clean = e.stillClean
	e.model = o.Model
	e.empty()
	e.SwapModel(o.Model)
	return e, nil
}

// empty forgets every entity.
func (e *Engine) empty() {
	l := e.model.Limits
	e.sessions = entity.NewTable[entity.Session](e.shelf.room(l.SessionsMax))
	e.addresses = entity.NewTable[entity.Session](e.shelf.room(l.AddressesMax))
	e.subjects = entity.NewTable[entity.Subject](e.shelf.room(l.SubjectsMax))
	e.tenants = entity.NewTable[entity.Tenant](l.TenantsMax)
	e.accounts = entity.NewTable[entity.Account](e.shelf.room(l.AddressesMax))
	e.asns = entity.NewTable[entity.ASN](entity.ASNsMax)
	e.facets = facet.NewCollector()
	e.dropped, e.late = 0, 0
	e.gateways = entity.Gateways{}
	e.custom.forget(e.model)
	e.custom.use(e.model)
}

// forget drops what was seen before the clock was set back: it would be in the
// future for ever. What was seen stays so, for the lanes go on.
func (e *Engine) forget() {
	gathered := e.facets
	e.empty()
	e.shelf.clear()
	gathered.Restart()
	e.facets = gathered
}

// Model is the model in force.
func (e *Engine) Model() *model.Model { return e.model }

// SwapModel puts another model in force and keeps the state of all entities.
// Another limit takes effect with the next restore.
func (e *Engine) SwapModel(m *model.Model) {
	e.model = m
	p := evidence.Params{
		Confidence: m.Learning.Confidence, Concentration: m.Learning.Concentration,
		Kappa: m.Volume.Kappa, Tail: m.Volume.Tail, Look: m.Volume.Look,
		Releases: m.Learning.Releases,
	}
	for i, s := range m.Signals {
		p.On[i], p.Max[i] = s.On, s.Max
	}
	e.collector = evidence.NewCollector(p)
	e.custom.use(m)
	e.keepGroups()
}

// Assess scores one record and learns from it.
func (e *Engine) Assess(r Record) Result {
	ev := r.Event
	if ev == nil || ev.GetTime() == nil {
		return Result{}
	}
	last := ev.GetSeq()
	if ev.GetKind() == event.KindTombstone {
		last = max(last, ev.GetSeqEnd())
	}
	lane := event.Lane{Gateway: ev.GetGateway(), Epoch: ev.GetEpoch(), Lane: ev.GetLane()}
	duplicate, missing := e.positions.Observe(lane, ev.GetSeq(), last)
	if duplicate {
		return Result{Duplicate: true}
	}
	at := ev.GetTime().AsTime().UnixNano()
	switch ev.GetKind() {
	case event.KindTick:
		if e.clock.Tick(ev.GetGateway(), at) {
			e.forget()
		}
		e.gateways.Seen(ev.GetGateway(), ev.GetEpoch(), true, missing, e.clock.Now())
		return Result{Missing: missing, Cuts: e.facets.Cut(r.Topic, r.Partition, r.Offset, e.clock.Now())}
	case event.KindControl:
		e.control(ev)
		return Result{Missing: missing}
	case event.KindTombstone:
		return Result{Missing: missing}
	}
	if e.clock.Event(at) {
		e.forget()
	}
	res := e.score(r, missing)
	res.Missing = missing
	res.Cuts = e.facets.Cut(r.Topic, r.Partition, r.Offset, e.clock.Now())
	return res
}

// score is the straight line: entity, evidence, judge.
func (e *Engine) score(r Record, missing uint64) Result {
	e.fetch(r.Event)
	x := e.look(r.Event)
	if name := r.Event.GetGateway(); name != "" {
		x.Gateway = e.gateways.Seen(name, r.Event.GetEpoch(), false, missing, x.Now)
	}
	s := x.Session
	unproven := r.Event.Unproven()
	s.Tainted = s.Tainted || unproven
	e.watch(x)
	common := e.common(x)
	e.dawn(x, common)
	taught := e.teach(x)
	e.join(x)
	judged := s.Suspicion.VerdictAt != 0
	proven := !unproven && e.prove(x)
	findings := e.collector.Collect(x)
	discount(findings, unproven)
	if proven {
		e.collector.Prove(x)
		s.Worst = 0
	}
	e.facets.Note(x, &e.collector.Names, findings)
	if x.Subject != nil {
		x.Subject.Count()
	}
	s.Requests++
	s.Pending.Requests++
	if x.Gateway != nil {
		s.Pending.Through(x.Gateway.Name)
	}
	if e.watcher != nil {
		e.watcher(x)
	}
	var score float64
	e.shares, score = e.weigh(x, findings, common)
	kind := model.KindOf(r.Event)
	rungs := e.model.Ladder(kind)
	nobody := s.Key.ID == ""
	if nobody {
		rungs = nil // There is nobody whom a verdict could name.
	}
	ruling := e.rule(x, rungs)
	if float32(ruling.Total) >= s.Worst {
		s.Worst, s.WorstDay = float32(ruling.Total), entity.Day(x.Now)
	}
	if !unproven {
		e.remember(x, common, &ruling)
		e.signedIn(x)
	}
	if e.gather != nil && !nobody {
		e.note(r.Event, kind, rungs, s, &ruling, judged && proven)
	}
	a := e.assessment(r, x, score, &ruling)
	e.carry(x, ruling.Total)
	if taught {
		e.custom.anomaly.Spare()
	}
	e.teachModels(x, ruling.Total)
	if !ruling.Announce {
		e.ordered(x)
		return Result{Assessment: a, Gained: ruling.Gained}
	}
	// A program confirms nothing: if being slowed down kept it from teaching, the
	// nightly batch that was slowed down once would be for ever.
	s.Tainted = s.Tainted || verdict.Suspends(ruling.Action) || kind != event.SubjectService && kind != event.SubjectAgent
	e.ordered(x)
	p := e.propose(r, x, &ruling)
	a.VerdictId, a.Target, a.Shadow = p.ID, p.Target, p.Shadow
	return Result{Assessment: a, Proposals: []judge.Proposal{p}, Gained: ruling.Gained}
}

// propose writes the proposal for a ruling that is to be announced.
func (e *Engine) propose(r Record, x *evidence.Context, ruling *judge.Ruling) judge.Proposal {
	company := e.company(x, ruling.Action)
	p := judge.Propose(&judge.Case{
		Model: e.model, Event: r.Event, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
		Now: x.Now, Session: x.Session, Ruling: *ruling, Shares: e.shares, Company: company,
	})
	// Where the model enforces, nobody was asked on a day that is held out. Where it
	// only observes, what it would have done is to be seen.
	if !p.Shadow || e.model.Mode != model.ModeEnforce {
		e.doubt(x, ruling)
	}
	if verdict.Suspends(p.Action) && p.Target.GetKind() != verdict.TargetSubject && company.Blamed {
		e.facets.Suspended(x, company.Together())
	}
	return p
}

// rule adds the event's shares to what its session is suspected of.
func (e *Engine) rule(x *evidence.Context, rungs []model.Rung) judge.Ruling {
	s := &x.Session.Suspicion
	judge.Lift(s, x.Event.GetTokenId())
	s.Decay(x.Now, e.model.Pace()) // Before there is room made in it.
	fresh := 0
	for i := range e.shares {
		if h := &e.shares[i]; h.Exception == nil && h.Nats >= 0 {
			fresh = e.spares.Suspect(s, int(h.Signal), h.Nats, h.Text, fresh)
		}
	}
	ruling := judge.Step(e.model, e.model.Pace(), rungs, s, e.shares, x.Now)
	e.spares.Calm(s)
	return ruling
}

// company looks at the other sessions of the event's subject.
func (e *Engine) company(x *evidence.Context, action string) judge.Company {
	if x.Subject == nil {
		return judge.Company{}
	}
	var list []*entity.Session
	for _, id := range x.Subject.Open {
		s := e.hold(entity.Key{Tenant: x.Event.GetTenant(), Kind: verdict.TargetSession, ID: id})
		if s != nil && s.Subject == x.Event.GetSubject() {
			list = append(list, s)
		}
	}
	shown := judge.Shown{Device: evidence.DeviceOf(x.Event)}
	shown.Known = x.Subject.Kinds[entity.Devices].Has(shown.Device)
	return judge.CompanyOf(e.model, list, x.Session, shown, action, x.Now)
}

// note gathers what supports each rung, by the subject, else the address. Of a day on
// which a verdict was answered, or kept a request out, nobody sees what it would have
// come to.
func (e *Engine) note(ev *event.RequestEvent, kind string, rungs []model.Rung, s *entity.Session, ruling *judge.Ruling, answered bool) {
	who := ev.GetSubject()
	if who == "" {
		who = ev.GetAddress()
	}
	reached := -1
	for i := range rungs {
		if ruling.Rung == &rungs[i] {
			reached = i
		}
	}
	e.supports = judge.Supports(rungs, &s.Suspicion, e.supports[:0])
	e.gather.Observe(kind, ev.GetTenant()+"\x00"+who, e.supports, reached, answered || ev.ByVerdict(), e.clock.Now())
}

// look finds, or makes, everything that is known about an event's actor.
func (e *Engine) look(ev *event.RequestEvent) *evidence.Context {
	now, own := e.clock.Now(), ev.GetTime().AsTime().UnixNano()
	at := e.clock.Clamp(own)
	if at != own {
		e.late++
	}
	x := &e.context
	*x = evidence.Context{
		Event: ev, Now: now, At: at,
		Agent: e.agents.Of(ev.GetUserAgent()), Network: e.collector.Names.Network(ev),
		Tenant: e.tenant(ev.GetTenant()), ASNs: e.asns, Spares: &e.spares,
	}
	if ev.GetSubject() != "" {
		key := entity.Key{Tenant: ev.GetTenant(), Kind: verdict.TargetSubject, ID: ev.GetSubject()}
		x.Subject = e.subjects.Get(key)
		if x.Subject == nil {
			x.Subject = e.admitSubject(owned(x.Tenant, key))
		}
	}
	e.signIn(x)
	x.Session = e.actor(x)
	x.Before = x.Session.LastEvent
	x.Session.Last = max(x.Session.Last, now)
	x.Session.LastEvent = max(x.Session.LastEvent, x.At)
	return x
}

// signIn finds what is known of the account of an event.
func (e *Engine) signIn(x *evidence.Context) {
	ev := x.Event
	switch ev.GetAuthOutcome() {
	case event.AuthFailure, event.AuthMFAFailure, event.AuthSuccess:
	default:
		return
	}
	if ev.GetAccount() == "" {
		return
	}
	key := entity.Key{Tenant: x.Tenant.Key.Tenant, Kind: verdict.TargetAccount, ID: ev.GetAccount()}
	x.Account = e.accounts.Get(key)
	if x.Account == nil {
		x.Account = e.admitAccount(owned(x.Tenant, key))
	}
}

// owned is a key of which nothing is the event's.
func owned(t *entity.Tenant, key entity.Key) entity.Key {
	return entity.Key{Tenant: t.Key.Tenant, Kind: key.Kind, ID: strings.Clone(key.ID)}
}

func (e *Engine) tenant(id string) *entity.Tenant {
	key := entity.Key{Tenant: id}
	t := e.tenants.Get(key)
	if t == nil {
		key.Tenant = strings.Clone(id)
		t = &entity.Tenant{Key: key}
		e.tenants.Put(key, t)
	}
	return t
}

// actor is the session that an event belongs to, else its subject's or its
// address's. What shows none of them is nobody's: of that nothing adds up.
func (e *Engine) actor(x *evidence.Context) *entity.Session {
	ev := x.Event
	table, key := e.sessions, entity.Key{Tenant: ev.GetTenant(), Kind: verdict.TargetSession, ID: ev.GetSession()}
	switch {
	case ev.GetSession() != "":
	case ev.GetSubject() != "":
		key.Kind, key.ID = verdict.TargetSubject, ev.GetSubject()
	default:
		table, key.Kind, key.ID = e.addresses, verdict.TargetAddress, ev.GetAddress()
	}
	s := table.Get(key)
	if s != nil {
		if key.ID == "" {
			e.spares.Session(s, s.Key, x.Now) // Nobody's events are those of many.
			s.Address = &s.Key.ID
		}
		return s
	}
	key = owned(x.Tenant, key)
	s, known := e.admit(key, x.Now)
	if known {
		return s
	}
	if x.Subject != nil {
		s.Subject = e.subjects.ID(entity.Key{Tenant: ev.GetTenant(), Kind: verdict.TargetSubject, ID: ev.GetSubject()})
	} else if key.Kind == verdict.TargetAddress {
		s.Address = &s.Key.ID
	} else {
		s.Address = new(strings.Clone(ev.GetAddress()))
	}
	if x.Subject != nil {
		e.inherit(x, s)
	}
	return s
}

// carry notes with the subject what its session is suspected of.
func (e *Engine) carry(x *evidence.Context, nats float64) {
	if x.Subject == nil {
		return
	}
	if nats >= entity.CarriedLeast || len(x.Subject.Carried()) > 0 {
		x.Subject.Carry(e.shown(x, nats))
	}
	e.settle(x, nats)
}

// shown is what the event's session shows of whose next it may be, with what it is
// suspected of.
func (e *Engine) shown(x *evidence.Context, nats float64) entity.Carried {
	name := func(s string) uint64 {
		if s == "" {
			return 0
		}
		return evidence.Hash(s)
	}
	return entity.Carried{
		Session: x.Session.Key.ID, Client: name(x.Agent.Family), Device: name(x.Event.GetDevice()),
		Prefix: name(e.collector.Names.Prefix(x.Event.GetAddress())), Nats: nats, At: x.Now,
	}
}

// inherit gives a new session the decayed suspicion of the one that it may follow:
// of the same subject, and of the same client, device or address prefix. A refresh
// washes nothing away; what has been counted is not counted again. It supports a
// step-up at most, which whoever is the owner can answer.
func (e *Engine) inherit(x *evidence.Context, s *entity.Session) {
	x.Session = s
	next := e.shown(x, 0)
	from, nats := x.Subject.Inherit(&next, x.Now, e.model.Session.HalfLife)
	if nats < entity.CarriedLeast {
		return
	}
	s.Suspicion.Decay(x.Now, e.model.Pace())
	old := e.peek(entity.Key{Tenant: x.Event.GetTenant(), Kind: verdict.TargetSession, ID: from.Session})
	anew := x.Event.GetAuthTime() != nil && x.Event.GetAuthTime().AsTime().UnixNano() > from.At
	if old == nil || old == s || old.Subject != s.Subject || anew {
		most := 0.0
		for _, g := range e.model.Ladder(model.KindOf(x.Event)) {
			if verdict.Strength(g.Action) <= verdict.Strength(verdict.ActionStepUp) {
				most = max(most, g.Threshold)
			}
		}
		nats = min(nats, float64(inherited*most))
	} else {
		old.Suspicion.Decay(x.Now, e.model.Pace())
		nats = old.Suspicion.Total(e.model.Session.Floor)
		s.Suspicion.Marks = append(s.Suspicion.Marks[:0], old.Suspicion.Marks...)
		s.Suspicion.Answered = old.Suspicion.Answered
	}
	e.spares.Pile(&s.Suspicion, 1)
	s.Suspicion.Hold(verdict.Strength(verdict.ActionStepUp), int(evidence.Network), nats)
}

// Stats says how much an engine holds.
type Stats struct {
	Sessions, Subjects, Addresses, Tenants, ASNs int
	// Detectors are those of model.anomaly, and Looked counts the events that they
	// were asked about since the engine was made.
	Detectors int
	Looked    uint64
	// Undetected counts the events that had no detector because all that
	// limits.detectors_max allows were in use.
	Undetected uint64
	// Evicted counts the entities that were pushed out at a limit, and Returned
	// those that came back from the cold store.
	Evicted, Returned uint64
	// RulesMissed counts the events for which a custom rule of the model in force
	// gave no answer, once per rule.
	RulesMissed uint64
	// Shift is the largest shift of a tenant from its shared epoch, as a population
	// stability index, and Shifted counts the tenants from [epoch.ShiftAlarm] on.
	Shift   float64
	Shifted int
	// PeerGroups are those of all tenants that have been taught, and
	// PeerGroupsDropped counts those that were forgotten because a model that knows
	// them no more came in force.
	PeerGroups        int
	PeerGroupsDropped uint64
	// EpochsMissed counts control records whose epoch nobody had offered.
	EpochsMissed uint64
	// Late counts the events whose own time was more than [entity.SkewMax] before or
	// after the stream clock, and was cut to that.
	Late uint64
	// Clock is the stream time in nanoseconds since 1970.
	Clock int64
}

// Stats returns the size of every table.
func (e *Engine) Stats() Stats {
	s := Stats{
		Sessions: e.sessions.Len(), Subjects: e.subjects.Len(), Addresses: e.addresses.Len(), Tenants: e.tenants.Len(), ASNs: e.asns.Len(),
		Evicted:   e.sessions.Evicted + e.subjects.Evicted + e.addresses.Evicted + e.tenants.Evicted + e.accounts.Evicted + e.asns.Evicted + e.custom.anomaly.Evicted(),
		Detectors: e.custom.anomaly.Len(), Looked: e.custom.anomaly.Looked, Undetected: e.custom.anomaly.Without,
		Clock: e.clock.Now(), RulesMissed: e.custom.rules.Missed(), EpochsMissed: e.epochs.missed,
		PeerGroupsDropped: e.dropped, Late: e.late, Returned: e.shelf.returned,
	}
	for _, t := range e.tenants.All {
		s.PeerGroups += t.Groups()
		shift := t.Shared.Shift()
		s.Shift = max(s.Shift, shift)
		if shift >= epoch.ShiftAlarm {
			s.Shifted++
		}
	}
	return s
}

// Active counts, by tenant, the sessions that were used within a time before now.
// It takes time in proportion to them.
func (e *Engine) Active(within time.Duration) map[string]int {
	active := make(map[string]int)
	for key, s := range e.sessions.All {
		if e.clock.Now()-s.Last > int64(within) {
			break // The others were used longer ago.
		}
		active[key.Tenant]++
	}
	return active
}

// Positions calls yield for each lane with the last sequence number seen, in a
// fixed order: this is what has been scored through.
func (e *Engine) Positions(yield func(event.Lane, uint64) bool) { e.positions.All(yield) }
