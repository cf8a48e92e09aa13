package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/gateway/admit"
	"github.com/vigil-gateway/vigil/gateway/assertion"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/origin"
	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// serve accounts for a request, whatever becomes of it.
func (g *Gateway) serve(rw http.ResponseWriter, r *http.Request) {
	w := &writer{ResponseWriter: rw}
	r, c, o := g.begin(r)
	g.calls.Add(1)
	ctx := r.Context()
	defer func() {
		e := recover()
		if !c.detached { // Else its connection goes on.
			g.conclude(ctx, w, r, c, e)
		}
	}()
	g.pass(w, r, c, o)
}

// begin makes the request's account.
func (g *Gateway) begin(r *http.Request) (*http.Request, *call, *origin.Origin) {
	o := g.origin.Of(r)
	c := &call{gateway: g, began: g.now(), id: newID(), address: o.Address}
	ctx, span := g.startSpan(r, c.began)
	c.span, c.traceparent, c.event = span, traceparent(span.SpanContext()), g.newEvent(r, c.id, c.began, o)
	g.metrics.active.Add(1)
	return r.WithContext(ctx), c, &o
}

// conclude closes it. ctx is that of its client, e what the handler panicked with, nil
// for nothing.
func (g *Gateway) conclude(ctx context.Context, w *writer, r *http.Request, c *call, e any) {
	defer g.calls.Done()
	c.leave()
	aborted := e == http.ErrAbortHandler //nolint:errorlint // net/http compares it in the same way.
	if e != nil && !aborted {
		p := g.panicked(ctx, c, e)
		aborted = w.wrote
		if !aborted {
			problem.Write(w, r, p)
		}
	}
	g.countReset(ctx, w, r, c)
	g.settled(ctx, c)
	if aborted {
		panic(http.ErrAbortHandler)
	}
}

// concludeDetached closes the account of a call whose handler has returned.
func (g *Gateway) concludeDetached(c *call, out *proxy.Outcome, e any) {
	defer g.calls.Done()
	ctx := context.WithoutCancel(c.admitted)
	if e != nil {
		g.panicked(ctx, c, e)
	} else {
		g.account(ctx, c, out)
	}
	c.leave()
	g.settled(ctx, c)
}

// panicked notes what a call panicked with, and returns what its client is told.
func (g *Gateway) panicked(ctx context.Context, c *call, e any) problem.Problem {
	g.metrics.panics.Add(ctx, 1)
	g.logger.ErrorContext(ctx, "handler panicked", "panic", e, "request", c.id, "stack", string(debug.Stack()))
	p := problem.Internal().With(c.id, c.supportCode(nil))
	c.refused(event.DecisionPermit, p)
	return p
}

// settled emits and counts what became of a call, whose event is another's from then on:
// whoever has a use for it later fails, and does not write of somebody else.
func (g *Gateway) settled(ctx context.Context, c *call) {
	c.finish()
	g.metrics.active.Add(-1)
	g.metrics.done(context.WithoutCancel(ctx), c, g.now().Sub(c.began).Seconds())
	g.events.Put(c.event)
	c.event = nil
}

// pass admits a request and forwards it. An open stream stays in here for hours,
// so what is needed only to admit it is in a function that has returned by then:
// 100,000 streams have as many stacks.
func (g *Gateway) pass(w http.ResponseWriter, r *http.Request, c *call, o *origin.Origin) {
	var err error
	c.share, err = g.admitAddress(r, c)
	if err != nil {
		g.refuseAddress(w, r, c, err)
		return
	}
	g.handle(w, r, c, o)
	if c.admitted != nil {
		c.unhold = c.hold()
		*r = *r.WithContext(c.admitted) // It is begin's copy, and one is enough for a stream's life.
		g.forward(w, r, c)
	}
}

// leave gives back what the call has had while it was open: its session's renewal, its
// visit's place in the table, where it has them, and its address's share.
func (c *call) leave() {
	if c.unhold != nil {
		c.unhold()
	}
	if c.visit != nil {
		c.visit.Leave()
	}
	c.share.Leave()
}

