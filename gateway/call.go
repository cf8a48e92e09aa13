package gateway

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/gateway/guard"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/listen"
	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/gateway/origin"
	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/gateway/release"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// call is one request on its way, and the event that accounts for it.
type call struct {
	gateway *Gateway
	began   time.Time
	id      string
	span    trace.Span
	// traceparent is the W3C form of the span's context, empty where it has none.
	traceparent string
	event       *event.RequestEvent
	signIn      *route.SignIn      // Nil where the route is none.
	caller      *identity.Identity // Nil for nobody.
	action      string             // Of the verdict in force, empty without one.
	lasted      bool               // It is a stream.
	place       release.Place      // Of the event that its response waits for.
	intent      emit.Intent        // Of which a crash leaves an event.
	intended    bool               // It was asked for.
	address     netip.Addr         // Where it comes from.
	share       guard.Hold         // Of its address.
	unhold      func()             // Lets its session's renewal go, nil where it is not held.
	visit       *session.Visit     // Nil before it is listed, then listed.
	listed      session.Visit
	// unwatch stops its client's leaving from ending it, nil where nothing can. detached
	// says that it goes on without its handler.
	unwatch  func() bool
	detached bool

	// admitted is the visit's context, nil where the request was refused; it may be
	// forwarded to what it matches.
	admitted context.Context //nolint:containedctx // It lives as long as its request.
	match    route.Match

	route    *route.Route    // Nil before it is known.
	presence *login.Presence // Nil for whoever has not signed in here.
	from     login.Visitor   // Who sends it, as far as the network shows.
	newUntil time.Time       // Until then it comes from a place that is new to its session.
}

// newEvent is what is known of every request. Attributes that clients choose
// are cut to size by the emitter.
func (g *Gateway) newEvent(r *http.Request, id string, at time.Time, o origin.Origin) *event.RequestEvent {
	e, ok := g.events.Get().(*event.RequestEvent)
	if !ok {
		e = new(event.RequestEvent)
	}
	*e = event.RequestEvent{
		Kind: event.KindRequest, Id: id, Time: timestamppb.New(at), Phase: event.PhaseComplete, RequestId: id,
		Tenant: g.config.Tenant, Region: g.config.Region, Binding: event.BindingNone, AuthMethod: "none",
		Asn: o.ASN, AsOrg: o.ASOrg, Country: o.Country, NetworkTags: o.Tags,
		UserAgent: r.UserAgent(), Method: r.Method, Host: strings.ToLower(r.Host), Path: r.URL.Path,
		AuthOutcome: event.AuthNone, Stream: event.StreamRequest, Ja4: g.origin.JA4(r, listen.JA4(r.Context())),
	}
	if o.Address.IsValid() {
		e.Address = o.Address.String()
	}
	if o.HasLocation {
		e.Latitude, e.Longitude, e.AccuracyRadiusKm = &o.Latitude, &o.Longitude, o.AccuracyKM
	}
	return e
}

// routed notes what the request is for.
func (c *call) routed(m route.Match) {
	c.event.Route, c.event.Template, c.event.Resource, c.event.Path = m.Route.ID, m.Template, m.Resource, m.Path
	c.event.Sensitivity = m.Route.Sensitivity
	c.route, c.signIn = m.Route, m.Route.SignIn
}

// identified notes who it acts for.
func (c *call) identified(id *identity.Identity) {
	if id == nil {
		return
	}
	c.caller = id
	e := c.event
	e.Tenant, e.Issuer, e.Subject, e.Session, e.TokenId, e.ClientId = id.Tenant, id.Issuer, id.Subject, id.Session, id.TokenID, id.ClientID
	e.Acr, e.Amr, e.Binding, e.AuthMethod, e.SubjectKind = id.ACR, id.AMR, id.Binding, id.Method, id.Kind
	if id.Device != "" {
		e.Device = id.Device
	}
	setAttribute(e, event.AttributeActor, id.Actor)
	setAttribute(e, event.AttributeRoles, strings.Join(id.Roles, ","))
	if !id.AuthTime.IsZero() {
		e.AuthTime = timestamppb.New(id.AuthTime)
	}
}

// setAttribute notes what has no field of its own, unless it is empty.
func setAttribute(e *event.RequestEvent, name, value string) {
	if value == "" {
		return
	}
	if e.Attributes == nil {
		e.Attributes = make(map[string]string)
	}
	e.Attributes[name] = value
}

