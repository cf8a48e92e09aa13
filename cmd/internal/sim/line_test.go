package sim_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
	"github.com/vigil-gateway/vigil/scorer/model"
)

const (
	// seeds is how many runs there are; VIGIL_SEED makes it the one of that seed.
	seeds, seedsShort = 3, 1
	// trouble is how long things go wrong.
	trouble = 100 * time.Second
	// recovery is how long the line may take until all is as if nothing had been.
	recovery = 3 * time.Minute
)

// world is an installation: a Kafka of three brokers, two gateways, two analyzers.
type world struct {
	seed    uint64
	rand    *rand.Rand
	root    string
	folders int
	verbose bool
	out     io.Writer

	network   *network
	kafka     *cluster
	ring      ring
	model     *model.Model
	gateways  []*gateway
	analyzers []*analyzer
	rested    map[string]time.Time // When a group of the analyzers was seen to be at rest last.
	books     books
	requests  atomic.Int64
	ended     sync.WaitGroup // What earlier lives still do.
}

// TestTheLineUnderFaults lets everything fail that can between gateways, brokers and
// analyzers, and looks afterwards whether it shows: every request is accounted for,
// every event assessed as by an engine that never stopped, and every verdict in force
// at every gateway, and at no time weaker than before.
func TestTheLineUnderFaults(t *testing.T) {
	first, n := rand.Uint64(), seeds
	if testing.Short() {
		n = seedsShort
	}
	if text := os.Getenv("VIGIL_SEED"); text != "" {
		var err error
		first, err = strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("VIGIL_SEED: %v", err)
		}
		n = 1
	}
	for i := range n {
		seed := first + uint64(i)
		t.Run(fmt.Sprint("VIGIL_SEED=", seed), func(t *testing.T) {
			root := t.TempDir()
			bubble.Test(t, func(t *testing.T) {
				w := newWorld(t, seed, root)
				w.run(t)
			})
		})
	}
}

func newWorld(t *testing.T, seed uint64, root string) *world {
	t.Helper()
	w := &world{
		seed: seed, rand: rand.New(rand.NewPCG(seed, 0)), root: root, verbose: testing.Verbose(), out: t.Output(),
		network: newNetwork(seed), ring: newRing(t, "gateway-1", "gateway-2"), model: model.Default().WithMode(model.ModeEnforce),
		rested: make(map[string]time.Time),
		books:  books{begun: make(map[string]bool)},
	}
	w.kafka = newCluster(t, w.network)
	for i := range 2 {
		w.gateways = append(w.gateways, &gateway{w: w, id: fmt.Sprint("gateway-", i+1), dir: w.folder(t)})
		w.analyzers = append(w.analyzers, &analyzer{w: w, id: fmt.Sprint("analyzer-", i+1), dir: w.folder(t)})
	}
	return w
}

