package facet

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	schema "github.com/vigil-gateway/vigil/schemas/facet"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Collector gathers what the events of one partition add to facets.
type Collector struct {
	open []*tenantCut // In the order in which the tenants appeared.
	// from is the first offset of the range, begun the stream time of the last
	// cut, and events how many were noted since.
	from, begun int64
	events      int

	list  []name          // The facets of the current event.
	names *evidence.Names // What makes their names, the engine's.
}

// tenantCut is what the range adds to one tenant's facets.
type tenantCut struct {
	tenant  string
	deltas  []*schema.FacetDelta
	index   map[name]*schema.FacetDelta
	leftOut uint64
}

// name is a facet within its tenant.
type name struct{ kind, id string }

// NewCollector returns an empty collector.
func NewCollector() *Collector { return &Collector{} }

// Note adds one event, once the first stage has looked at it and before it is
// counted in its session. names are the engine's: what an event shows has been
// named there already.
func (c *Collector) Note(x *evidence.Context, names *evidence.Names, findings []evidence.Finding) {
	c.events++
	c.names = names
	if p := x.Event.GetPhase(); p == event.PhaseTick || p == event.PhaseOpen && x.Session.Requests > 0 {
		return
	}
	switch x.Event.GetAuthOutcome() {
	case event.AuthFailure, event.AuthMFAFailure, event.AuthSuccess:
		c.signIn(x)
	}
	if x.Subject == nil {
		c.page(x)
		return
	}
	if x.Session.Requests == 0 {
		c.begin(x)
	}
	for i := range findings {
		if findings[i].Signal == evidence.NewDevice && x.Event.GetDevice() != "" && x.Session.Pending.Count(entity.Devices) > 1 {
			d := c.delta(x.Event, name{verdict.TargetDevice, x.Event.GetDevice()})
			note(&d.Moved, evidence.Hash(x.Event.GetSubject()))
			blame(d, x.Event)
		}
	}
}

// Suspended adds that the first stage has suspended the event's session, and with it
// how many sessions of its subject were so at once, all on the event's device, while
// he went on elsewhere; 0 where that is not so. The event shows a device.
func (c *Collector) Suspended(x *evidence.Context, together int) {
	d := c.delta(x.Event, name{verdict.TargetDevice, x.Event.GetDevice()})
	note(&d.Suspended, evidence.Hash(x.Session.Key.ID))
	d.Together = max(d.Together, uint32(min(together, entity.OpenSessionsMax+1)))
	blame(d, x.Event)
}

// judged reports whether the first stage holds the event's address already: what
// it does needs no second judge.
func judged(x *evidence.Context) bool {
	s := &x.Session.Suspicion
	return x.Subject == nil && s.Level > 0 && x.Now < s.LevelUntil
}

// signIn adds a sign-in to every facet that it shows.
func (c *Collector) signIn(x *evidence.Context) {
	ev := x.Event
	outcome := ev.GetAuthOutcome()
	passed := outcome == event.AuthSuccess
	if ev.GetAccount() == "" || x.Subject != nil && outcome == event.AuthMFAFailure || !passed && judged(x) {
		return // Whose second factor fails has the password.
	}
	account, network, address := evidence.Hash(ev.GetAccount()), evidence.Hash(x.Network), evidence.Hash(ev.GetAddress())
	for _, n := range c.namesOf(ev) {
		member := account
		if n.kind == verdict.TargetAccount {
			if x.Network == "" {
				continue
			}
			member = network
		}
		d := c.delta(ev, n)
		if passed {
			d.Successes++
			note(&d.Passed, member)
			continue
		}
		d.Failures++
		note(&d.Failed, member)
		note(&d.Sources, address)
		blame(d, ev)
	}
}

// begin adds the subject of a new session to the facets that others may share.
func (c *Collector) begin(x *evidence.Context) {
	ev := x.Event
	subject := evidence.Hash(ev.GetSubject())
	for _, n := range c.namesOf(ev) {
		switch n.kind {
		case verdict.TargetAccount, verdict.TargetRoute, schema.KindTenant:
			continue
		}
		d := c.delta(ev, n)
		note(&d.Users, subject)
		if n.kind == verdict.TargetClient && x.Network != "" && (ev.GetSubjectKind() == event.SubjectService || ev.GetSubjectKind() == event.SubjectAgent) {
			note(&d.Networks, evidence.Hash(x.Network))
			blame(d, ev)
		}
	}
}

// page adds a page that was sought in vain, or one that was found by who has
// sought others in vain.
func (c *Collector) page(x *evidence.Context) {
	ev := x.Event
	missing := evidence.MissingPage(ev)
	if !missing && (x.Session.Scan == nil || ev.GetStatus() == 0 || ev.GetStatus() >= 400) || judged(x) {
		return
	}
	prefix := c.names.Prefix(ev.GetAddress())
	if prefix == "" {
		return
	}
	d := c.delta(ev, name{verdict.TargetPrefix, prefix})
	if !missing {
		d.Found++
		return
	}
	note(&d.Missing, evidence.Hash(ev.GetPath()))
	note(&d.Sources, evidence.Hash(ev.GetAddress()))
	blame(d, ev)
}

// blame notes the latest event that speaks against a facet.
func blame(d *schema.FacetDelta, ev *event.RequestEvent) {
	d.Cause = strings.Clone(ev.GetId())
	d.CauseTime = &timestamppb.Timestamp{Seconds: ev.GetTime().GetSeconds(), Nanos: ev.GetTime().GetNanos()}
}

