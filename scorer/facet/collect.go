package facet

import (
	"strings"
	"time"
	"unsafe"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	schema "github.com/vigil-gateway/vigil/schemas/facet"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Collector gathers what the events of one partition add to facets. Facets come
// again from cut to cut, so their deltas are kept and filled anew.
type Collector struct {
	open []*tenantCut // In the order in which the tenants appeared.
	// from is the first offset of the range, begun the stream time of the last
	// cut, and events how many were noted since.
	from, begun int64
	events      int

	list  []name          // The facets of the current event.
	names *evidence.Names // What makes their names, the engine's.

	// number counts the ranges, and kept holds the facets of this one and of some
	// before it, at most keptMax beyond those of this one. spare are those that
	// were dropped.
	number uint64
	kept   map[tenantName]*gathered
	spare  []*gathered
	// What the last call of Cut returned.
	cuts []*schema.FacetCut
	at   timestamppb.Timestamp
}

// tenantCut is what the range adds to one tenant's facets.
type tenantCut struct {
	tenant  string
	deltas  []*schema.FacetDelta
	leftOut uint64
	cut     schema.FacetCut
}

// gathered is what the latest range that showed a facet adds to it.
type gathered struct {
	delta  schema.FacetDelta
	number uint64 // Of that range.
	// What the cause of the delta points to.
	cause     []byte
	causeTime timestamppb.Timestamp
}

// name is a facet within its tenant.
type name struct{ kind, id string }

type tenantName struct {
	tenant string
	name
}

// NewCollector returns an empty collector.
func NewCollector() *Collector { return &Collector{kept: make(map[tenantName]*gathered)} }

// Restart forgets what has been gathered since the last cut, at a clock that was
// wrong. The next cut still begins where the last one ended.
func (c *Collector) Restart() {
	from := c.from
	*c = *NewCollector()
	c.from = from
}

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
			g := c.of(x.Event, name{verdict.TargetDevice, x.Event.GetDevice()})
			note(&g.delta.Moved, evidence.Hash(x.Event.GetSubject()))
			g.blame(x.Event)
		}
	}
}

