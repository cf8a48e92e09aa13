//go:build bench

package cost_test

import (
	"crypto/sha256"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/analyzer/state/cold"
	"github.com/vigil-gateway/vigil/cmd/internal/cost"
	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// TestCostOfScoring prints what "make bench-scorer" is asked for. It asserts
// nothing about times, which are the machine's.
func TestCostOfScoring(t *testing.T) {
	started := time.Now()
	record := make([]byte, 0, 4096)
	steady := make([]byte, 32<<10)
	var decoded event.RequestEvent
	type counter struct{ requests, bytes uint64 }
	counters := make(map[string]*counter)
	o := cost.Stream{
		Life: life.Options{
			Seed: 1, Start: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC), Days: 30, Subjects: 1000, Attacks: 10, AttackDay: 8,
		},
		Model: model.Default(), Warmup: setting(t, "BENCH_WARMUP", 500_000), Events: setting(t, "BENCH_EVENTS", 500_000),
		Operations: []cost.Operation{
			{Name: "baseline: nothing but the clock", Do: func(*event.RequestEvent) {}},
			{Name: "baseline: SHA-256 of 32 KiB, always the same", Do: func(*event.RequestEvent) {
				sum := sha256.Sum256(steady)
				steady[0] = sum[0]
			}},
			{Name: "baseline: a counter per session in a Go map", Do: func(ev *event.RequestEvent) {
				c := counters[ev.GetSession()]
				if c == nil {
					c = new(counter)
					counters[ev.GetSession()] = c
				}
				c.requests++
				c.bytes += ev.GetBytesOut()
			}},
			{Name: "baseline: protobuf there and back", Do: func(ev *event.RequestEvent) {
				b, err := event.Append(record[:0], ev)
				if err == nil {
					err = event.Decode(b, &decoded)
				}
				if err != nil {
					t.Fatal(err)
				}
			}},
		},
	}
	engine, operations, err := cost.Assess(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%-46s %s", "score with explanation, life with attackers", engine)
	for i, l := range operations {
		t.Logf("%-46s %s", o.Operations[i].Name, l)
	}
	o.Operations = nil
	least := o
	least.Events = setting(t, "BENCH_FLOOR_EVENTS", 60_000)
	low, middle, err := cost.Repeat(least, setting(t, "BENCH_RUNS", 7))
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range []*cost.Latency{low, middle} {
		name := []string{"least", "middle"}[i]
		t.Logf("%-46s p50 %d ns  p90 %d ns  p99 %d ns  p99.9 %d ns  max %d µs", "the "+name+" of several runs of each event", l.P50, l.P90, l.P99, l.P999, l.Max/1000)
	}
	o.Model = withRule(t)
	o.Warmup, o.Events = o.Warmup/2, o.Events/2
	ruled, _, err := cost.Assess(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%-46s %s", "the same with one custom expression", ruled)
	t.Logf("measured in %s", time.Since(started).Round(time.Second))
}

// TestCostOfACrowd prints bytes and time for each of ever more subjects.
func TestCostOfACrowd(t *testing.T) {
	most := setting(t, "BENCH_SUBJECTS", 1_000_000)
	type counter struct{ requests, bytes uint64 }
	base, mapBase := int64(0), int64(0)
	for subjects := 10_000; subjects <= most; subjects *= 10 {
		c, err := cost.NewCrowd(model.Default(), subjects)
		if err != nil {
			t.Fatal(err)
		}
		counters := make(map[string]*counter)
		for i := range subjects {
			counters[c.Session(i)] = new(counter)
		}
		l, m := c.Measure(setting(t, "BENCH_CROWD_EVENTS", 400_000), func(ev *event.RequestEvent) {
			k := counters[ev.GetSession()]
			k.requests++
			k.bytes += ev.GetBytesOut()
		})
		if base == 0 {
			base, mapBase = l.P50, m.P50
		}
		t.Logf("%9d subjects with a session: %.0f B each, %.2f GiB in all; %.2f times the median of the smallest", subjects, c.BytesEach, c.BytesEach*float64(subjects)/(1<<30), float64(l.P50)/float64(base))
		t.Logf("%9s %s", "", l)
		t.Logf("%9s baseline, a counter per session in a Go map: %.2f times the median of the smallest; %s", "", float64(m.P50)/float64(mapBase), m)
	}
}

// TestCostOfABurst offers many times more subjects than the engine has room for, and
// asks what those are worth who come again after they were pushed out: to a cold
// store of so many bytes on disk, 0 for none.
func TestCostOfABurst(t *testing.T) {
	resident, offered, again := setting(t, "BENCH_RESIDENT", 1_000_000), setting(t, "BENCH_OFFERED", 10_000_000), setting(t, "BENCH_AGAIN", 1000)
	var shelf *cold.Shelf
	var away entity.Cold
	if bytesMax := setting(t, "BENCH_COLD_BYTES", 4<<30); bytesMax > 0 {
		var err error
		shelf, err = cold.Open(t.TempDir(), int64(bytesMax), "")
		if err != nil {
			t.Fatal(err)
		}
		defer shelf.Close()
		away = shelf
	}
	c, err := cost.NewCrowdIn(model.Default(), resident, resident, away)
	if err != nil {
		t.Fatal(err)
	}
	came := func(name string, first int) {
		honest, stolen := c.Return(first, again, false), c.Return(first+again, again, true)
		t.Logf("%s: of %d people %d were asked to step up, mean score %.2f; of %d stolen sessions %d were met, mean score %.2f",
			name, honest.People, honest.Met, honest.Score, stolen.People, stolen.Met, stolen.Score)
	}
	came("known", resident/2)
	for _, x := range c.Burst(offered) {
		t.Logf("%9d strangers: %9d pushed out, %.2f GiB; %s", x.Strangers, x.Evicted, float64(x.Heap)/(1<<30), x.Latency)
	}
	came("pushed out", 0)
	if shelf != nil {
		t.Logf("on disk: %d entities, %+v; %d have come back", shelf.Entities(), shelf.Counts(), c.Engine.Stats().Returned)
	}
}

// withRule is the model that ships with one rule more.
func withRule(t *testing.T) *model.Model {
	t.Helper()
	m, err := model.Parse("rule.yaml", []byte(strings.Join([]string{
		"rules:",
		"  - {id: rule.hosting_writes, group: network, owner: bench, text: writes from a data centre, nats: 2,",
		`     expression: 'event.subject_kind == "human" && event.method != "GET" && event.network_tags.exists(t, t == "hosting") && state.suspicion > 1.0'}`,
	}, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// setting is an environment variable, or what the full size needs.
func setting(t *testing.T, name string, full int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return full
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