// namesOf lists the facets that an event shows, broadest first, so that a cut
// that fills up lacks the narrow ones. It is valid until the next call.
func (c *Collector) namesOf(ev *event.RequestEvent) []name {
	c.list = append(c.list[:0], name{schema.KindTenant, ""})
	for _, kind := range []string{
		verdict.TargetRoute, verdict.TargetClient, verdict.TargetJA4, verdict.TargetPrefix, verdict.TargetDevice, verdict.TargetAccount,
	} {
		if id := idOf(c.names, kind, ev); id != "" {
			c.list = append(c.list, name{kind, id})
		}
	}
	if ev.GetJa4() != "" && ev.GetAsn() != 0 {
		c.list = append(c.list, name{verdict.TargetJA4, verdict.JA4In(ev.GetJa4(), ev.GetAsn())})
	}
	return c.list
}

// idOf is the id of the facet of a kind that an event shows, "" for none.
func idOf(names *evidence.Names, kind string, ev *event.RequestEvent) string {
	switch kind {
	case verdict.TargetRoute:
		return ev.GetRoute()
	case verdict.TargetClient:
		return ev.GetClientId()
	case verdict.TargetJA4:
		return ev.GetJa4()
	case verdict.TargetPrefix:
		return names.Prefix(ev.GetAddress())
	case verdict.TargetDevice:
		return ev.GetDevice()
	case verdict.TargetAccount:
		return ev.GetAccount()
	}
	return ""
}

// Matches reports whether a verdict of the facet stage touches an event.
func Matches(t *verdict.Target, ev *event.RequestEvent) bool {
	if t.GetId() == "" {
		return false
	}
	return idOf(new(evidence.Names), t.GetKind(), ev) == t.GetId() ||
		t.GetKind() == verdict.TargetJA4 && ev.GetAsn() != 0 && verdict.JA4In(ev.GetJa4(), ev.GetAsn()) == t.GetId()
}

// delta finds or makes the delta of a facet. What does not fit is counted and
// given one that nobody reads.
func (c *Collector) delta(ev *event.RequestEvent, n name) *schema.FacetDelta {
	i := slices.IndexFunc(c.open, func(t *tenantCut) bool { return t.tenant == ev.GetTenant() })
	if i < 0 {
		i = len(c.open)
		c.open = append(c.open, &tenantCut{tenant: strings.Clone(ev.GetTenant()), index: make(map[name]*schema.FacetDelta)})
	}
	t := c.open[i]
	d := t.index[n]
	switch {
	case d != nil:
	case len(t.deltas) >= schema.DeltasMax:
		t.leftOut++
		return new(schema.FacetDelta)
	default:
		n.id = strings.Clone(n.id) // Nothing of the event is kept.
		d = &schema.FacetDelta{Kind: n.kind, Id: n.id}
		t.index[n] = d
		t.deltas = append(t.deltas, d)
	}
	return d
}

// Cut ends the range at a record where it is due, and returns one cut for each
// tenant that it adds something to.
func (c *Collector) Cut(topic string, partition int32, offset, now int64) []*schema.FacetCut {
	if c.events < CutEvents && now-c.begun < int64(CutEvery) {
		return nil
	}
	var cuts []*schema.FacetCut
	at := timestamppb.New(time.Unix(0, now))
	for _, t := range c.open {
		cuts = append(cuts, &schema.FacetCut{
			Topic: topic, Partition: partition, FirstOffset: min(c.from, offset), LastOffset: offset, Time: at,
			Tenant: t.tenant, Deltas: t.deltas, LeftOut: t.leftOut,
		})
	}
	c.open, c.from, c.begun, c.events = nil, offset+1, now, 0
	return cuts
}

// Code writes or reads what has been gathered since the last cut.
func (c *Collector) Code(k *snapshot.Codec) {
	snapshot.List(k, &c.open, func(t **tenantCut) {
		if k.Reading() {
			*t = &tenantCut{index: make(map[name]*schema.FacetDelta)}
		}
		k.Str(&(*t).tenant)
		k.U64(&(*t).leftOut)
		snapshot.List(k, &(*t).deltas, func(d **schema.FacetDelta) {
			if k.Reading() {
				*d = new(schema.FacetDelta)
			}
			codeDelta(k, *d)
			(*t).index[name{(*d).Kind, (*d).Id}] = *d
		})
	})
	k.I64(&c.from)
	k.I64(&c.begun)
	k.Int(&c.events)
}

func codeDelta(k *snapshot.Codec, d *schema.FacetDelta) {
	k.Str(&d.Kind)
	k.Str(&d.Id)
	for _, n := range []*uint32{&d.Failures, &d.Successes, &d.Found, &d.Together} {
		v := uint64(*n)
		k.U64(&v)
		*n = uint32(v)
	}
	for _, s := range []*[]uint64{&d.Failed, &d.Passed, &d.Sources, &d.Users, &d.Moved, &d.Networks, &d.Missing, &d.Suspended} {
		snapshot.List(k, s, k.U64)
	}
	k.Str(&d.Cause)
	timed := d.CauseTime != nil
	seconds, nanos := d.CauseTime.GetSeconds(), int64(d.CauseTime.GetNanos()) // An event may name a year that no int64 of nanoseconds holds.
	k.Bool(&timed)
	k.I64(&seconds)
	k.I64(&nanos)
	if k.Reading() && timed {
		d.CauseTime = &timestamppb.Timestamp{Seconds: seconds, Nanos: int32(nanos)}
	}
}