// handle is the line: route, identity, session, admit; proxy follows where the
// call is admitted.
func (g *Gateway) handle(w http.ResponseWriter, r *http.Request, c *call, o *origin.Origin) {
	if g.signer != nil && r.URL.Path == assertion.KeysPath {
		g.publishKeys(w, r, c)
		return
	}
	in := g.rules.Load()
	m, err := g.match(in, r)
	if err != nil {
		g.refuse(w, r, c, event.DecisionDeny, problem.From(err), nil)
		return
	}
	c.routed(m)
	c.visitor(r, *o)
	err = g.admitSignIn(r, c)
	if err != nil {
		g.refuseAddress(w, r, c, err)
		return
	}
	id, err := g.identify(r, c, in, m.Route)
	if err != nil {
		g.refuse(w, r, c, event.DecisionDeny, problem.From(err), nil)
		return
	}
	c.identified(id)
	if id != nil && id.Nonce != "" {
		w.Header().Set(problem.HeaderDPoPNonce, id.Nonce)
	}
	err = c.readAccount(w, r)
	if err != nil {
		p := problem.Framing()
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			p = problem.RequestTooLarge()
		}
		g.refuse(w, r, c, event.DecisionDeny, p, nil)
		return
	}
	err = g.list(r, c, id, o)
	visit := c.visit
	ctx := c.context(r)
	if err != nil {
		g.refuse(w, r, c, event.DecisionDeny, problem.TooManyStreams(), nil)
		return
	}
	if id != nil {
		var wait time.Duration
		wait, c.newUntil = g.newcomer.Wait(id.Session, o.Address, c.event.UserAgent, c.began)
		g.hold(ctx, wait)
	}
	now := g.now()
	standing := visit.StandingAt(now)
	c.action = standing.Action
	d := g.limiter.Apply(g.decide(c, admit.Case{
		Route: m.Route, Method: effect(r), Identity: c.caller, Standing: standing, Feed: g.feedOf(c.event), FreshMax: g.config.Admit.FreshMax, Now: now,
	}), now)
	if d.Decision != event.DecisionPermit {
		g.refuse(w, r, c, d.Decision, d.Problem, d.Verdict)
		if d.Verdict != nil {
			g.emitter.Enforce(visit.Refusal(d.Verdict, g.now()), c.traceparent)
		}
		return
	}
	if g.owns(m.Route) {
		g.page(w, r.WithContext(ctx), c, m.Route)
		return
	}
	c.renew(w.Header())
	c.admitted, c.match = ctx, m
}

// list lists the request's visit, which the call has from then on. Who comes to a route
// that is open to everybody as somebody is judged as such; where that would end him he is
// nobody there, so that he reaches the page where he signs in again, and no upstream goes
// on with the session that has ended.
func (g *Gateway) list(r *http.Request, c *call, id *identity.Identity, o *origin.Origin) error {
	open := c.route.Public && !g.vouches(c.route)
	entry := session.Entry{
		Who: c.who(id, o), Route: c.route.ID, RequestID: c.id, Public: open && (id == nil || g.owns(c.route)), Writes: writes(r), Time: c.began,
	}
	if id != nil {
		entry.Memo = id.Memo
	}
	c.visit = &c.listed
	err := g.table.List(c.visit, &entry)
	if err != nil || open == entry.Public || !g.ended(r, c) {
		return err //nolint:wrapcheck // Refused as one whatever it says.
	}
	c.visit.Leave()
	c.visit, c.caller, entry.Public = new(session.Visit), nil, true
	return g.table.List(c.visit, &entry) //nolint:wrapcheck // As above.
}

