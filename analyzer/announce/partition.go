package announce

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/judge"
)

// Finding is a proposal with what only the runtime knows about it.
type Finding struct {
	Proposal judge.Proposal
	// Clock is the partition's stream time when it was judged; zero falls back
	// to the event's own time.
	Clock time.Time
	// Parent is the span in which the event was assessed.
	Parent trace.SpanContext

	released bool      // A person has let it go: it waits for nobody and is not weakened.
	limit    string    // What holds it, where it waits.
	heldAt   time.Time // Since when, by the wall clock.
	kid      string    // The key under which the control topic knows it.
}

// Partition is one owned partition of vigil.verdicts. See the package for its
// laws; made by [Announcer.Adopt].
type Partition struct {
	announcer *Announcer
	stage     Stage
	number    int
	topicID   string // Of the topic that is judged, "" where the broker gives none.
	epoch     uint64
	unread    []int         // The partitions of which some could not be read at adoption.
	wake      chan struct{} // A lane has moved.
	awaited   chan struct{} // And somebody waits to hear of it.

	mu      gate // Guards what follows, and the order of records in the partition.
	seq     uint64
	entries map[target]entry
	held    []Finding // What waits for a person, oldest first.
	holding []Finding // Of these, those that the control topic does not know yet.
	unheld  [][]byte  // Keys there of those that wait no longer.
	unheard bool      // What waits could not be read, and what would end sessions waits until it is.
	unkept  bool      // Holding and unheld could not be written, and Run does it.
	// vouched are, while unkept, the targets whose records in the verdicts topic carry
	// what waits of them.
	vouched map[target]bool
	beside  map[target][]byte // What verdicts carried at adoption, until it is held.
	bearing map[target]bool   // The targets whose last records carry what waits, or has waited.

	sums    map[target]uint64 // Of the records of what stands.
	last    map[target]uint64 // Of the last records under keys, until they are compared. Of watch alone.
	watched int64             // Up to where that is read.
	spoken  *spoken

	resigned string // The key under which all that is in force stands in the topic; "" at first.

	lanes     sync.Mutex // Guards what follows.
	positions event.Positions
	reads     uint64                // Counts the calls of Scored.
	changed   map[event.Lane]uint64 // Since which of them lanes wait to be told.
	told      event.Lane            // The last lane that a full heartbeat has named.
}

// Epoch is the epoch of this ownership.
func (p *Partition) Epoch() uint64 { return p.epoch }

// Announce folds findings, in the order of their records, and writes what
// follows from them. When it returns nil, every verdict is acknowledged. After
// an error the partition has to be adopted again.
func (p *Partition) Announce(ctx context.Context, findings []Finding) error {
	if len(findings) == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.announce(ctx, findings, p.announcer.now())
}

// announce is Announce for who holds the lock.
func (p *Partition) announce(ctx context.Context, findings []Finding, now time.Time) error {
	var out []*verdict.Verdict
	var spans []trace.Span
	for _, f := range findings {
		if kind := f.Proposal.Target.GetKind(); !p.stage.Owns(kind) {
			p.announcer.metrics.withheld.Add(ctx, 1, metric.WithAttributes(attribute.String("reason", reasonForeign)))
			p.announcer.logger.ErrorContext(ctx, "a stage has judged what is not its own", "stage", p.stage.Authority, "target_kind", kind)
			continue
		}
		if f.Proposal.Shadow {
			p.announcer.metrics.withheld.Add(ctx, 1, metric.WithAttributes(attribute.String("reason", reasonShadow)))
			continue
		}
		v, span := p.fold(ctx, f, now)
		if v != nil {
			out, spans = append(out, v), append(spans, span)
		}
	}
	err := p.write(ctx, out)
	for i, span := range spans {
		if err != nil {
			span.RecordError(err)
		}
		span.End()
		if err == nil {
			p.measure(ctx, out[i])
		}
	}
	if err != nil {
		return fmt.Errorf("announce %d verdicts in partition %d: %w", len(out), p.number, err)
	}
	return p.keep(ctx)
}

