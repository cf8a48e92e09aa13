package gateway

import (
	"errors"
	"net/http"
	"path/filepath"

	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/gateway/emit/spool"
	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// spoolFolder is where events wait for Kafka when no folder is named: beside the
// verdicts, which have to survive a restart as well.
const spoolFolder = "spool"

// emission is the configuration of what carries events, its folder named.
func (c Config) emission() emit.Config {
	out := c.Emit
	if out.Spool.Dir == "" {
		out.Spool.Dir = filepath.Join(c.Revoke.Dir, spoolFolder)
	}
	return out
}

// careOf is how well the events of a route are kept. Those of requests that match
// none are kept like most.
func careOf(rt *route.Route) emit.Care {
	if rt == nil {
		return emit.Batched
	}
	switch rt.Durability {
	case route.DurabilityStrict:
		return emit.Strict
	case route.DurabilityBestEffort:
		return emit.BestEffort
	}
	return emit.Batched
}

// intend notes that the request is about to have an effect: an answer, or a call of
// its upstream. From now on a crash leaves its event.
func (c *call) intend() {
	if !recorded || c.intended {
		return
	}
	c.intended = true
	c.intent = c.gateway.emitter.Intend(c.event, careOf(c.route))
	if c.intent.Care == emit.Strict {
		c.intent.Care = emit.Batched // Until an upstream is called.
	}
}

// endure waits until the request is on record, where its route asks for that. False
// means that it cannot be, and that the client was refused. A request that ends
// while it waits goes on to where its end is dealt with.
func (g *Gateway) endure(w http.ResponseWriter, r *http.Request, c *call) bool {
	if careOf(c.route) != emit.Strict || !recorded {
		return true
	}
	err := g.emitter.Durable(r.Context(), c.intent)
	if !errors.Is(err, spool.ErrNotDurable) {
		c.intent.Care = emit.Strict
		return true
	}
	g.logger.WarnContext(r.Context(), "request of a strict route refused", "route", c.match.Route.ID, "error", err, "request", c.id)
	g.refuse(w, r, c, event.DecisionDeny, problem.NotDurable(), nil)
	return false
}
