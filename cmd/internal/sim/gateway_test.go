package sim_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/gateway/emit/spool"
	"github.com/vigil-gateway/vigil/gateway/revoke"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

const (
	laneCount = 8
	// peopleOfOne is how many people use one gateway.
	peopleOfOne = 6
)

// lanes are those of the installation.
func lanes() topic.Lanes { return topic.Lanes{Count: laneCount, Seed: 1} }

// books are what the clients of all gateways know of their requests.
type books struct {
	mu    sync.Mutex
	begun map[string]bool // By request id; true once its end was told to the gateway.
}

func (b *books) note(id string, ended bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun[id] = ended
}

// table is where a gateway's verdicts are in force. It keeps what it must never see.
type table struct {
	mu     sync.Mutex
	stands map[string]*verdict.Verdict // By tenant, target and authority.
	faults []string
}

func newTable() *table { return &table{stands: make(map[string]*verdict.Verdict)} }

func keyOf(v *verdict.Verdict) string {
	return strings.Join([]string{v.Tenant, v.Target.GetKind(), v.Target.GetId(), v.Authority}, "/")
}

// Apply is what [revoke.Follower] calls.
func (b *table) Apply(v *verdict.Verdict, arrived time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := keyOf(v)
	before := b.stands[key]
	b.stands[key] = v
	if before == nil {
		return
	}
	if verdict.Later(before.Epoch, before.Seq, v.Epoch, v.Seq) {
		b.faults = append(b.faults, fmt.Sprintf("%s: (%d, %d) is applied after (%d, %d)", key, v.Epoch, v.Seq, before.Epoch, before.Seq))
	}
	if verdict.Strength(v.Action) < verdict.Strength(before.Action) && before.Live(arrived) {
		b.faults = append(b.faults, fmt.Sprintf("%s: %s replaces %s, and no operator has said so", key, v.Action, before.Action))
	}
}

// Withdraw is what [revoke.Follower] calls where a key is listed no longer, which
// does not happen here.
func (b *table) Withdraw(v *verdict.Verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, keyOf(v)+": is taken back, and no key has gone")
}

// Sessions is nothing: nobody's fuse is to blow here.
func (b *table) Sessions(string, *verdict.Target) int { return 0 }

// live are the verdicts in force, by key and with their ids.
func (b *table) live(now time.Time) map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make(map[string]string)
	for key, v := range b.stands {
		if v.Live(now) {
			out[key] = v.Action + " " + v.Id
		}
	}
	return out
}

// life is one run of a gateway.
type life struct {
	node     string
	dir      string
	emitter  *emit.Emitter
	follower *revoke.Follower
	table    *table
	dead     atomic.Bool
	stopEmit func()
	stopRead func()
	ended    sync.WaitGroup
}

// gateway is one gateway over its lives.
type gateway struct {
	w     *world
	id    string
	lives int
	dir   string
	life  atomic.Pointer[life]
}