// Suspended adds that the first stage has suspended the event's session, and with it
// how many sessions of its subject were so at once, all on the event's device, while
// he went on elsewhere; 0 where that is not so. The event shows a device.
func (c *Collector) Suspended(x *evidence.Context, together int) {
	g := c.of(x.Event, name{verdict.TargetDevice, x.Event.GetDevice()})
	d := &g.delta
	note(&d.Suspended, evidence.Hash(x.Session.Key.ID))
	d.Together = max(d.Together, uint32(min(together, entity.OpenSessionsMax+1)))
	g.blame(x.Event)
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
		g := c.of(ev, n)
		d := &g.delta
		if passed {
			d.Successes++
			note(&d.Passed, member)
			continue
		}
		d.Failures++
		note(&d.Failed, member)
		note(&d.Sources, address)
		g.blame(ev)
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
		g := c.of(ev, n)
		note(&g.delta.Users, subject)
		if n.kind == verdict.TargetClient && x.Network != "" && (ev.GetSubjectKind() == event.SubjectService || ev.GetSubjectKind() == event.SubjectAgent) {
			note(&g.delta.Networks, evidence.Hash(x.Network))
			g.blame(ev)
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
	g := c.of(ev, name{verdict.TargetPrefix, prefix})
	d := &g.delta
	if !missing {
		d.Found++
		return
	}
	note(&d.Missing, evidence.Hash(ev.GetPath()))
	note(&d.Sources, evidence.Hash(ev.GetAddress()))
	g.blame(ev)
}

// blame notes the latest event that speaks against a facet.
func (g *gathered) blame(ev *event.RequestEvent) {
	g.cause = append(g.cause[:0], ev.GetId()...)
	g.causeTime.Seconds, g.causeTime.Nanos = ev.GetTime().GetSeconds(), ev.GetTime().GetNanos()
	g.delta.Cause = unsafe.String(unsafe.SliceData(g.cause), len(g.cause)) //nolint:gosec // Written again with the delta only.
	g.delta.CauseTime = &g.causeTime
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
		c.list = append(c.list, name{verdict.TargetJA4, c.names.JA4In(ev.GetJa4(), ev.GetAsn())})
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

// of finds or makes what the range adds to a facet. What does not fit is counted
// and given one that nobody reads.
func (c *Collector) of(ev *event.RequestEvent, n name) *gathered {
	t := c.tenant(ev.GetTenant())
	key := tenantName{t.tenant, n}
	g := c.kept[key]
	if g != nil && g.number == c.number {
		return g
	}
	if len(t.deltas) >= schema.DeltasMax {
		t.leftOut++
		return new(gathered)
	}
	if g == nil {
		key.id = strings.Clone(n.id) // Nothing of the event is kept.
		g = c.make(key)
	}
	g.begin(c.number)
	t.deltas = append(t.deltas, &g.delta)
	return g
}

// tenant finds or makes the cut of a tenant.
func (c *Collector) tenant(name string) *tenantCut {
	for _, t := range c.open {
		if t.tenant == name {
			return t
		}
	}
	if len(c.open) < cap(c.open) {
		c.open = c.open[:len(c.open)+1] // One of an earlier range, most often of the same tenant.
	} else {
		c.open = append(c.open, nil)
	}
	last := &c.open[len(c.open)-1]
	if *last == nil {
		*last = new(tenantCut)
	}
	t := *last
	t.deltas, t.leftOut = t.deltas[:0], 0
	if t.tenant != name {
		t.tenant = c.names.Own(name)
	}
	return t
}

// make makes a facet that is not kept, and drops those of other ranges where too
// many are.
func (c *Collector) make(key tenantName) *gathered {
	if len(c.kept) >= keptMax && len(c.spare) == 0 {
		for k, old := range c.kept { // In any order: it decides which memory is used again, and nothing else.
			if old.number != c.number {
				delete(c.kept, k)
				c.spare = append(c.spare, old)
			}
		}
	}
	g := new(gathered)
	if n := len(c.spare); n > 0 {
		g, c.spare = c.spare[n-1], c.spare[:n-1]
	}
	g.delta.Kind, g.delta.Id = key.kind, key.id
	c.kept[key] = g
	return g
}

// begin empties a delta for another range.
func (g *gathered) begin(number uint64) {
	g.number = number
	d := &g.delta
	d.Failures, d.Successes, d.Found, d.Together, d.Cause, d.CauseTime = 0, 0, 0, 0, "", nil
	for _, s := range sketches(d) {
		*s = (*s)[:0]
	}
}

func sketches(d *schema.FacetDelta) [8]*[]uint64 {
	return [...]*[]uint64{&d.Failed, &d.Passed, &d.Sources, &d.Users, &d.Moved, &d.Networks, &d.Missing, &d.Suspended}
}

// Cut ends the range at a record where it is due, and returns one cut for each
// tenant that it adds something to, valid until the next record; see [CloneCut].
func (c *Collector) Cut(topic string, partition int32, offset, now int64) []*schema.FacetCut {
	if c.events < CutEvents && now-c.begun < int64(CutEvery) {
		return nil
	}
	c.cuts = c.cuts[:0]
	c.at.Seconds, c.at.Nanos = seconds(now)
	for _, t := range c.open {
		f := &t.cut
		f.Topic, f.Partition, f.FirstOffset, f.LastOffset, f.Time = topic, partition, min(c.from, offset), offset, &c.at
		f.Tenant, f.Deltas, f.LeftOut, f.TopicId = t.tenant, t.deltas, t.leftOut, ""
		c.cuts = append(c.cuts, f)
	}
	c.open, c.from, c.begun, c.events = c.open[:0], offset+1, now, 0
	c.number++
	return c.cuts
}

// CloneCut is a copy of what [Collector.Cut] returned, for who keeps it beyond the
// next record. That of package proto shares the memory of the causes.
func CloneCut(c *schema.FacetCut) *schema.FacetCut {
	own := proto.CloneOf(c)
	for _, d := range own.GetDeltas() {
		d.Cause = strings.Clone(d.GetCause())
	}
	return own
}

// seconds splits a time in nanoseconds as a timestamp does.
func seconds(now int64) (whole int64, nanos int32) {
	t := time.Unix(0, now)
	return t.Unix(), int32(t.Nanosecond())
}

// Code writes or reads what has been gathered since the last cut.
func (c *Collector) Code(k *snapshot.Codec) {
	snapshot.List(k, &c.open, func(t **tenantCut) {
		if k.Reading() {
			*t = new(tenantCut)
		}
		k.Str(&(*t).tenant)
		k.U64(&(*t).leftOut)
		snapshot.List(k, &(*t).deltas, func(d **schema.FacetDelta) {
			if !k.Reading() {
				codeDelta(k, *d)
				return
			}
			g := &gathered{number: c.number}
			codeDelta(k, &g.delta)
			*d = &g.delta
			c.kept[tenantName{(*t).tenant, name{g.delta.Kind, g.delta.Id}}] = g
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
	for _, s := range sketches(d) {
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