// who is the visitor as verdicts may name him.
func (c *call) who(id *identity.Identity, o *origin.Origin) session.Who {
	w := session.Who{Tenant: c.event.Tenant, Address: o.Address, ASN: o.ASN, Account: c.event.Account, JA4: c.event.Ja4, Device: c.event.Device}
	if id != nil {
		w.Subject, w.Session, w.TokenID, w.ClientID, w.SubjectKind = id.Subject, id.Session, id.TokenID, id.ClientID, id.Kind
		w.LinkedAccount = id.LinkedAccount
		w.Aliases, w.AuthTime, w.IssuedAt, w.Assumed = id.Aliases, id.AuthTime, id.IssuedAt, id.Assumed
	}
	return w
}

// supportCode leads from what a client was told to what happened: to the
// verdict where there is one, else to the request.
func (c *call) supportCode(v *verdict.Verdict) string {
	switch {
	case v == nil:
		return event.SupportCode(c.id)
	case v.GetSupportCode() != "":
		return v.GetSupportCode()
	}
	return event.SupportCode(v.GetId())
}

// Open emits the event by which a stream begins, or that a response waits for. It
// implements proxy.Observer.
func (c *call) Open(p proxy.Progress) {
	c.progress(event.PhaseOpen, p)
	c.gateway.emitter.Lasts(c.intent)
}

// Tick emits the event of a stream's progress. It implements proxy.Observer.
func (c *call) Tick(p proxy.Progress) { c.progress(event.PhaseTick, p) }

// Ends is the end of the credential by which the call was let in, zero where it may
// outlive that. It implements proxy.Observer.
func (c *call) Ends() time.Time {
	if c.caller == nil || c.route.Outlives {
		return time.Time{}
	}
	return c.caller.Expires
}

func (c *call) progress(phase string, p proxy.Progress) {
	now := c.gateway.now()
	e := event.RequestEventFromVTPool() // A hundred thousand streams tick every few seconds.
	defer e.ReturnToVTPool()
	proto.Merge(e, c.event)
	e.Id, e.Phase, e.Time = newID(), phase, timestamppb.New(now)
	e.Decision, e.Stream, e.Status = event.DecisionPermit, p.Stream, uint32(p.Status)
	e.Sensitivity = route.Stricter(e.Sensitivity, p.Sensitivity)
	e.BytesIn, e.BytesOut, e.DurationUs = p.BytesIn, p.BytesOut, uint64(max(now.Sub(c.began).Microseconds(), 0))
	if p.Announced > 0 {
		setAttribute(e, event.AttributeAnnounced, strconv.FormatUint(p.Announced, 10))
	}
	c.lasted = c.lasted || p.Lasts
	if p.Awaited {
		setAttribute(e, event.AttributeHeld, "true")
	}
	sent := c.gateway.emitter.Conclude(emit.Intent{Care: c.intent.Care}, e, c.traceparent) // Its end is to come.
	if p.Awaited && sent {
		c.place = release.Place{Lane: e.Lane, Seq: e.Seq}
	}
}

// refused notes an answer of the gateway's own.
func (c *call) refused(decision string, p problem.Problem) {
	c.event.Decision, c.event.Reason, c.event.Status, c.event.SupportCode = decision, p.Code, uint32(p.Status), p.SupportCode
}

// ended notes how a forwarded request ended.
func (c *call) ended(out *proxy.Outcome) {
	e := c.event
	e.Decision, e.Reason, e.Status, e.Stream = event.DecisionPermit, out.Reason, uint32(out.Status), out.Stream
	e.BytesIn, e.BytesOut = out.BytesIn, out.BytesOut
	e.Sensitivity = route.Stricter(e.Sensitivity, out.Sensitivity)
	if out.Cut != nil && !out.Cut.Expired { // An end that everybody knew of is no decision about him.
		e.Decision, e.SupportCode = event.DecisionCut, c.supportCode(out.Cut.Verdict)
	} else if out.Reason != "" {
		e.SupportCode = event.SupportCode(c.id)
	}
	if out.Decision != "" {
		e.Decision = out.Decision
	}
	if out.Lasted {
		e.Phase = event.PhaseClose
	}
	if c.signIn != nil && out.Reason == "" {
		e.AuthOutcome = c.signIn.Outcome(out.Status)
	}
}

// finish emits the one terminal event.
func (c *call) finish() {
	now := c.gateway.now()
	e := c.event
	if e.Phase == event.PhaseClose {
		e.Id, e.Time = newID(), timestamppb.New(now)
	}
	e.DurationUs = uint64(max(now.Sub(c.began).Microseconds(), 0))
	if c.traceparent != "" {
		_, after, _ := strings.Cut(c.traceparent, "-")
		e.TraceId, _, _ = strings.Cut(after, "-")
	}
	c.endSpan()
	if recorded {
		c.gateway.emitter.Conclude(c.intent, e, c.traceparent)
	}
}
