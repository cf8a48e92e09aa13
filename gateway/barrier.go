package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/vigil-gateway/vigil/gateway/admit"
	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// barrier is the release barrier of a request, nil where its route has none.
func (c *call) barrier(r *http.Request) func(ctx context.Context, bytes int64) *proxy.Refusal {
	if c.route.Release == nil {
		return nil
	}
	return func(ctx context.Context, bytes int64) *proxy.Refusal { return c.release(ctx, r, bytes) }
}

// release waits until the event that says that the upstream has answered is scored,
// and then asks for the standing again. What the standing of that moment does not
// end goes out; where the event is not scored in time, what the route says decides.
func (c *call) release(ctx context.Context, r *http.Request, bytes int64) *proxy.Refusal {
	g, rt := c.gateway, c.match.Route
	err := g.positions.Wait(ctx, c.place, rt.Release.Max, bytes)
	if ctx.Err() != nil {
		return nil // Cut, or the client is gone: the proxy deals with both.
	}
	// A verdict of the subject stage has cut the request by now. One of another
	// authority may be in force and just about to.
	now, standing := g.now(), c.visit.Standing()
	if verdict.Suspends(standing.Action) {
		c.dropped(ctx, standing.Verdict)
		g.emitter.Enforce(c.visit.Refusal(standing.Verdict, now), c.traceparent)
		return &proxy.Refusal{Decision: event.DecisionCut, Problem: c.goodbye(standing.Verdict, rt)}
	}
	if err == nil {
		return nil
	}
	d, refused := admit.Unscored(admit.Case{
		Route: rt, Method: effect(r), Identity: c.caller, Standing: standing, FreshMax: g.config.Admit.FreshMax, Now: now,
	})
	if !refused {
		return nil
	}
	return &proxy.Refusal{Decision: d.Decision, Problem: d.Problem.With(c.id, c.supportCode(nil)).Spread(spread())}
}

// laneOf is the lane in which a caller's events stand.
func (g *Gateway) laneOf(tenant, subject, address string) uint32 {
	return g.lanes.Of(topic.RequestKey(tenant, subject, address))
}

// feedOf is how well the verdicts about a request are known: those about others may
// be stale while what is emitted in its lane is scored.
func (g *Gateway) feedOf(e *event.RequestEvent) admit.Feed {
	f := g.feed()
	if f == admit.FeedUnknown && g.follower.CaughtUp() && !g.staleAt(g.laneOf(e.Tenant, e.Subject, e.Address), g.now()) {
		return admit.FeedKnown
	}
	return f
}

// staleAt reports whether a lane is staler than the configuration allows.
func (g *Gateway) staleAt(lane uint32, now time.Time) bool {
	return g.config.StaleMax > 0 && g.positions.Staleness(lane, now) > g.config.StaleMax
}

// unknownTo reports whether the verdicts about an open visit are not known.
func (g *Gateway) unknownTo(e *session.Entry, now time.Time) bool {
	if !g.follower.CaughtUp() {
		return true
	}
	address := ""
	if e.Who.Address.IsValid() {
		address = e.Who.Address.String()
	}
	return g.staleAt(g.laneOf(e.Who.Tenant, e.Who.Subject, address), now)
}