// ended reports whether a verdict about him, or that none is known yet, keeps a visitor
// from passing as who he is.
func (g *Gateway) ended(r *http.Request, c *call) bool {
	if g.feedOf(c.event) == admit.FeedStarting {
		return true
	}
	standing := c.visit.StandingAt(g.now())
	if !personal(standing.Verdict) {
		return false
	}
	d := admit.Decide(admit.Case{Route: &route.Route{Public: true}, Method: effect(r), Identity: c.caller, Standing: standing})
	return d.Decision != event.DecisionPermit || standing.Action == verdict.ActionStepUp
}

// personal reports whether a verdict is about who somebody is, and not about where from,
// with what or as what he comes; v may be nil.
func personal(v *verdict.Verdict) bool {
	switch v.GetTarget().GetKind() {
	case verdict.TargetSession, verdict.TargetSubject, verdict.TargetToken:
		return true
	}
	return false
}

// context is the visit's context. That of a request whose connection may be taken over
// outlives its handler.
func (c *call) context(r *http.Request) context.Context {
	ctx := r.Context()
	if r.ProtoMajor == 2 || effect(r) != "UPGRADE" {
		return c.visit.Context(ctx)
	}
	visit := c.visit.Context(context.WithoutCancel(ctx))
	c.unwatch = context.AfterFunc(ctx, func() { c.visit.Abort(ctx.Err()) })
	return visit
}

// hold lets a request wait, unless a verdict ends it or its client leaves.
func (g *Gateway) hold(ctx context.Context, wait time.Duration) {
	if wait <= 0 {
		return
	}
	g.metrics.held.Add(context.WithoutCancel(ctx), 1)
	over := time.NewTimer(wait)
	defer over.Stop()
	select {
	case <-ctx.Done():
	case <-over.C:
	}
}

// forward calls the upstream, and answers for a cut.
func (g *Gateway) forward(w http.ResponseWriter, r *http.Request, c *call) {
	to := g.outbound(w, r, c)
	if to == nil {
		return
	}
	c.intend()
	if !g.endure(w, r, c) {
		return
	}
	out := g.proxy.Serve(w, r, to)
	if out == nil {
		return
	}
	g.account(r.Context(), c, out)
	if out.Abort {
		panic(http.ErrAbortHandler)
	}
}

// outbound is the call as the proxy takes it, nil where the client was refused.
func (g *Gateway) outbound(w http.ResponseWriter, r *http.Request, c *call) *proxy.Call {
	rt := c.match.Route
	own, err := c.outgoing(r, c.match)
	if err != nil {
		g.logger.ErrorContext(r.Context(), "cannot tell the upstream who asks", "route", rt.ID, "error", err, "request", c.id)
		g.refuse(w, r, c, event.DecisionDeny, problem.Internal(), nil)
		return nil
	}
	to := &proxy.Call{
		Match: c.match, Visit: c.visit, RequestID: c.id, Client: c.address,
		Own: own, Unproven: c.caller == nil, Observer: c, NotBefore: c.newUntil, Hold: c.barrier(r),
		Goodbye: func(cut *session.Cut) problem.Problem {
			if cut.Expired {
				return problem.Expired(c.caller.Method).With(c.id, c.supportCode(nil))
			}
			return c.goodbye(cut.Verdict, rt)
		},
	}
	if c.unwatch != nil {
		to.Detach = func() func(*proxy.Outcome, any) {
			c.unwatch() // Else the handler's return would end it.
			c.detached = true
			return func(out *proxy.Outcome, e any) { g.concludeDetached(c, out, e) }
		}
	}
	return to
}

// account notes how a forwarded request ended, and answers for a cut.
func (g *Gateway) account(ctx context.Context, c *call, out *proxy.Outcome) {
	c.ended(out)
	if out.Cut != nil && out.Cut.Verdict != nil {
		c.dropped(ctx, out.Cut.Verdict)
		receipt := c.visit.Receipt(out.Cut, out.CutAt)
		receipt.BytesOut, receipt.SupportCode = out.BytesOut, c.event.SupportCode
		g.emitter.Enforce(receipt, c.cutSpan(ctx, out.Cut))
		if receipt.EventToCutUs > 0 {
			g.metrics.toCut.Record(context.WithoutCancel(ctx), float64(receipt.EventToCutUs)/1e6, byStream(out.Stream))
		}
	} else if out.Err != nil && out.Status >= http.StatusInternalServerError {
		g.logger.WarnContext(ctx, "upstream fault", "route", c.match.Route.ID, "code", out.Reason, "error", out.Err, "request", c.id)
	}
}