// fold returns the numbered verdict that a finding brings about and the span
// that has begun for it; nil where nothing new is to be said.
func (p *Partition) fold(ctx context.Context, f Finding, now time.Time) (*verdict.Verdict, trace.Span) {
	a := p.announcer
	v := p.propose(f, now)
	if v.Action != f.Proposal.Action {
		a.metrics.capped.Add(ctx, 1)
	}
	key := targetOf(v)
	e, _ := p.entry(key)
	next, out, reason := e.decide(v, now)
	if out != nil && !f.Proposal.Hard && !f.released && p.waits(ctx, &f, out, now) {
		next, out, reason = e.decide(provisional(v, clockOf(&f)), now)
		if out == nil {
			reason = reasonHeld
		}
	}
	if out == nil {
		a.metrics.withheld.Add(ctx, 1, metric.WithAttributes(attribute.String("reason", reason)))
		if reason == reasonWeaker || reason == reasonNoGain {
			p.remember(ctx, key, next, now)
		}
		return nil, nil
	}
	_, span := a.tracer.Start(trace.ContextWithSpanContext(ctx, f.Parent), "announce", trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(attribute.String("vigil.verdict.id", out.Id), attribute.String("vigil.verdict.action", out.Action)))
	out.Cause.Traceparent = traceparent(span.SpanContext())
	if out.Cause.Traceparent == "" {
		out.Cause.Traceparent = traceparent(f.Parent)
	}
	p.place(out, now)
	p.remember(ctx, key, next.announced(out), now)
	return out, span
}

// entry is what is known of a target, which may come from the partition that it was
// judged in before the number of partitions was raised.
func (p *Partition) entry(key target) (e entry, known bool) {
	e, known = p.entries[key]
	if known {
		return e, true
	}
	v := p.announcer.past.stood(key, p.number)
	if v == nil || !p.stage.Owns(key.kind) {
		return entry{judged: -1}, false
	}
	return recalled(v, int32(p.number), p.topicID, 0), true
}

// waits reports whether a verdict that ends sessions has to wait for a person.
func (p *Partition) waits(ctx context.Context, f *Finding, out *verdict.Verdict, now time.Time) bool {
	a := p.announcer
	if verdict.Strength(out.Action) < verdict.Strength(verdict.ActionRevoke) {
		return false
	}
	group := groupOf(f)
	switch {
	case p.unheard:
		p.hold(ctx, *f, LimitUnread, now)
	case !a.guard.allow(p.stage, out, group, clockOf(f)):
		p.hold(ctx, *f, LimitBlastRadius, now)
		a.logger.ErrorContext(ctx, "alarm: too many of the active sessions would end, a verdict waits for a person",
			"partition", p.number, "tenant", out.Tenant, "group", group, "verdict", out.Id, "share", a.config.BlastRadius.Share)
	case !a.fuse.allow(out.Tenant, now):
		p.hold(ctx, *f, LimitRate, now)
		a.logger.ErrorContext(ctx, "alarm: too many revokes, a verdict waits for a person",
			"partition", p.number, "tenant", out.Tenant, "verdict", out.Id, "limit_per_minute", a.config.RevokesPerMinute)
	default:
		return false
	}
	a.metrics.held.Add(ctx, 1)
	return true
}

// propose turns a finding into a verdict without its place in the order. The
// action of an old event is capped, unless it has waited here: who was away for an hour
// should prove himself, not be thrown out for what is long over.
func (p *Partition) propose(f Finding, now time.Time) *verdict.Verdict {
	j := f.Proposal
	clock := clockOf(&f)
	action := j.Action
	if !j.Hard && f.heldAt.IsZero() && now.Sub(clock) > p.announcer.config.CatchUpAge && verdict.Strength(action) > verdict.Strength(verdict.ActionStepUp) {
		action = verdict.ActionStepUp
	}
	v := &verdict.Verdict{
		Id: j.ID, Tenant: j.Tenant, Target: j.Target, Action: action, Until: timestamppb.New(j.Until),
		Score: j.Score, Evidence: strongest(j.Evidence), Model: j.Model, Origin: "model",
		Authority: cmp.Or(j.Authority, authorityOf(j.Target.GetKind())), PublicText: j.PublicText, OperatorText: j.OperatorText,
		SupportCode: event.SupportCode(j.ID), Subject: j.Subject,
		Cause: &verdict.Cause{
			EventId: j.EventID, Topic: p.stage.Topic, TopicId: p.topicID, Partition: int32(p.number), Offset: j.Offset,
			EventTime: timestamppb.New(j.EventTime),
		},
	}
	if !j.NotBefore.IsZero() {
		v.NotBefore = timestamppb.New(j.NotBefore)
	}
	return v
}

