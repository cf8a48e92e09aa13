package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/vigil-gateway/vigil/gateway/admit"
	"github.com/vigil-gateway/vigil/gateway/assertion"
	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/gateway/guard"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/listen"
	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/gateway/origin"
	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/gateway/release"
	"github.com/vigil-gateway/vigil/gateway/revoke"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Options are what a [Gateway] depends on. All but Metrics and Bound are required.
type Options struct {
	Config Config
	Logger *slog.Logger
	Meter  metric.Meter
	Tracer trace.Tracer
	// Now is the wall clock: deadlines of connections are made from it.
	Now func() time.Time
	// Metrics serves /metrics of the admin port; nil for none.
	Metrics http.Handler
	// Bound is a socket for clients that is open already, in the place of the one that
	// listen.address names; nil for none.
	Bound net.Listener
}

// Gateway is a whole gateway. Its ports are open once New has returned.
type Gateway struct {
	config  Config
	logger  *slog.Logger
	meter   metric.Meter
	tracer  trace.Tracer
	span    []trace.SpanStartOption // Of every request's, which begins a trace.
	metrics metrics
	now     func() time.Time
	names   event.Names
	started time.Time

	origin   *origin.Resolver
	budgets  *guard.Budgets
	rules    atomic.Pointer[rules]
	swapped  chan struct{} // Tells Run to follow other issuers' keys; holds one.
	login    *login.Login  // Nil where nobody signs in here.
	table    *session.Table
	limiter  *admit.Limiter
	newcomer *admit.Newcomers
	proxy    *proxy.Proxy
	signer   *assertion.Signer // Nil where upstreams are told nothing signed.
	emitter  *emit.Emitter
	follower *revoke.Follower
	listener *listen.Listener
	admin    *admin

	lanes     topic.Lanes        // Of the callers' events.
	positions *release.Positions // Up to where they are scored.

	stale    atomic.Bool
	draining atomic.Bool
	calls    sync.WaitGroup // Handlers that have an event to emit.
	events   sync.Pool      // *event.RequestEvent of calls that are settled.
}

// rules are what a reload replaces. Immutable.
type rules struct {
	routes   *route.Table
	verifier *identity.Verifier
}

// New builds a gateway, puts the verdicts of its last run in force and opens its
// ports. The error joins the faults of the configuration, or names the file or
// address that is at fault.
func New(o Options) (*Gateway, error) {
	err := o.Config.Validate()
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	if o.Logger == nil || o.Meter == nil || o.Tracer == nil || o.Now == nil {
		return nil, errors.New("gateway: logger, meter, tracer and now are required")
	}
	g := &Gateway{
		config: o.Config, logger: o.Logger, meter: o.Meter, tracer: o.Tracer, span: rootSpan(), now: o.Now, started: o.Now(), swapped: make(chan struct{}, 1),
	}
	err = g.build(o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("gateway: %w", err), g.release())
	}
	return g, nil
}

// build makes the parts in the order in which a request meets them.
func (g *Gateway) build(o Options) error {
	c := o.Config
	key, names, err := keyfile.TenantKey(c.TenantKeyFile)
	if err != nil {
		return err
	}
	g.names = names
	g.metrics, err = newMetrics(o.Meter, func() int64 { return int64(g.feed()) })
	if err != nil {
		return err
	}
	g.origin, err = origin.New(origin.Options{Config: c.Origin, Logger: o.Logger, Meter: o.Meter})
	if err != nil {
		return err //nolint:wrapcheck // Names its package.
	}
	g.budgets, err = newBudgets(o)
	if err != nil {
		return err
	}
	first, err := g.newRules(c, o.Meter)
	if err != nil {
		return err
	}
	g.rules.Store(first)
	g.table, err = session.New(session.Options{Config: c.Session, Tenant: c.Tenant, Logger: o.Logger, Meter: o.Meter, Now: o.Now})
	if err != nil {
		return err //nolint:wrapcheck // Names its package.
	}
	err = g.buildLogin(o)
	if err != nil {
		return err
	}
	g.limiter, err = admit.NewLimiter(c.Admit)
	if err != nil {
		return err //nolint:wrapcheck // Names its package.
	}
	g.newcomer, err = admit.NewNewcomers(c.Admit)
	if err != nil {
		return err //nolint:wrapcheck // Names its package.
	}
	g.signer, err = assertion.New(c.Assertion, o.Now)
	if err != nil {
		return err //nolint:wrapcheck // Names its package.
	}
	g.proxy, err = proxy.New(proxy.Options{Config: c.upstreamSide(), Logger: o.Logger, Meter: o.Meter, Now: o.Now})
	if err != nil {
		return err //nolint:wrapcheck // Names its package.
	}
	err = g.buildBus(o, topic.Lanes{Count: uint32(c.Lanes), Seed: topic.SeedOf(key)})
	if err != nil {
		return err
	}
	return g.open(o)
}