func (w *world) folder(t *testing.T) string {
	t.Helper()
	w.folders++
	dir := filepath.Join(w.root, fmt.Sprint("folder-", w.folders))
	err := os.Mkdir(dir, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// run is the whole story: all is well, trouble, recovery, and the books.
func (w *world) run(t *testing.T) {
	t.Helper()
	for _, g := range w.gateways {
		g.start(t)
	}
	for _, a := range w.analyzers {
		a.start(t)
	}
	ctx, leave := context.WithCancel(context.Background())
	var crowd sync.WaitGroup
	for _, g := range w.gateways {
		for n := range peopleOfOne {
			crowd.Go(func() { g.person(ctx, n) })
		}
		crowd.Go(func() { g.machine(ctx) })
	}
	did := make(map[string]int)
	for begin := time.Now(); time.Since(begin) < trouble; {
		time.Sleep(time.Duration(100+w.rand.IntN(2500)) * time.Millisecond)
		what := w.fault(t)
		did[what]++
		w.bounds(t)
		w.bury(t)
	}
	w.heal()
	time.Sleep(20 * time.Second) // Some load on a line that is whole: what it says now tells of all that was before.
	leave()
	crowd.Wait()
	w.recover(t)
	t.Logf("%d requests; done: %v; on the network: %v", w.requests.Load(), did, w.network.faults)
	w.check(t)
	w.close()
}

// fault lets one thing go wrong, or end.
func (w *world) fault(t *testing.T) string {
	t.Helper()
	r := w.rand
	switch n := r.IntN(22); {
	case n < 3:
		w.gateways[r.IntN(len(w.gateways))].kill(t)
		return "gateway killed"
	case n < 6:
		w.analyzers[r.IntN(len(w.analyzers))].kill(t)
		return "analyzer killed"
	case n < 8:
		g := w.gateways[r.IntN(len(w.gateways))]
		w.isolate(g.life.Load().node)
		return "gateway cut off"
	case n < 10:
		w.isolate(w.analyzers[r.IntN(len(w.analyzers))].node)
		return "analyzer cut off"
	case n < 12:
		w.isolate(w.kafka.addrs[r.IntN(brokers)])
		return "broker cut off"
	case n < 14:
		w.kafka.ShufflePartitionLeaders()
		return "leaders moved"
	case n < 15:
		w.kafka.RehashCoordinators()
		return "coordinators moved"
	case n < 17:
		w.network.setRates(rates{broken: r.Float64() * 0.03, lost: r.Float64() * 0.03, halfOpen: r.Float64() * 0.01, slow: r.Float64() * 0.3})
		return "network worse"
	case n < 18:
		w.network.setRates(rates{})
		return "network well"
	case n < 20:
		return w.forge(t)
	default:
		return w.kafka.misanswer(r)
	}
}

// isolate cuts a node off for up to ten seconds: long enough for a rebalance.
func (w *world) isolate(node string) {
	w.network.setCut(node, true)
	lasts := time.Duration(500+w.rand.IntN(9500)) * time.Millisecond
	w.ended.Go(func() {
		time.Sleep(lasts)
		w.network.setCut(node, false)
	})
}

// heal ends all faults.
func (w *world) heal() {
	w.network.setRates(rates{})
	w.kafka.heal()
	for _, addr := range w.kafka.addrs {
		w.network.setCut(addr, false)
	}
	for _, g := range w.gateways {
		w.network.setCut(g.life.Load().node, false)
	}
	for _, a := range w.analyzers {
		w.network.setCut(a.node, false)
	}
}

// recover waits until nothing waits any more.
func (w *world) recover(t *testing.T) {
	t.Helper()
	w.await(t, "the gateways have sent all", func() bool {
		for _, g := range w.gateways {
			s := g.life.Load().emitter.Stats().Requests
			if s.Depth > 0 || s.Failing > 0 {
				return false
			}
		}
		return true
	})
	for _, g := range w.gateways {
		g.life.Load().stopEmit()
	}
	w.await(t, "the analyzers have scored all", func() bool {
		w.bury(t)
		return w.scored()
	})
	time.Sleep(5 * time.Second) // What they have said is on its way to the gateways, and what one stage has to the other.
	w.await(t, "the analyzers have scored what they wrote themselves", w.scored)
	for _, a := range w.analyzers {
		a.stop()
		a.ended.Wait()
	}
}

// await waits for what must come by itself.
func (w *world) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for begin := time.Now(); !done(); time.Sleep(200 * time.Millisecond) {
		if time.Since(begin) < recovery {
			continue
		}
		for _, g := range w.gateways {
			t.Logf("%s: %+v", g.id, g.life.Load().emitter.Stats())
		}
		for _, a := range w.analyzers {
			for i, s := range both() {
				t.Logf("%s: %+v; group: %+v", a.node, a.ingests[i].Status(), w.kafka.GroupInfo(s.group))
			}
		}
		t.Errorf("waited %v in vain until %s", recovery, what)
		return
	}
}

// bounds looks at what must be bounded while it is.
func (w *world) bounds(t *testing.T) {
	t.Helper()
	for _, g := range w.gateways {
		s := g.life.Load().emitter.Stats().Requests
		if s.Depth > s.Capacity || s.Bytes > s.CapacityBytes {
			t.Errorf("%s: %d of %d records and %d of %d bytes wait", g.id, s.Depth, s.Capacity, s.Bytes, s.CapacityBytes)
		}
	}
}

// close ends what is left, and waits until every goroutine has gone.
func (w *world) close() {
	for _, g := range w.gateways {
		l := g.life.Load()
		l.stopEmit()
		l.stopRead()
		l.ended.Wait()
	}
	w.ended.Wait()
	w.kafka.close()
	time.Sleep(10 * time.Minute) // Idle connections end by their timers.
}
