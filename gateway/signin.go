package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/gateway/admit"
	"github.com/vigil-gateway/vigil/gateway/guard"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/gateway/origin"
	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// buildLogin makes the part that signs people in, where any provider is configured.
func (g *Gateway) buildLogin(o Options) error {
	if !o.Config.Login.Enabled() {
		return nil
	}
	var err error
	g.login, err = login.New(login.Options{
		Config: o.Config.Login, Gateway: o.Config.ID, Names: g.names, Judge: g.table, Report: g.report,
		Logger: o.Logger, Meter: o.Meter, Now: o.Now,
	})
	return err //nolint:wrapcheck // Names its package.
}

// match finds what a request is for: one of our own pages, or a route. Below the
// prefix of our own pages there are no others, however the path is spelt.
func (g *Gateway) match(in *rules, r *http.Request) (route.Match, error) {
	if g.login == nil {
		return in.routes.Match(r) //nolint:wrapcheck // From maps it.
	}
	m, ours, err := g.login.Match(r)
	if ours {
		return m, err //nolint:wrapcheck // From maps it.
	}
	m, err = in.routes.Match(r)
	if err == nil && g.login.Reserved(m.Path) {
		return route.Match{}, route.ErrNoRoute
	}
	return m, err //nolint:wrapcheck // From maps it.
}

// visitor notes who sends the request, as far as the network and a device cookie show.
func (c *call) visitor(r *http.Request, o origin.Origin) {
	l := c.gateway.login
	if l == nil {
		return
	}
	if c.event.Device == "" {
		c.event.Device = l.Device(r)
	}
	c.from = login.Visitor{Origin: o, UserAgent: r.UserAgent(), Device: c.event.Device, JA4: c.event.Ja4}
}

// recognise lets a session cookie count where the request has no other credential.
// With both nobody can say which one was meant. A client certificate is none beside
// a cookie: a browser shows its machine's with every connection, as it is no choice
// of the person's. It becomes the device and gives no right, so that a session with
// one can do no more, and is judged no less, than without; and a cookie that does
// not count is refused, and never replaced by it.
func (c *call) recognise(r *http.Request, id *identity.Identity, err error) (*identity.Identity, error) {
	p, cookieErr := c.gateway.login.Recognise(r, c.from)
	switch {
	case errors.Is(cookieErr, identity.ErrNone), inURL(err):
		return id, err
	case !errors.Is(err, identity.ErrNone) && !byCertificate(id, err):
		return nil, &identity.Error{
			Code: identity.CodeMultipleCredentials, Description: "Send a session cookie or another credential, not both",
		}
	case cookieErr != nil:
		return nil, fmt.Errorf("session cookie: %w", cookieErr)
	}
	c.presence = p
	who := *p.Identity
	if err == nil { // Then by a certificate.
		who.Device, c.from.Device = id.Device, id.Device
	}
	return &who, nil
}

// inURL reports whether a request brings a token in its URL.
func inURL(err error) bool { return errors.Is(err, &identity.Error{Code: identity.CodeTokenInURL}) }

// byCertificate reports whether a certificate alone has been looked at, whether it
// names somebody or not.
func byCertificate(id *identity.Identity, err error) bool {
	return err == nil && id.Method == identity.MethodMTLS || errors.Is(err, &identity.Error{Code: identity.CodeCertificate})
}

// decide judges a case. Where a session can gain by our own second factor, what is
// said about it counts although the page is open to everybody: a person whom a
// verdict has ended does not come back by that, one of whom more is asked does so
// with what he had before, and nobody before the verdicts are known.
func (g *Gateway) decide(c *call, it admit.Case) admit.Decision {
	if !g.vouches(it.Route) {
		if it.Route.Public && it.Standing.Action == verdict.ActionThrottle && personal(it.Standing.Verdict) {
			it.Standing = session.Standing{} // As nobody he would not be held up either.
		}
		return admit.Decide(it)
	}
	switch it.Standing.Action {
	case verdict.ActionReadOnly, verdict.ActionStepUp:
		c.presence.Doubt()
	}
	if it.Feed == admit.FeedStarting {
		return admit.Decision{Decision: event.DecisionDeny, Problem: problem.NotReady()}
	}
	it.Method = http.MethodGet // It changes nothing behind the gateway.
	return admit.Decide(it)
}

// owns reports whether a route is one of our own pages.
func (g *Gateway) owns(rt *route.Route) bool { return g.login != nil && g.login.Owns(rt) }

func (g *Gateway) vouches(rt *route.Route) bool { return g.login != nil && g.login.Vouches(rt) }

// hold keeps the session of a signed-in caller renewed while his request is open.
func (c *call) hold() (release func()) {
	if c.presence == nil || c.caller == nil {
		return func() {}
	}
	return c.presence.Hold()
}