// buildBus makes what talks to Kafka, and loads the verdicts of the last run.
func (g *Gateway) buildBus(o Options, lanes topic.Lanes) error {
	c := o.Config
	via, err := access.Open(c.Kafka.Config, tlsfile.Options{Now: o.Now, Changed: tlsfile.Logged(g.logger, "kafka")})
	if err != nil {
		return under("kafka", err)
	}
	keys, err := keyfile.KeySetOver(c.Keys.RootPublicFile, c.Keys.KeySetFile, c.Revoke.Dir)
	switch {
	case errors.Is(err, verdict.ErrRollback):
		g.logger.Error("key set is refused, the one that was in force stays", "error", err)
	case err != nil:
		return err
	}
	sealer, err := c.sealer(keys)
	if err != nil {
		return err
	}
	g.lanes = lanes
	g.positions, err = release.New(release.Options{
		Config: c.Release, Gateway: c.ID, Epoch: uint64(g.started.UnixNano()), Lanes: lanes.Count, Meter: o.Meter, Now: o.Now,
	})
	if err != nil {
		return err //nolint:wrapcheck // Names its package.
	}
	g.emitter, err = emit.New(emit.Options{
		Config: c.emission(), Brokers: c.Kafka.Brokers, Access: via, Gateway: c.ID, Epoch: uint64(g.started.UnixNano()), Lanes: lanes,
		Issuer: g.positions, Signer: sealer, Judged: problem.Judged, Logger: o.Logger, Meter: o.Meter, Now: o.Now,
	})
	if err != nil {
		return err //nolint:wrapcheck // Names its package.
	}
	g.follower, err = revoke.New(revoke.Options{
		Config: c.Revoke, Brokers: c.Kafka.Brokers, Access: via, Gateway: c.ID, Positions: g.positions, Keys: keys, Table: g.table,
		Logger: o.Logger, Meter: o.Meter, Now: o.Now,
	})
	if err != nil {
		return err //nolint:wrapcheck // Names its package.
	}
	err = g.follower.Load()
	if err != nil {
		return fmt.Errorf("load verdicts: %w", err)
	}
	return nil
}

// open binds both ports.
func (g *Gateway) open(o Options) error {
	var err error
	g.admin, err = g.newAdmin(o.Metrics)
	if err != nil {
		return err
	}
	ctx := context.Background() //nolint:forbidigo // Opening a port does not wait, and the listener keeps no deadline of it.
	g.listener, err = listen.New(ctx, listen.Options{
		Config: o.Config.Listen, Handler: http.HandlerFunc(g.serve), Bound: o.Bound, Budgets: g.budgets, ConnContext: g.origin.ConnContext, Drain: g.drain,
		Logger: o.Logger, Meter: o.Meter, Now: o.Now,
	})
	return err //nolint:wrapcheck // Names its package.
}

func (g *Gateway) newRules(c Config, m metric.Meter) (*rules, error) {
	routes, err := route.NewTable(route.Config{Routes: c.Routes})
	if err != nil {
		return nil, err //nolint:wrapcheck // Names its keys.
	}
	verifier, err := identity.New(identity.Options{Config: c.Identity, Names: g.names, Budgets: g.budgets, Logger: g.logger, Meter: m, Now: g.now})
	if err != nil {
		return nil, err //nolint:wrapcheck // Names its package.
	}
	return &rules{routes: routes, verifier: verifier}, nil
}

// release closes what New has opened when it cannot go on.
func (g *Gateway) release() error {
	var errs []error
	if g.emitter != nil {
		errs = append(errs, g.emitter.Close())
	}
	if g.proxy != nil {
		g.proxy.Close()
	}
	if g.admin != nil {
		errs = append(errs, g.admin.listener.Close())
	}
	if g.origin != nil {
		errs = append(errs, g.origin.Close())
	}
	if g.login != nil {
		errs = append(errs, g.login.Close())
	}
	return errors.Join(errs...)
}

// Addr is the address that clients connect to.
func (g *Gateway) Addr() net.Addr { return g.listener.Addr() }

// AdminAddr is the address of the admin port.
func (g *Gateway) AdminAddr() net.Addr { return g.admin.listener.Addr() }

// Run serves until ctx ends, drains, and returns nil. Any other reason to stop is
// its error; the absence of Kafka or of an identity provider is none.
func (g *Gateway) Run(ctx context.Context) error {
	g.logger.InfoContext(ctx, "gateway starts", "id", g.config.ID, "address", g.Addr().String(), "admin", g.AdminAddr().String(),
		"routes", len(g.config.Routes), "issuers", len(g.config.Identity.Issuers), "verdicts", g.table.Verdicts())
	behind, stopBehind := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBehind()
	group, behind := errgroup.WithContext(behind)
	runs := []func(context.Context) error{g.emitter.Run, g.follower.Run, g.followKeys, g.watchFeed, g.admin.run}
	if g.login != nil {
		runs = append(runs, g.login.Run)
	}
	for _, run := range runs {
		group.Go(func() error { return run(behind) })
	}
	// Where one of them fails, there is no point in serving on.
	front, stopFront := context.WithCancel(ctx)
	defer stopFront()
	defer context.AfterFunc(behind, stopFront)()
	err := g.listener.Serve(front)
	g.settle(ctx)
	stopBehind()
	err = errors.Join(err, group.Wait())
	g.proxy.Close()
	err = errors.Join(err, g.origin.Close())
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	g.logger.InfoContext(ctx, "gateway has stopped")
	return nil
}

