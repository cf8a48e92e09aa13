package gateway

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/vigil-gateway/vigil/gateway/guard"
	"github.com/vigil-gateway/vigil/gateway/origin"
	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// newBudgets makes the budgets of addresses; trusted proxies have none.
func newBudgets(o Options) (*guard.Budgets, error) {
	trusted := make([]netip.Prefix, 0, len(o.Config.Origin.TrustedProxies))
	for _, s := range o.Config.Origin.TrustedProxies {
		p, _ := origin.ParsePrefix(s) // Validated.
		trusted = append(trusted, p)
	}
	return guard.New(guard.Options{Config: o.Config.Guard, Trusted: trusted, Logger: o.Logger, Meter: o.Meter, Now: o.Now}) //nolint:wrapcheck // Names its package.
}

// admitAddress takes a request's place among those of its address.
func (g *Gateway) admitAddress(r *http.Request, c *call) (guard.Hold, error) {
	if r.ProtoMajor == 2 {
		err := g.budgets.Owes(r.Context(), guard.Resets, c.address)
		if err != nil {
			return guard.Hold{}, err //nolint:wrapcheck // From maps it.
		}
	}
	return g.budgets.Enter(r.Context(), guard.Requests, c.address) //nolint:wrapcheck // From maps it.
}

// countReset notes a stream of HTTP/2 that its client gave up before it was
// answered: the work was done for nobody, and giving up costs a client nothing
// (CVE-2023-44487).
func (g *Gateway) countReset(ctx context.Context, w *writer, r *http.Request, c *call) {
	if r.ProtoMajor == 2 && !w.wrote && ctx.Err() != nil {
		_ = g.budgets.Spend(context.WithoutCancel(ctx), guard.Resets, c.address) // The next request is told.
	}
}

// admitSignIn takes an attempt to sign in at a route that declares itself one.
func (g *Gateway) admitSignIn(r *http.Request, c *call) error {
	if !c.triesSignIn(r) {
		return nil
	}
	return g.budgets.Spend(r.Context(), guard.SignIns, c.address) //nolint:wrapcheck // From maps it.
}

// page answers a request for one of our own pages, where its address has room for one.
func (g *Gateway) page(w http.ResponseWriter, r *http.Request, c *call, rt *route.Route) {
	hold, err := g.enterPage(r, c, rt)
	if err != nil {
		g.refuseAddress(w, r, c, err)
		return
	}
	defer hold.Leave()
	g.own(w, r, c, rt)
}

// enterPage takes a place among the requests of an address for pages of ours by
// which people sign in, and one of its attempts. Logout tokens are not looked at where too
// many of its were refused: what they cost is spent by own.
func (g *Gateway) enterPage(r *http.Request, c *call, rt *route.Route) (guard.Hold, error) {
	if g.login.TakesWord(rt) {
		return guard.Hold{}, g.budgets.Owes(r.Context(), guard.Logouts, c.address) //nolint:wrapcheck // From maps it.
	}
	if !g.login.SignsIn(rt) {
		return guard.Hold{}, nil
	}
	err := g.budgets.Spend(r.Context(), guard.SignIns, c.address)
	if err != nil {
		return guard.Hold{}, err //nolint:wrapcheck // From maps it.
	}
	return g.budgets.Enter(r.Context(), guard.SignInCalls, c.address) //nolint:wrapcheck // From maps it.
}

// refuseAddress answers a request whose address has used up a budget. Where its
// streams of HTTP/2 are what has done it, no further one is taken on the connection,
// unless a proxy shares it among its clients.
func (g *Gateway) refuseAddress(w http.ResponseWriter, r *http.Request, c *call, err error) {
	p := problem.From(err)
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // What is none is nobody's address.
	if r.ProtoMajor == 2 && p.Code == problem.CodeAddress+guard.NameResets && peer.Addr().Unmap().WithZone("") == c.address {
		w.Header().Set("Connection", "close") // Net/http's word for a GOAWAY.
	}
	g.refuse(w, r, c, event.DecisionDeny, p, nil)
}
