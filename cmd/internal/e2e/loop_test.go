//go:build bench

package e2e_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/cmd/internal/topics"
	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// What is run. Product and bare loop take turns, because the machine is shared
// and its mood changes.
var (
	loopRounds  = flag.Int("loop.rounds", 4, "how often product and bare loop take turns")
	loopProduct = flag.Duration("loop.product", 15*time.Second, "measured time of the product per round")
	loopBare    = flag.Duration("loop.bare", 10*time.Second, "time of the bare loop per round")
	loopRate    = flag.Int("loop.rate", 2000, "ordinary requests, and records of the bare loop, per second")
	loopVictims = flag.Duration("loop.victims", 60*time.Millisecond, "pause between two stolen tokens")
	loopStore   = flag.Duration("loop.store", store.DefaultConfig().Linger, "linger of the storing path: rows of that time make one insert")
)

const (
	// bareAnswers of the bare loop's records are answered: verdicts are rare.
	bareAnswers = 100
	// probeRate is that of the bare loop beside the product, every record of
	// which is answered. It says what Kafka takes under the product's own load.
	probeRate = 20
	// stage is how long before the theft a victim opens its stream: a download
	// lasts a second before the gateway calls it a stream.
	stage = 3 * time.Second
)

// TestLoop measures how long a verdict takes at 2,000 requests/s: from the
// moment that a thief's client sends the request that gives it away, to the
// last byte that the owner's client reads of its open stream. Beside it, in
// the same run on the same broker, the least that two hops through Kafka take.
func TestLoop(t *testing.T) {
	// A theft every 60 ms is more than the announcer lets out as revokes, and the gateway lets in.
	s := startStack(t, stackOptions{rate: 64 << 10, unfused: true, analyzer: map[string]any{
		"announce": map[string]any{"revokes_per_minute": 100_000, "blast_radius": map[string]any{"share": 1, "least": 100_000}},
		"store":    map[string]any{"linger": loopStore.String()},
	}})
	crowd := newCrowd(t, s)
	crowd.run(t, 5*time.Second) // Warm: tokens verified, connections open, code paged in.
	bytes := recordBytes(t, s)
	partitions := s.run.Partitions
	_, err := topics.Ensure(t.Context(), topics.Options{Brokers: s.run.Kafka, Specs: bareTopics(partitions)})
	if err != nil {
		t.Fatal(err)
	}
	bare := newBareLoop(s.run.Kafka, partitions, emit.DefaultConfig().Linger)
	bare.run(t, *loopRate, bareAnswers, bytes, 2*time.Second) // Warm too.

	var alone, beside []time.Duration
	var samples []*theft
	var cpu, bareCPU, on time.Duration
	before := crowd.sent()
	for range *loopRounds {
		bareCPU -= cpuTime(t, s.pid)
		alone = append(alone, bare.run(t, *loopRate, bareAnswers, bytes, *loopBare)...)
		now := cpuTime(t, s.pid)
		bareCPU += now
		cpu -= now

		var side sync.WaitGroup
		side.Go(func() { beside = append(beside, bare.run(t, probeRate, 1, bytes, *loopProduct+stage)...) })
		side.Go(func() { samples = append(samples, thieves(t, s, len(samples), *loopProduct)...) })
		crowd.run(t, *loopProduct+stage)
		side.Wait()
		cpu += cpuTime(t, s.pid)
		on += *loopProduct + stage
	}
	requests := crowd.sent() - before
	var whole []time.Duration
	for _, x := range samples {
		if x.err != nil {
			t.Errorf("theft %d: %v", x.number, x.err)
			continue
		}
		whole = append(whole, x.end.Sub(x.sent))
	}
	sent := crowd.sent() + 2*int64(len(samples))
	parts := join(t, s, samples, sent)

	say := func(format string, args ...any) { _, _ = fmt.Fprintf(t.Output(), format+"\n", args...) }
	say("%d partitions, linger %v (storing %v), %d B records, %d ordinary requests in %v (%.0f/s), %d thefts; load average %s",
		partitions, emit.DefaultConfig().Linger, *loopStore, bytes, requests, on, float64(requests)/on.Seconds(), len(samples), loadAverage(t))
	say("%-58s %9s %9s %9s %6s", "ms", "p50", "p99", "p99.9", "n")
	row := func(name string, d []time.Duration) {
		say("%-58s %9.1f %9.1f %9.1f %6d", name, ms(d, .5), ms(d, .99), ms(d, .999), len(d))
	}
	row("offending request sent → victim's last byte", whole)
	for _, kind := range theftKinds() {
		var d []time.Duration
		for _, x := range samples {
			if x.kind == kind && x.err == nil {
				d = append(d, x.end.Sub(x.sent))
			}
		}
		row("    "+kind, d)
	}
	row("  request sent → its event emitted", parts.served)
	row("  event emitted → verdict made", parts.judged)
	row("  verdict made → victim's last byte", parts.cut)
	row("  event emitted → victim's last byte", parts.enforced)
	row(fmt.Sprintf("bare two-hop loop at %d/s, alone", *loopRate), alone)
	row(fmt.Sprintf("bare two-hop loop at %d/s, beside the product's load", probeRate), beside)
	row("ordinary requests, from their scheduled time", crowd.latency())
	say("ratio to the bare loop alone: p50 %.2f, p99 %.2f; beside the load: p50 %.2f, p99 %.2f",
		ms(whole, .5)/ms(alone, .5), ms(whole, .99)/ms(alone, .99), ms(whole, .5)/ms(beside, .5), ms(whole, .99)/ms(beside, .99))
	say("from the event emitted, beside the load: p50 %.2f, p99 %.2f, p99.9 %.2f",
		ms(parts.enforced, .5)/ms(beside, .5), ms(parts.enforced, .99)/ms(beside, .99), ms(parts.enforced, .999)/ms(beside, .999))
	say("CPU of \"vigil up\" (broker, gateway, analyzer, ClickHouse): %.0f µs per request; of its broker alone under the bare loop: %.0f µs per record",
		cpu.Seconds()*1e6/float64(max(1, requests)), bareCPU.Seconds()*1e6/(float64(*loopRate**loopRounds)*loopBare.Seconds()))
	say("requests sent %d, rows in ClickHouse %d, ordinary requests refused or broken %d, sent late (over 100 ms) %d",
		sent, parts.rows, crowd.failed(), crowd.late())
	if parts.rows != sent || crowd.failed() > 0 || len(whole) == 0 {
		t.Errorf("rows %d of %d requests, %d broken, %d measured", parts.rows, sent, crowd.failed(), len(whole))
	}
}