// renew gives the browser the cookies that it has to keep from now on.
func (c *call) renew(h http.Header) {
	if c.presence != nil && c.caller != nil {
		c.presence.Renew(h)
	}
}

// dropped gives a session's refresh token back where a verdict about its holder has
// revoked or blocked it.
func (c *call) dropped(ctx context.Context, v *verdict.Verdict) {
	if c.presence != nil && isFinal(v) {
		c.presence.Drop(ctx)
	}
}

// isFinal reports whether a verdict ends the sessions that it meets for good; v may be nil.
// Who is turned away for his address, device or client may have it for another reason.
func isFinal(v *verdict.Verdict) bool {
	switch v.GetTarget().GetKind() {
	case verdict.TargetSession, verdict.TargetSubject, verdict.TargetAccount, verdict.TargetToken:
		return v.GetAction() == verdict.ActionRevoke || v.GetAction() == verdict.ActionBlock
	}
	return false
}

// own answers a request for one of our own pages.
func (g *Gateway) own(w http.ResponseWriter, r *http.Request, c *call, rt *route.Route) {
	c.intend()
	w.Header().Set(problem.HeaderRequestID, c.id)
	a := g.login.Serve(w, r, rt, c.from, c.presence)
	if a.Code == login.CodeLogoutToken && g.login.TakesWord(rt) {
		_ = g.budgets.Spend(r.Context(), guard.Logouts, c.address) // The next one is told.
	}
	e := c.event
	e.Decision, e.Status, e.Reason = event.DecisionPermit, uint32(a.Status), a.Code
	if a.AuthOutcome != "" {
		e.AuthOutcome = a.AuthOutcome
	}
	if a.Code != "" {
		e.SupportCode = event.SupportCode(c.id)
	}
}

// challenge sends a person in a browser to where he gets what his request lacks, in
// place of an answer that only programs understand.
func (g *Gateway) challenge(w http.ResponseWriter, r *http.Request, c *call, p problem.Problem, v *verdict.Verdict) bool {
	if g.login == nil || c.route == nil || p.Status != http.StatusUnauthorized {
		return false
	}
	d := login.Demand{Fresh: v != nil}
	if p.Code == problem.CodeStepUp {
		id := c.presence.Who()
		strong := len(c.route.ACR) == 0 || id != nil && slices.Contains(c.route.ACR, id.ACR)
		d = login.Demand{StepUp: true, ACR: c.route.ACR, AMR: c.route.AMR, MaxAge: c.route.MaxAge, Verdict: v != nil}
		lacks := id != nil && len(route.LackingAMR(c.route.AMR, id.AMR)) > 0 // For which a provider can only be asked to ask again.
		d.Fresh = v != nil || strong && (c.route.MaxAge == 0 || lacks)
	}
	a, done := g.login.Challenge(w, r, c.presence, d)
	if done {
		c.event.Status = uint32(a.Status)
	}
	return done
}

// report tells the analyzer what has become of a session.
func (g *Gateway) report(h login.Happening) {
	id, o := h.Identity, h.Visitor.Origin
	e := &event.RequestEvent{
		Kind: event.KindSession, Id: newID(), Time: timestamppb.New(h.Time), Phase: event.PhaseComplete, Reason: h.Reason,
		Tenant: id.Tenant, Region: g.config.Region, Issuer: id.Issuer, Subject: id.Subject, Session: id.Session, TokenId: id.TokenID,
		ClientId: id.ClientID, Acr: id.ACR, Amr: id.AMR, Binding: id.Binding, AuthMethod: id.Method, SubjectKind: id.Kind,
		Device: h.Visitor.Device, UserAgent: h.Visitor.UserAgent, Ja4: h.Visitor.JA4,
		Asn: o.ASN, AsOrg: o.ASOrg, Country: o.Country, NetworkTags: o.Tags, AuthOutcome: event.AuthNone,
	}
	if h.Reason == event.ReasonLogin || h.Reason == event.ReasonStepUp {
		e.AuthOutcome = event.AuthSuccess
	}
	if !id.AuthTime.IsZero() {
		e.AuthTime = timestamppb.New(id.AuthTime)
	}
	if id.LinkedAccount != "" {
		e.Attributes = map[string]string{event.AttributeLinkedAccount: id.LinkedAccount}
	}
	if o.Address.IsValid() {
		e.Address = o.Address.String()
	}
	if o.HasLocation {
		e.Latitude, e.Longitude, e.AccuracyRadiusKm = &o.Latitude, &o.Longitude, o.AccuracyKM
	}
	g.emitter.Emit(e, "")
}