// start begins a life on what the last one has left.
func (g *gateway) start(t *testing.T) {
	t.Helper()
	g.lives++
	l := &life{node: fmt.Sprint(g.id, "#", g.lives), dir: g.dir, table: newTable()}
	via := access.Through(g.w.network.dialer(l.node))
	signer, err := seal.NewSigner(g.id, g.id, gatewayKey(g.id))
	if err != nil {
		t.Fatal(err)
	}
	l.emitter, err = emit.New(emit.Options{
		Config: emitting(g.dir), Brokers: g.w.kafka.addrs, Access: via, Gateway: g.id, Epoch: uint64(g.lives), Lanes: lanes(), Signer: signer,
		Logger: g.w.log(l.node), Meter: noop.Meter{}, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	rc := revoke.DefaultConfig()
	rc.Dir = filepath.Join(g.dir, "verdicts")
	l.follower, err = revoke.New(revoke.Options{
		Config: rc, Brokers: g.w.kafka.addrs, Access: via, Gateway: g.id, Keys: g.w.ring.keys, Table: l.table,
		Logger: g.w.log(l.node), Meter: noop.Meter{}, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	err = l.follower.Load()
	if err != nil {
		t.Fatal(err)
	}
	l.stopEmit = l.run(t, l.emitter.Run)
	l.stopRead = l.run(t, l.follower.Run)
	g.life.Store(l)
}

// run runs a part of a life until the function that it returns is called.
func (l *life) run(t *testing.T, part func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l.ended.Go(func() {
		err := part(ctx)
		if err != nil && !l.dead.Load() {
			t.Errorf("%s: %v", l.node, err)
		}
	})
	return cancel
}

func emitting(dir string) emit.Config {
	c := emit.DefaultConfig()
	c.Spool.Dir = filepath.Join(dir, "spool")
	c.Spool.SegmentBytes = spool.SegmentBytesMin
	c.Spool.InFlightMax = 64
	c.Spool.CommitInterval = 500 * time.Millisecond // Its syncs are real, and this clock is fast.
	return c
}

// kill ends the life where it stands; what is on its disk at that instant is what
// the next one finds. Its verdicts in force must be in force again.
func (g *gateway) kill(t *testing.T) {
	t.Helper()
	l := g.life.Load()
	g.w.network.end(l.node)
	bubble.Wait()
	l.dead.Store(true)
	g.dir = g.w.copyOf(t, l.dir)
	l.stopEmit()
	l.stopRead()
	g.w.ended.Go(l.ended.Wait)
	before := l.table.live(time.Now())
	g.start(t)
	after := g.life.Load().table.live(time.Now())
	for key, what := range before {
		if after[key] != what {
			t.Errorf("%s was in force at %s: %s; after its restart: %q", key, l.node, what, after[key])
		}
	}
}

// person uses a gateway until ctx ends. Now and then somebody goes on with a session
// that its owner has signed out of.
func (g *gateway) person(ctx context.Context, number int) {
	r := rand.New(rand.NewPCG(g.w.seed, hash(g.id)+uint64(number)))
	subject := fmt.Sprint(g.id, "-subject-", number)
	for visit := 0; ctx.Err() == nil; visit++ {
		session := fmt.Sprint(subject, "-visit-", visit)
		for range 5 + r.IntN(30) {
			g.request(ctx, r, subject, session)
		}
		if r.IntN(2) > 0 {
			continue
		}
		out := describe(subject, session)
		out.Kind, out.Reason, out.Phase = event.KindSession, event.ReasonLogout, ""
		g.life.Load().emitter.Emit(out, "")
		g.pause(ctx, 35*time.Second) // Longer than what was on its way at the sign-out counts.
		for range 3 {
			g.request(ctx, r, subject, session)
		}
	}
}

// pause waits, or until ctx ends.
func (g *gateway) pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// request is one request, from its begin to its end or to that of the gateway.
func (g *gateway) request(ctx context.Context, r *rand.Rand, subject, session string) {
	g.pause(ctx, time.Duration(20+r.IntN(400))*time.Millisecond)
	l := g.life.Load()
	if ctx.Err() != nil || l.dead.Load() {
		return
	}
	ev := describe(subject, session)
	ev.Resource = fmt.Sprint(r.IntN(3))
	g.serve(ctx, r, l, ev)
}

// machine tries passwords until ctx ends, each time at another account and from
// another address of one network: what only the second stage sees.
func (g *gateway) machine(ctx context.Context) {
	r := rand.New(rand.NewPCG(g.w.seed, hash(g.id)-1))
	for try := 0; ctx.Err() == nil; try++ {
		g.pause(ctx, time.Duration(50+r.IntN(300))*time.Millisecond)
		l := g.life.Load()
		if ctx.Err() != nil || l.dead.Load() {
			continue
		}
		ev := describe("", "")
		ev.Address, ev.UserAgent = fmt.Sprintf("198.51.100.%d", r.IntN(200)), "python-requests/2.32"
		ev.Method, ev.Path, ev.Route, ev.Template = "POST", "/login", "login", "/login"
		ev.AuthOutcome, ev.Account = event.AuthFailure, fmt.Sprint(g.id, "-account-", try)
		g.serve(ctx, r, l, ev)
	}
}

// serve is one request in a life, from its begin to its end or to that of the life.
func (g *gateway) serve(ctx context.Context, r *rand.Rand, l *life, ev *event.RequestEvent) {
	ev.RequestId = fmt.Sprint(g.id, "-", g.w.requests.Add(1))
	g.w.books.note(ev.RequestId, false)
	care := []emit.Care{emit.Batched, emit.Batched, emit.Strict, emit.BestEffort}[r.IntN(4)]
	ev.Status, ev.Decision = 0, "" // Nobody knows yet.
	in := l.emitter.Intend(ev, care)
	if care == emit.Strict {
		_ = l.emitter.Durable(ctx, in) // Whether it is refused is no matter here: it has its event.
	}
	time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
	if l.dead.Load() {
		return
	}
	g.w.books.note(ev.RequestId, true)
	ev.Status, ev.Decision = 200, event.DecisionPermit
	if ev.AuthOutcome == event.AuthFailure {
		ev.Status = 401
	}
	l.emitter.Conclude(in, ev, "")
}

func describe(subject, session string) *event.RequestEvent {
	return &event.RequestEvent{
		Kind: event.KindRequest, Phase: event.PhaseComplete, Time: timestamppb.Now(), Tenant: "default", Subject: subject, Session: session,
		SubjectKind: event.SubjectHuman, Address: "192.0.2.7", Asn: 64500, Country: "DE", UserAgent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
		Method: "GET", Host: "api", Path: "/accounts/1", Route: "accounts", Template: "/accounts/{id}", Status: 200,
		Decision: event.DecisionPermit, BytesOut: 1000, DurationUs: 1000,
	}
}

// copyOf is a copy of a folder as it is now.
func (w *world) copyOf(t *testing.T, dir string) string {
	t.Helper()
	w.folders++
	next := filepath.Join(w.root, fmt.Sprint("copy-", w.folders))
	err := os.CopyFS(next, os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// log is a node's log, shown with -v.
func (w *world) log(node string) *slog.Logger {
	if !w.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(w.out, nil)).With("node", node)
}