// stages are where the time went, on the clock that all processes share.
type stages struct {
	// Request sent to event emitted, to verdict made, to the owner's last byte; enforced is the latter two.
	served, judged, cut, enforced []time.Duration
	rows                          int64
}

// join waits until everything is in ClickHouse and finds, by request id, the
// verdict that each theft brought about. A theft whose verdict has another
// cause is a fault of the measurement.
func join(t *testing.T, s *stack, samples []*theft, sent int64) stages {
	t.Helper()
	var out stages
	type cause struct {
		ID      string `json:"id"`
		Began   int64  `json:"began"`
		Took    int64  `json:"took"`
		Verdict int64  `json:"verdict"`
	}
	causes := make(map[string]cause)
	stored := func() bool {
		for _, x := range samples {
			if _, known := causes[x.request]; x.err == nil && !known {
				return false
			}
		}
		return out.rows >= sent
	}
	for deadline := time.Now().Add(2 * waitMax); ; time.Sleep(10 * lookGap) {
		out.rows = number(t, s, "SELECT count() AS n FROM requests WHERE kind = 'request'")
		err := query(t.Context(), s, `SELECT v.cause_event_id AS id, toUnixTimestamp64Micro(r.time) AS began, r.duration_us AS took, toUnixTimestamp64Micro(v.time) AS verdict
			FROM verdicts AS v FINAL INNER JOIN requests AS r ON r.id = v.cause_event_id WHERE r.country = 'AU'`, func(c cause) { causes[c.ID] = c })
		if err != nil {
			t.Fatal(err)
		}
		if stored() || time.Now().After(deadline) {
			break
		}
	}
	for _, x := range samples {
		if x.err != nil {
			continue
		}
		c, known := causes[x.request]
		if !known {
			x.err = fmt.Errorf("no verdict has request %s as its cause", x.request)
			t.Errorf("theft %d: %v", x.number, x.err)
			continue
		}
		emitted, made := time.UnixMicro(c.Began+c.Took), time.UnixMicro(c.Verdict)
		out.served = append(out.served, emitted.Sub(x.sent))
		out.judged = append(out.judged, made.Sub(emitted))
		out.cut = append(out.cut, x.end.Sub(made))
		out.enforced = append(out.enforced, x.end.Sub(emitted))
	}
	return out
}

// ms is a quantile in milliseconds, by nearest rank.
func ms(d []time.Duration, q float64) float64 {
	if len(d) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(d))
	return sorted[min(len(sorted)-1, int(math.Ceil(q*float64(len(sorted))))-1)].Seconds() * 1000
}

// recordBytes is how large a record of vigil.requests is, key and headers
// included, so that the bare loop carries as much.
func recordBytes(t *testing.T, s *stack) int {
	t.Helper()
	c := kafka.Client{Addr: kafka.TCP(s.run.Kafka...), Transport: &kafka.Transport{}}
	var resp *kafka.FetchResponse
	err := errors.New("not asked")
	for deadline := time.Now().Add(waitMax); err != nil && time.Now().Before(deadline); time.Sleep(lookGap) {
		resp, err = c.Fetch(t.Context(), &kafka.FetchRequest{Topic: topic.Requests, Partition: 0, Offset: 0, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
	}
	if err != nil {
		t.Fatal(err)
	}
	n, bytes := 0, 0
	for {
		rec, err := resp.Records.ReadRecord()
		if err != nil {
			break
		}
		key, err := kafka.ReadAll(rec.Key)
		if err != nil {
			t.Fatal(err)
		}
		value, err := kafka.ReadAll(rec.Value)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range rec.Headers {
			bytes += len(h.Key) + len(h.Value)
		}
		bytes += len(key) + len(value)
		n++
	}
	if n == 0 {
		t.Fatal("no records in " + topic.Requests)
	}
	return bytes / n
}

// cpuTime is what a process has used so far.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, errUser := strconv.ParseInt(fields[11], 10, 64)
	system, errSystem := strconv.ParseInt(fields[12], 10, 64)
	if errUser != nil || errSystem != nil {
		t.Fatalf("read CPU time: %v, %v", errUser, errSystem)
	}
	return time.Duration(user+system) * 10 * time.Millisecond // Clock ticks of Linux are 100 per second.
}

func loadAverage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

// until sleeps until a moment of the schedule.
func until(ctx context.Context, at time.Time) {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
