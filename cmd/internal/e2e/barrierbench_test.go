//go:build bench

package e2e_test

import (
	"bufio"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/topics"
	"github.com/vigil-gateway/vigil/gateway/emit"
)

var (
	barrierRounds = flag.Int("barrier.rounds", 4, "how often the loads take turns")
	barrierLasts  = flag.Duration("barrier.lasts", 10*time.Second, "time of each load per round")
	barrierRate   = flag.Int("barrier.rate", 50, "requests per second to routes with and without barrier, each")
)

// TestBarrierCost measures what the release barrier adds to a request: the same
// request to the same upstream by a route with and by one without, in turn, while
// ordinary traffic goes on. Beside it the least that two hops through Kafka take, on
// the same broker under the same load.
func TestBarrierCost(t *testing.T) {
	s := startStack(t, stackOptions{release: map[string]any{"until": "scored", "max": "5s", "else": "deny"}})
	crowd := newCrowd(t, s)
	crowd.run(t, 5*time.Second) // Warm.
	size, partitions := recordBytes(t, s), s.run.Partitions
	_, err := topics.Ensure(t.Context(), topics.Options{Brokers: s.run.Kafka, Specs: bareTopics(partitions)})
	if err != nil {
		t.Fatal(err)
	}
	bare := newBareLoop(s.run.Kafka, partitions, emit.DefaultConfig().Linger)
	bare.run(t, probeRate, 1, size, time.Second) // Warm too.
	plain, held := newProbe(t, s, s.host(), 0), newProbe(t, s, releaseHost, 1)
	var idlePlain, idleHeld, busyPlain, busyHeld, idleBare, busyBare []time.Duration
	measure := func(plainTook, heldTook, bareTook *[]time.Duration) {
		var side sync.WaitGroup
		side.Go(func() { *bareTook = append(*bareTook, bare.run(t, probeRate, 1, size, *barrierLasts)...) })
		side.Go(func() { *plainTook = append(*plainTook, plain.run(t, *barrierLasts)...) })
		side.Go(func() { *heldTook = append(*heldTook, held.run(t, *barrierLasts)...) })
		side.Wait()
	}
	for range *barrierRounds {
		measure(&idlePlain, &idleHeld, &idleBare)
		var load sync.WaitGroup
		load.Go(func() { crowd.run(t, *barrierLasts) })
		measure(&busyPlain, &busyHeld, &busyBare)
		load.Wait()
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(t.Output(), format+"\n", args...) }
	say("%d partitions, linger %v, %d B records; load average %s", partitions, emit.DefaultConfig().Linger, size, loadAverage(t))
	say("%-52s %9s %9s %9s %6s", "ms", "p50", "p90", "p99", "n")
	row := func(name string, d []time.Duration) {
		say("%-52s %9.2f %9.2f %9.2f %6d", name, ms(d, .5), ms(d, .9), ms(d, .99), len(d))
	}
	for _, x := range []struct {
		when              string
		plain, held, bare []time.Duration
	}{
		{fmt.Sprintf("no other load (%d/s)", 2**barrierRate), idlePlain, idleHeld, idleBare},
		{fmt.Sprintf("%d ordinary requests/s", *loopRate), busyPlain, busyHeld, busyBare},
	} {
		row(x.when+": without a barrier", x.plain)
		row(x.when+": with a barrier", x.held)
		row(x.when+": bare two-hop loop", x.bare)
		added := func(q float64) float64 { return ms(x.held, q) - ms(x.plain, q) }
		say("%s: added p50 %.2f ms, p99 %.2f ms; ratio of what is added to the bare loop: p50 %.2f, p99 %.2f",
			x.when, added(.5), added(.99), added(.5)/ms(x.bare, .5), added(.99)/ms(x.bare, .99))
	}
	if len(idleHeld) == 0 || len(busyHeld) == 0 {
		t.Error("nothing was measured")
	}
}

// probe asks at a steady rate over connections of its own.
type probe struct{ desks []*desk }

// probeDesks are the connections of a probe, each with sessions in several lanes: so
// many that no request waits for the one before it on its connection.
const probeDesks = 64

func newProbe(t *testing.T, s *stack, host string, number int) *probe {
	t.Helper()
	p := &probe{}
	for i := range probeDesks {
		conn, err := dialFrom(t.Context(), s.host(), address(home, 3000+probeDesks*number+i))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		d := &desk{conn: conn, in: bufio.NewReader(conn)}
		for n := range crowdPeople {
			token := s.token(fmt.Sprintf("probe-%d-%d-%d", number, i, n))
			d.requests = append(d.requests, []byte("GET /accounts HTTP/1.1\r\nHost: "+host+"\r\nUser-Agent: "+ownersAgent+"\r\nAuthorization: Bearer "+token+"\r\n\r\n"))
		}
		p.desks = append(p.desks, d)
	}
	return p
}

// run asks for a time and returns how long the answers took, from when each was sent.
func (p *probe) run(t *testing.T, lasts time.Duration) []time.Duration {
	t.Helper()
	pause := time.Second * probeDesks / time.Duration(*barrierRate)
	began := time.Now()
	var work sync.WaitGroup
	for i, d := range p.desks {
		d.took = nil
		work.Go(func() {
			for due := began.Add(pause * time.Duration(i) / probeDesks); due.Sub(began) < lasts; due = due.Add(pause) {
				until(t.Context(), due)
				err := d.ask(time.Now())
				if err != nil {
					t.Errorf("probe: %v", err)
					return
				}
			}
		})
	}
	work.Wait()
	var all []time.Duration
	for _, d := range p.desks {
		all = append(all, d.took...)
	}
	return all
}