// refuse answers with a problem. v is the verdict behind it, if there is one.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, c *call, decision string, p problem.Problem, v *verdict.Verdict) {
	p = p.With(c.id, c.supportCode(v)).Spread(spread())
	c.refused(decision, p)
	c.intend()
	c.dropped(r.Context(), v)
	if g.challenge(w, r, c, p, v) {
		return
	}
	problem.Write(w, r, p)
}

// goodbye words a cut; v is nil where the route's posture made it.
func (c *call) goodbye(v *verdict.Verdict, rt *route.Route) problem.Problem {
	p := problem.Revoked(v)
	switch {
	case v == nil:
		p = admit.Suspended(rt, c.gateway.config.Admit.FreshMax)
	case v.GetAction() == verdict.ActionBlock:
		p = problem.Blocked(v)
	case v.GetAction() == verdict.ActionStepUp:
		p = problem.StepUp(v, rt.ACR, rt.MaxAge)
	case v.GetAction() == verdict.ActionReadOnly:
		p = problem.ReadOnly(v)
	}
	return p.With(c.id, c.supportCode(v)).Spread(spread())
}

// spread draws when one of many may come back.
func spread() float64 {
	return rand.Float64() //nolint:gosec // Nothing is lost to whoever guesses it.
}

// identify returns who the request acts for, nil for nobody. On a public route a
// bad credential is nobody's, and noted: whoever holds an expired token must
// still reach the sign-in page. One in the URL is refused there too: nothing but the
// whole request can be kept from the upstream that brings it.
func (g *Gateway) identify(r *http.Request, c *call, in *rules, rt *route.Route) (*identity.Identity, error) {
	id, err := in.verifier.Verify(r.Context(), r, c.address)
	if g.login != nil {
		id, err = c.recognise(r, id, err)
	}
	if err == nil {
		return id, nil
	}
	fault, isFault := errors.AsType[*identity.Error](err)
	switch {
	case errors.Is(err, identity.ErrNone):
		return nil, nil //nolint:nilnil // Nobody is not an error here: the route decides.
	case rt.Public && !inURL(err):
		if isFault {
			c.event.Attributes = map[string]string{"credential": fault.Code}
		}
		return nil, nil //nolint:nilnil // As above.
	case isFault:
		c.identified(fault.Stolen) // The analyzer must know whose token is out.
	}
	return nil, fmt.Errorf("identify: %w", err)
}

// readAccount reads which account a sign-in is for; the upstream gets all of what
// was read. It must come within the time that a body may pause: the visit is not
// listed yet, so that nothing else would end a client who sends none.
func (c *call) readAccount(w http.ResponseWriter, r *http.Request) error {
	opens := r.ProtoMajor == 2 && effect(r) == "UPGRADE" // Its body is the WebSocket.
	if !c.triesSignIn(r) || opens {
		return nil
	}
	var head []byte
	if hasBody(r) {
		var err error
		head, err = c.readBody(w, r)
		if err != nil {
			return err
		}
		r.Body = struct {
			io.Reader
			io.Closer
		}{bytes.NewReader(head), r.Body}
	}
	name, err := c.signIn.Account(r, head)
	if err != nil {
		return fmt.Errorf("read sign-in: %w", err)
	}
	if name != "" {
		c.event.Account = c.gateway.names.Account(name)
	}
	return nil
}