// drain is the listener's hook: from now on the gateway is not ready, and what
// no HTTP server would end is ended.
func (g *Gateway) drain(context.Context) {
	g.draining.Store(true)
	g.proxy.Drain()
}

// settle waits until the last handlers have emitted their events.
func (g *Gateway) settle(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		g.calls.Wait()
		close(done)
	}()
	late := time.NewTimer(lastEvents)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		g.logger.WarnContext(ctx, "requests are still open, their events are lost", "open", g.table.Visits())
	}
}

// followKeys keeps the keys of the issuers in force up to date.
func (g *Gateway) followKeys(ctx context.Context) error {
	for {
		inner, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- g.rules.Load().verifier.Run(inner) }()
		select {
		case <-ctx.Done():
		case <-g.swapped:
		}
		stop()
		err := <-done
		if err != nil {
			return fmt.Errorf("follow keys: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		default:
		}
	}
}

// watchFeed looks at how stale the lanes are, off the request's path.
func (g *Gateway) watchFeed(ctx context.Context) error {
	lagging := false
	tick := time.NewTicker(staleCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := g.now()
		st := g.positions.Stats(now)
		age := st.Oldest.Round(time.Millisecond)
		if lagging != (st.Lagging > 0) {
			lagging = !lagging
			g.logger.WarnContext(ctx, "scoring of this gateway's events", "lagging", lagging, "lanes", st.Lagging, "oldest", age,
				"analyzer_silent", g.follower.Staleness(now).Round(time.Millisecond))
		}
		stale := g.config.StaleMax > 0 && st.Oldest > g.config.StaleMax
		if g.stale.Swap(stale) != stale {
			g.logger.WarnContext(ctx, "standing of callers", "stale", stale, "oldest", age)
		}
		if g.config.StaleMax > 0 && g.feed() == admit.FeedUnknown {
			g.suspend(ctx)
		}
	}
}

// suspend ends the streams that their routes' postures do not allow while verdicts
// are not known. A visit is listed before it asks for the feed, so that it either
// knows or is found here; requests that are no streams are let finish.
func (g *Gateway) suspend(ctx context.Context) {
	now, postures := g.now(), make(map[string]*route.Route)
	for _, r := range g.rules.Load().routes.Routes() {
		if r.Posture != route.PostureAllow {
			postures[r.ID] = r
		}
	}
	if len(postures) == 0 {
		return
	}
	n := g.table.Suspend(func(e *session.Entry, stream string) bool {
		r, strict := postures[e.Route]
		return strict && stream != event.StreamRequest && admit.Suspends(r, &e.Who, g.config.Admit.FreshMax, now) && g.unknownTo(e, now)
	})
	if n > 0 {
		g.logger.WarnContext(ctx, "streams ended because verdicts are not known", "streams", n)
	}
}

// feed is how well the verdicts are known at this moment, in the lane where they are
// known worst; feedOf says it of one request.
func (g *Gateway) feed() admit.Feed {
	switch {
	case !g.follower.CaughtUp():
		if g.now().Sub(g.started) < g.config.Admit.ColdStartMax {
			return admit.FeedStarting
		}
		return admit.FeedUnknown
	case g.stale.Load():
		return admit.FeedUnknown
	}
	return admit.FeedKnown
}

// Reload puts the routes, issuers and verdict keys of c in force for new
// requests. Where c is at fault everything stays as it is, and the error says
// why. All other settings take a restart.
func (g *Gateway) Reload(ctx context.Context, c Config) error {
	result := "refused"
	defer func() {
		g.metrics.reloads.Add(ctx, 1, metric.WithAttributes(attribute.String("result", result)))
	}()
	err := c.Validate()
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	next, err := g.newRules(c, g.meter)
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	keys, err := keyfile.KeySetOver(c.Keys.RootPublicFile, c.Keys.KeySetFile, g.config.Revoke.Dir)
	if err == nil {
		err = g.follower.SwapKeys(keys)
	}
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	if g.signer != nil {
		err = g.signer.Reload(c.Assertion)
		if err != nil {
			return fmt.Errorf("reload: %w", err)
		}
	}
	next.verifier.InheritKeys(g.rules.Load().verifier)
	g.rules.Store(next)
	select {
	case g.swapped <- struct{}{}:
	default: // Run has not yet seen the last one, and will find this one.
	}
	result = "ok"
	g.logger.InfoContext(ctx, "routes and issuers in force", "routes", len(c.Routes), "issuers", len(c.Identity.Issuers))
	return nil
}
