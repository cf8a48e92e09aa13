package admit

import (
	"net/http"
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Feed says how well the gateway knows its verdicts.
type Feed int

// States of the feed.
const (
	FeedKnown    Feed = iota // Read to the head, and alive.
	FeedStarting             // Not yet read to the head, and just started.
	FeedUnknown              // Not read to the head for long, or silent: the route's posture counts.
)

// Case is everything that a decision rests on.
type Case struct {
	Route    *route.Route
	Method   string
	Identity *identity.Identity // Nil for an anonymous caller.
	Standing session.Standing
	Feed     Feed
	FreshMax time.Duration // Config.FreshMax.
	Now      time.Time
}

// Decision is what to do with one request.
type Decision struct {
	Decision string // A constant event.Decision….
	// Problem is the answer where Decision is not permit.
	Problem problem.Problem
	// Verdict is the one that decided, nil where none did.
	Verdict *verdict.Verdict
	// Throttle asks the caller to take a token for Verdict first.
	Throttle bool
}

// Decide decides c. It reads no clock and keeps nothing.
func Decide(c Case) Decision {
	v := c.Standing.Verdict
	switch c.Standing.Action {
	case verdict.ActionBlock:
		return Decision{Decision: event.DecisionDeny, Problem: problem.Blocked(v), Verdict: v}
	case verdict.ActionRevoke:
		return Decision{Decision: event.DecisionDeny, Problem: problem.Revoked(v), Verdict: v}
	}
	d, refused := unknown(c)
	if refused {
		return d
	}
	if !c.Route.Public {
		d, refused = credential(c)
		if refused {
			return d
		}
	}
	return narrow(c, v)
}

// unknown refuses what a gateway must not admit that does not know its verdicts.
func unknown(c Case) (Decision, bool) {
	if c.Feed == FeedKnown {
		return Decision{}, false
	}
	if c.Feed == FeedStarting {
		return deny(problem.NotReady()), !c.Route.Public
	}
	switch c.Route.Posture {
	case route.PostureDeny:
		return deny(problem.Posture()), true
	case route.PostureStepUp:
		if c.Identity == nil {
			return Decision{}, false // credential refuses it, or the route is public.
		}
		if c.Identity.Assumed || !fresh(c.Identity.AuthTime, c.FreshMax, c.Now) {
			return Decision{Decision: event.DecisionStepUp, Problem: problem.StepUp(nil, c.Route.ACR, c.FreshMax)}, true
		}
	}
	return Decision{}, false
}

// Unscored decides about a response that is not known to be scored in time, as the
// release barrier of c's route says. False means that it may go.
func Unscored(c Case) (Decision, bool) {
	rt := *c.Route
	rt.Posture = rt.Release.Else
	c.Route, c.Feed = &rt, FeedUnknown
	return unknown(c)
}

// credential refuses a caller who lacks what the route asks for.
func credential(c Case) (Decision, bool) {
	id := c.Identity
	if id == nil {
		return deny(problem.Missing(c.Route.Binding)), true
	}
	if len(c.Route.Binding) > 0 && !slices.Contains(c.Route.Binding, id.Binding) {
		return deny(problem.Binding(c.Route.Binding)), true
	}
	for _, s := range c.Route.Scopes {
		if !slices.Contains(id.Scopes, s) {
			return deny(problem.Scope(c.Route.Scopes)), true
		}
	}
	weak := len(c.Route.ACR) > 0 && !slices.Contains(c.Route.ACR, id.ACR) || len(route.LackingAMR(c.Route.AMR, id.AMR)) > 0
	// That somebody came back from a provider is no proof: it was asked for max_age, so that
	// it had to say when he proved himself (OpenID Connect Core 1.0 section 2), or it cannot.
	old := c.Route.MaxAge > 0 && (id.AuthTime.IsZero() || id.Assumed || c.Now.Sub(id.AuthTime) > c.Route.MaxAge)
	if weak || old {
		return Decision{Decision: event.DecisionStepUp, Problem: problem.StepUp(nil, c.Route.ACR, c.Route.MaxAge)}, true
	}
	return Decision{}, false
}

// narrow applies the verdicts that leave something open.
func narrow(c Case, v *verdict.Verdict) Decision {
	permit := Decision{Decision: event.DecisionPermit}
	switch c.Standing.Action {
	case verdict.ActionStepUp:
		if c.Route.Public {
			return readOnly(c, v)
		}
		if c.Identity != nil && !c.Identity.Assumed && session.Satisfied(v, c.Identity.AuthTime) {
			return permit
		}
		return Decision{Decision: event.DecisionStepUp, Problem: problem.StepUp(v, c.Route.ACR, c.Route.MaxAge), Verdict: v}
	case verdict.ActionReadOnly:
		return readOnly(c, v)
	case verdict.ActionThrottle:
		return Decision{Decision: event.DecisionPermit, Verdict: v, Throttle: true}
	}
	return permit
}

func readOnly(c Case, v *verdict.Verdict) Decision {
	if safe(c.Method) {
		return Decision{Decision: event.DecisionPermit, Verdict: v}
	}
	return Decision{Decision: event.DecisionDeny, Problem: problem.ReadOnly(v), Verdict: v}
}

// safe reports whether a method changes nothing (RFC 9110, section 9.2.1). A
// WebSocket starts with GET and may change everything; the caller says so by
// giving it another method's name.
func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

func deny(p problem.Problem) Decision {
	return Decision{Decision: event.DecisionDeny, Problem: p}
}