// triesSignIn reports whether a request may be an attempt to sign in: any but a mere
// look at the form.
func (c *call) triesSignIn(r *http.Request) bool {
	return c.signIn != nil && (hasBody(r) || r.Method != http.MethodGet && r.Method != http.MethodHead)
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// readBody reads the whole body of a sign-in.
func (c *call) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	until := c.gateway.now().Add(c.gateway.config.Listen.BodyIdleTimeout)
	if r.ProtoMajor == 2 { // In HTTP/1.1 the listener bounds each read.
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(until) // Every stream of net/http has one.
		defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	}
	src := &timely{Reader: http.MaxBytesReader(nil, r.Body, route.SignInBodyBytesMax), until: until, now: c.gateway.now}
	b, err := io.ReadAll(src)
	if err != nil {
		return nil, fmt.Errorf("read sign-in: %w", err)
	}
	return b, nil
}

// timely is a reader that may be read until a time.
type timely struct {
	io.Reader

	until time.Time
	now   func() time.Time
}

// Read fails when the time is over.
func (t *timely) Read(p []byte) (int, error) {
	if !t.now().Before(t.until) {
		return 0, os.ErrDeadlineExceeded
	}
	return t.Reader.Read(p) //nolint:wrapcheck // Passed through.
}

// publishKeys answers with the keys by which upstreams check assertions.
func (g *Gateway) publishKeys(w http.ResponseWriter, r *http.Request, c *call) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		g.refuse(w, r, c, event.DecisionDeny, problem.From(&route.MethodError{Allow: []string{http.MethodGet, http.MethodHead}}), nil)
		return
	}
	c.event.Decision, c.event.Status, c.event.Path = event.DecisionPermit, http.StatusOK, assertion.KeysPath
	c.intend()
	h := w.Header()
	h["Content-Type"], h["Cache-Control"], h["X-Request-Id"] = []string{"application/jwk-set+json"}, []string{"public, max-age=300"}, []string{c.id}
	n, _ := w.Write(g.signer.Keys()) // A client that is gone has no use for them.
	c.event.BytesOut = uint64(n)
}

// outgoing sets what the upstream is told beside the client's request.
func (c *call) outgoing(r *http.Request, m route.Match) (set func(http.Header), err error) {
	token := ""
	if c.gateway.signer != nil && c.caller != nil {
		token, err = c.gateway.signer.Sign(c.caller, c.event.Device, c.action, m.Route.Upstream)
		if err != nil {
			return nil, err //nolint:wrapcheck // Names its package.
		}
	}
	return func(h http.Header) {
		values := [5]string{c.id, c.event.Subject, c.event.Session, c.traceparent, token} // One piece of memory for all.
		h["X-Request-Id"] = values[0:1:1]
		if c.caller != nil {
			h["X-Vigil-Subject"], h["X-Vigil-Session"] = values[1:2:2], values[2:3:3]
		}
		if c.traceparent != "" {
			h["Traceparent"] = values[3:4:4]
		}
		if token != "" {
			h[assertion.Header] = values[4:5:5]
		}
		if c.gateway.config.TrustTrace {
			for _, name := range [...]string{"Tracestate", "Baggage"} {
				if v := r.Header[name]; v != nil {
					h[name] = v
				}
			}
		}
	}, nil
}

// effect is the request's method as far as it may change something: a WebSocket
// begins with GET and can do anything.
func effect(r *http.Request) string {
	if r.Header.Get("Upgrade") != "" {
		return "UPGRADE"
	}
	return r.Method
}

// writes reports whether a request opens a stream by which its sender may change
// something later.
func writes(r *http.Request) bool {
	return effect(r) == "UPGRADE" || r.Method == http.MethodPost && strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "application/grpc")
}

// writer notes whether an answer has begun.
type writer struct {
	http.ResponseWriter

	wrote bool
}

// WriteHeader begins the answer.
func (w *writer) WriteHeader(status int) {
	w.wrote = true
	w.ResponseWriter.WriteHeader(status)
}

// Write begins the answer too.
func (w *writer) Write(b []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(b) //nolint:wrapcheck // Passed through.
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