// Control folds a control event of the requests partition: a restore makes the
// fold forget, and says so in the topic. Other control events are nothing here,
// and one without an operator's signature has no effect but a counter.
func (p *Partition) Control(ctx context.Context, ev *event.RequestEvent, offset int64) error {
	if ev.GetKind() != event.KindControl || ev.GetReason() != event.ReasonClear {
		return nil
	}
	op, err := p.announcer.cleared(ev)
	if err != nil {
		p.announcer.metrics.disbelieved.Add(ctx, 1)
		p.announcer.logger.WarnContext(ctx, "a clear is not believed", "partition", p.number, "offset", offset, "error", err)
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.announcer.now()
	p.drop(func(f *Finding) bool { // Whoever is restored is not to be ended by what was judged before.
		t := f.Proposal.Target
		return f.Proposal.Offset < offset && f.Proposal.Tenant == op.Tenant && t.GetKind() == op.Target.GetKind() && t.GetId() == op.Target.GetId()
	})
	var out []*verdict.Verdict
	for _, c := range op.Clears {
		key := target{op.Tenant, op.Target.GetKind(), op.Target.GetId(), c.Authority}
		e, known := p.entry(key)
		if !known || e.stands == nil || !p.stage.Owns(key.kind) || verdict.Later(e.stands.Epoch, e.stands.Seq, c.Epoch, c.Seq) || e.judged >= offset {
			continue // Nothing of ours, or said after the operator looked.
		}
		v := &verdict.Verdict{
			Id: op.Id + "." + c.Authority, Tenant: op.Tenant, Target: op.Target,
			Action: verdict.ActionObserve, Until: timestamppb.New(now.Add(clearedFor)), Authority: c.Authority, Origin: "model",
			Subject: e.stands.Subject, Cause: &verdict.Cause{EventId: ev.Id, Topic: p.stage.Topic, TopicId: p.topicID, Partition: int32(p.number), Offset: offset, EventTime: ev.Time},
		}
		p.place(v, now)
		p.remember(ctx, key, entry{judged: -1}.announced(v), now)
		out = append(out, v)
	}
	err = p.write(ctx, out)
	if err != nil {
		return fmt.Errorf("clear in partition %d: %w", p.number, err)
	}
	return p.keep(ctx)
}

// place gives a verdict its place: the next sequence number of this epoch.
func (p *Partition) place(v *verdict.Verdict, now time.Time) {
	p.seq++
	v.Epoch, v.Seq, v.Time = p.epoch, p.seq, timestamppb.New(now)
}

// again says what stands of a target once more: last in the order, and at its own time,
// for who has proved himself since need not do so again.
func (p *Partition) again(key target) *verdict.Verdict {
	e := p.entries[key]
	v := cloned(e.stands)
	p.place(v, e.stands.Time.AsTime())
	e.stands = v
	p.entries[key] = e
	return v
}

// write signs and writes verdicts as one batch, with what waits of their targets where
// the control topic cannot be told of it.
func (p *Partition) write(ctx context.Context, list []*verdict.Verdict) error {
	records := make([]Record, len(list))
	bears := make([]bool, len(list))
	for i, v := range list {
		env, err := p.announcer.signer.Verdict(v)
		if err != nil {
			return fmt.Errorf("verdict %s: %w", v.Id, err)
		}
		records[i] = Record{
			Key: topic.VerdictKey(v.Tenant, v.Target.GetKind(), v.Target.GetId(), v.Authority), Value: env,
			Headers: cloudevent.Attributes{
				ID: v.Id, Source: source, Type: cloudevent.TypeVerdict, Time: v.Time.AsTime(),
				ContentType: cloudevent.JOSE, TraceParent: v.Cause.GetTraceparent(),
			}.Headers(),
		}
		if p.unkept {
			bears[i], err = p.carry(&records[i], targetOf(v))
			if err != nil {
				return err
			}
		}
	}
	err := p.announcer.writer.Write(ctx, topic.Verdicts, p.number, records...)
	if err != nil {
		return err
	}
	for i, v := range list {
		p.sums[targetOf(v)] = p.sum(records[i].Value)
		delete(p.bearing, targetOf(v))
		if bears[i] {
			p.bearing[targetOf(v)] = true
		}
	}
	return nil
}

// measure counts an acknowledged verdict and how long it took.
func (p *Partition) measure(ctx context.Context, v *verdict.Verdict) {
	a := p.announcer
	a.metrics.announced.Add(ctx, 1, metric.WithAttributes(attribute.String("action", v.Action), attribute.String("authority", v.Authority)))
	took := a.now().Sub(v.Cause.EventTime.AsTime())
	a.metrics.lag.Record(ctx, took.Seconds())
	a.logger.InfoContext(ctx, "verdict announced", "verdict", v.Id, "action", v.Action, "target_kind", v.Target.GetKind(),
		"partition", p.number, "epoch", v.Epoch, "seq", v.Seq, "score", v.Score, "after", took, "trace", v.Cause.Traceparent)
}

// remember stores an entry within targetsMax.
func (p *Partition) remember(ctx context.Context, key target, e entry, now time.Time) {
	_, known := p.entries[key]
	if !known && len(p.entries) >= targetsMax {
		p.forget(ctx, now)
	}
	p.entries[key] = e
}

// forget makes room for a tenth of the targets: the ones that lapse first.
func (p *Partition) forget(ctx context.Context, now time.Time) {
	type end struct {
		key   target
		until time.Time
	}
	ends := make([]end, 0, len(p.entries))
	for k, e := range p.entries {
		until := now
		if e.stands != nil {
			until = e.stands.Until.AsTime()
		}
		ends = append(ends, end{k, until})
	}
	slices.SortFunc(ends, func(a, b end) int { return a.until.Compare(b.until) })
	for _, x := range ends[:len(ends)/10] {
		delete(p.entries, x.key)
		delete(p.sums, x.key)
	}
	p.announcer.metrics.forgotten.Add(ctx, int64(len(ends)/10))
}

// recall folds one record that stands in the topic and that one of our keys has signed.
// Only authorities that an analyzer writes count.
func (p *Partition) recall(msg verdict.Message, end int64) {
	if h := msg.Heartbeat; h != nil {
		if h.Authority == p.stage.Authority {
			p.epoch = max(p.epoch, h.Epoch)
		}
		return
	}
	v := msg.Verdict
	if v.Authority != verdict.AuthoritySubject && v.Authority != verdict.AuthorityFacet || !p.stage.Owns(v.Target.GetKind()) {
		return // An operator's, or the other stage's: epochs of its own.
	}
	p.epoch = max(p.epoch, v.Epoch)
	key := targetOf(v)
	old := p.entries[key].stands
	if old != nil && verdict.Later(old.Epoch, old.Seq, v.Epoch, v.Seq) {
		return // A predecessor wrote after it had lost the partition.
	}
	if len(p.entries) < targetsMax || old != nil {
		p.entries[key] = recalled(v, int32(p.number), p.topicID, end)
	}
}

func targetOf(v *verdict.Verdict) target {
	return target{v.Tenant, v.Target.GetKind(), v.Target.GetId(), v.Authority}
}

// authorityOf is who judges a kind of target.
func authorityOf(kind string) string {
	switch kind {
	case verdict.TargetSession, verdict.TargetSubject, verdict.TargetToken:
		return verdict.AuthoritySubject
	}
	return verdict.AuthorityFacet
}

// strongest is the evidence that speaks loudest, facts first, at most evidenceMax.
func strongest(list []*verdict.Evidence) []*verdict.Evidence {
	if len(list) <= evidenceMax {
		return list
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *verdict.Evidence) int {
		switch {
		case a.Hard != b.Hard && a.Hard:
			return -1
		case a.Hard != b.Hard:
			return 1
		case a.Nats > b.Nats:
			return -1
		case a.Nats < b.Nats:
			return 1
		}
		return 0
	})
	return list[:evidenceMax]
}

// traceparent is the W3C form of a span, "" for none.
func traceparent(sc trace.SpanContext) string {
	if !sc.IsValid() {
		return ""
	}
	return "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-" + sc.TraceFlags().String()
}
