package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/devstack"
	"github.com/vigil-gateway/vigil/cmd/internal/keys"
	"github.com/vigil-gateway/vigil/cmd/internal/people"
	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// Options say what to show. Dir and Logger are required.
type Options struct {
	// Dir holds the installation; it should be empty.
	Dir string
	// Library is the path of libchdb.so; see devstack.FindLibrary.
	Library string
	// Kafka names an outside cluster's brokers; empty runs the embedded one.
	Kafka []string
	// Seed decides everything but the clock.
	Seed uint64
	// Users is how many ordinary people there are, Attackers how many others.
	Users, Attackers int
	// Once ends the demo when the last attack has ended; otherwise it goes on
	// until the context does.
	Once bool
	// JSON takes the NDJSON, Text the story for people; nil for none.
	JSON, Text io.Writer
	Logger     *slog.Logger
}

// run is one demo.
type run struct {
	options    Options
	population *people.Population
	crowd      *crowd
	attackers  []*attacker
	story      *story
	ledger     people.Ledger

	stack   *devstack.Stack
	idp     *idp.Provider
	gateway string // Base URL.
	// gatewayID is the gateway's name in its events.
	gatewayID string
	names     event.Names
	issuer    string
	roster    roster
}

// roster knows the people behind pseudonyms, for the story alone: the product
// does not.
type roster struct {
	mu    sync.Mutex
	names map[string]string
}

func (r *roster) add(id, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names == nil {
		r.names = make(map[string]string)
	}
	r.names[id] = name
}

func (r *roster) name(id string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.names[id]
}

// Durations of the live part.
const (
	// liveLeast is how long ordinary people are watched even if no attack lasts.
	liveLeast = 20 * time.Second
	// settleMax bounds the wait for the last rows.
	settleMax = 30 * time.Second
)

// Run shows the demo. The summary is valid where the error is nil; whether the
// product kept its promise is for [Summary.OK] to say.
func Run(ctx context.Context, o Options) (Summary, error) {
	d := &run{options: o, gatewayID: fmt.Sprintf("demo-%d-%d", o.Seed, time.Now().UnixMilli())}
	d.population = people.NewPopulation(o.Seed, o.Users, time.Now())
	d.attackers = newAttackers(o.Seed, o.Attackers, d.population.People)
	d.crowd = &crowd{demo: d}
	d.story = &story{text: o.Text, begun: time.Now(), who: d.roster.name}
	if o.JSON != nil {
		d.story.json = json.NewEncoder(o.JSON)
	}
	d.story.say("seed %d: --seed %d shows the same people, attacks and order again", o.Seed, o.Seed)
	err := d.start(ctx)
	if err != nil {
		return Summary{}, err
	}
	sum, err := d.show(ctx)
	return sum, errors.Join(err, d.stack.Stop(), d.story.failed())
}

// start brings the installation up, with the history in the analyzer's warm
// start.
func (d *run) start(ctx context.Context) error {
	o := devstack.DefaultOptions()
	o.Dir, o.Library, o.Kafka, o.Logger = d.options.Dir, d.options.Library, d.options.Kafka, d.options.Logger
	o.Mode, o.Configure = devstack.ModeEnforce, d.configure
	d.population.Settle(&o, func(l people.Learned) {
		d.story.say("history: %d people, %d days, %d events, scored offline in %.1f s for the analyzer's warm start",
			len(d.population.People), people.HistoryDays, l.Events, l.Took.Seconds())
	})
	stack, err := devstack.Start(ctx, o)
	if err != nil {
		return err
	}
	d.stack, d.idp, d.gateway = stack, stack.IDP(), stack.Run().Gateway
	d.names, d.issuer = stack.Names(), stack.Run().Issuer
	d.story.emit(stack.Ready())
	d.story.say("serving: gateway %s, Kafka %v, ClickHouse %s", stack.Run().Gateway, stack.Run().Kafka, stack.Run().ClickHouse)
	return nil
}

// configure makes the installation one to look at.
func (d *run) configure(c *devstack.Config) error {
	// A name that no other demo on the same cluster has: its rows are ours.
	c.Gateway.ID = d.gatewayID
	_, err := keys.AddGateway(d.options.Dir, d.gatewayID, time.Now())
	if err != nil {
		return err //nolint:wrapcheck // Says which file.
	}
	c.Gateway.Emit.KeyFile = keys.GatewayKey(d.options.Dir, d.gatewayID)
	c.Gateway.Listen.ProxyProtocol.Require = true
	// The story is told from ClickHouse, so rows should not wait long for company.
	c.Analyzer.Store.Linger = 200 * time.Millisecond
	// On a cluster that other demos have used, theirs is not our history.
	c.Analyzer.State.Replay = time.Second
	return nil
}

// show is the live part.
func (d *run) show(ctx context.Context) (Summary, error) {
	// What was begun is finished and counted also when somebody presses Ctrl-C.
	watchCtx, stopWatch := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWatch()
	w := newWatch(d)
	watching := make(chan error, 1)
	go func() { watching <- w.follow(watchCtx) }()

	crowdCtx, stopCrowd := context.WithCancel(ctx)
	defer stopCrowd()
	begun := time.Now()
	var crowd, bad sync.WaitGroup
	insiders := make(map[*people.Person]bool)
	for _, a := range d.attackers {
		if a.who != nil {
			insiders[a.who] = true
		}
	}
	for i, u := range d.population.People {
		if !insiders[u] {
			crowd.Go(func() { d.crowd.live(crowdCtx, i, u) })
		}
	}
	d.story.say("%d of %d people come to work, each as in the last %d days; the other %d are attackers this time",
		len(d.population.People)-len(insiders), len(d.population.People), people.HistoryDays, len(insiders))
	if people.Sleep(ctx, arrival+2*time.Second) {
		for _, a := range d.attackers {
			bad.Go(func() { d.attack(crowdCtx, a) })
		}
	}
	bad.Wait()
	if d.options.Once {
		people.Sleep(ctx, max(2*time.Second, liveLeast-time.Since(begun)))
	} else if ctx.Err() == nil {
		d.story.say("that was the last attack; ordinary work goes on until Ctrl-C")
		<-ctx.Done()
	}
	stopCrowd()
	crowd.Wait()

	err := w.settle(watchCtx)
	stopWatch()
	err = errors.Join(err, <-watching)
	if err != nil {
		return Summary{}, err
	}
	sum := d.sum(w)
	d.story.summary(sum)
	return sum, nil
}

// sum draws the line under it.
func (d *run) sum(w *watch) Summary {
	s := Summary{Event: "summary", Seed: d.options.Seed, Requests: d.ledger.Sent(), Rows: w.rows}
	for _, a := range d.attackers {
		if a.ended {
			s.Attackers++
		}
		if a.caught {
			s.Caught++
		}
	}
	s.HonestSessions, s.HonestInterrupted = d.crowd.honest()
	s.Verdicts, s.Cuts, s.Refusals = len(w.verdicts), len(w.cuts)-len(w.refused), w.refusals
	s.EventToCutMS = w.latency()
	return s
}
