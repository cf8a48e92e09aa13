package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
	"github.com/vigil-gateway/vigil/schemas/deadletter"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// gauge reads one gauge, summed over its attributes.
func gauge(t *testing.T, reader *sdkmetric.ManualReader, name string) int64 {
	t.Helper()
	var data metricdata.ResourceMetrics
	err := reader.Collect(context.Background(), &data)
	if err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			g, ok := m.Data.(metricdata.Gauge[int64])
			if ok && m.Name == "vigil.analyzer."+name {
				for _, p := range g.DataPoints {
					sum += p.Value
				}
			}
		}
	}
	return sum
}

// heap is the live heap, after a collection.
func heap() int64 {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// ClickHouse is down for thirty minutes at a hundredth of the time: the pauses
// between two tries are a hundredth of their defaults, and so is the outage.
// Before it comes a backlog, during it events go on coming. The store's memory
// stays below its limit and does not grow; then every row is there once and the
// lag is 0 again.
func TestThirtyMinutesWithoutClickHouse(t *testing.T) {
	const scale = 100
	outage, backlog, live := 30*time.Minute/scale, 60_000, 20
	if testing.Short() {
		outage, backlog = 3*time.Minute/scale, 10_000
	}
	r := newRig(t)
	reader := sdkmetric.NewManualReader()
	r.meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	defaults := store.DefaultConfig()
	r.config.RetryMax, r.config.RecordsMax, r.config.BatchBytes = defaults.RetryMax/scale, 5000, 1<<20
	l := r.lie()
	r.start()
	r.requests(1, 10)
	r.once(10)
	l.tell(func(string) lie { return refuses })
	next := uint64(11)
	for range backlog / 2000 {
		r.requests(next, 2000)
		next += 2000
	}
	began := time.Now()
	var depth int64
	lows := [3]int64{math.MaxInt64, math.MaxInt64, math.MaxInt64} // Of each third: what a try under way holds is no growth.
	for time.Since(began) < outage {
		r.requests(next, live)
		next += uint64(live)
		depth = max(depth, gauge(t, reader, "storing_queue_depth"))
		third := min(int(3*time.Since(began)/outage), 2)
		lows[third] = min(lows[third], heap())
		time.Sleep(outage / 60) // Load comes in time, here too.
	}
	tries, lied := l.counts()
	if limit := gauge(t, reader, "storing_queue_capacity") + partitions<<20; depth > limit {
		t.Errorf("%d bytes were gathered, the limit is %d", depth, limit)
	}
	// What the broker keeps of the live load is less than this.
	grown := lows[2] - lows[1]
	if grown > 8<<20 {
		t.Errorf("the heap grew by %d bytes from the second third of the outage to the last", grown)
	}
	if depth == 0 {
		t.Error("nothing was gathered during the outage")
	}
	if lag := r.store.Stats().Lag; lag < int64(backlog*partitions) {
		t.Errorf("lag is %d during the outage, want at least %d", lag, backlog*partitions)
	}
	l.tell(nil)
	r.patience = 3 * time.Minute // A hundred thousand rows with all their views.
	r.once(int(next - 1))
	deadline := time.Now().Add(10 * time.Second)
	for r.store.Stats().Lag > 0 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if st := r.store.Stats(); st.Lag != 0 || st.Down {
		t.Errorf("after the outage %+v", st)
	}
	t.Logf("%v without ClickHouse (%v at 1:%d), %d events, %d tries of which %d failed, at most %d bytes gathered, heap %+d bytes",
		outage*scale, outage, scale, int(next-1)*partitions, tries, lied, depth, grown)
}

// A worker that has lost its partition and does not know it inserts the cut
// again: before the holder, beside it and after it there is one copy, and its
// commit is refused.
func TestZombiesInsertTheSameBlock(t *testing.T) {
	r := newRig(t)
	l := r.lie()
	l.tell(func(string) lie { return refuses }) // The holder has declared and cannot insert.
	r.start()
	r.requests(1, 50)
	r.judgements(40)
	ledger := store.NewLedger(r.client)
	cuts := make(map[string]store.Cut)
	deadline := time.Now().Add(30 * time.Second)
	for len(cuts) < partitions+1 && time.Now().Before(deadline) {
		for _, source := range []struct {
			topic     string
			partition int
		}{{topic.Requests, 0}, {topic.Requests, 1}, {topic.Assessments, 0}} {
			c, known, err := ledger.Last(t.Context(), source.topic, source.partition)
			if err != nil {
				t.Fatal(err)
			}
			if known {
				cuts[fmt.Sprint(source)] = c
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	zombies := func() {
		var wait sync.WaitGroup
		for range 2 {
			for _, c := range cuts {
				wait.Go(func() {
					err := r.zombie(c)
					if err == nil || !strings.Contains(err.Error(), store.ErrEnded.Error()) {
						t.Errorf("a zombie ended with %v, want a commit that is refused", err)
					}
				})
			}
		}
		wait.Wait()
	}
	zombies()
	l.tell(nil)
	zombies()
	r.once(50)
	zombies()
	r.requests(51, 10)
	r.once(60)
	r.judged(40)
}

// zombie does a cut as a worker of a generation that has ended, straight to ClickHouse.
func (r *rig) zombie(c store.Cut) error {
	config := r.config
	config.Addresses = []string{olaptest.Server(r.t).Addr()}
	s, err := store.New(store.Options{Config: config, Keys: r.keys, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Meter: r.meter, Tracer: r.tracer})
	if err != nil {
		return err
	}
	defer s.Abandon()
	return s.Redo(r.t.Context(), c)
}

// A record that could not be read holds nothing up and is counted as missing;
// once it can be read, its rows are stored once, and it is not missing any more.
func TestDeadLettersAreStoredOnceTheyCanBeRead(t *testing.T) {
	r := newRig(t)
	r.start()
	lost := request(t, 0, 2, nil)
	r.produce(topic.Requests, 0, request(t, 0, 1, nil), []byte("\xff\xff"), request(t, 0, 3, nil))
	r.produce(topic.Verdicts, 0, []byte("no verdict"))
	r.eventually("SELECT groupArray((seq, seq_end, reason)) FROM @losses", "[(2,2,'gap')]")
	r.committed(topic.Requests, 0, 3)
	conn, err := store.Open(t.Context(), r.config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	dead := store.OpenDead(store.DeadOptions{Config: r.config, Conn: conn})
	defer dead.Close()

	var letters []deadletter.Letter
	deadline := time.Now().Add(30 * time.Second)
	for len(letters) < 2 && time.Now().Before(deadline) {
		letters = nil
		strangers, err := dead.Walk(t.Context(), func(l *deadletter.Letter) error {
			letters = append(letters, *l)
			return nil
		})
		if err != nil || strangers != 0 {
			t.Fatalf("%d strangers, error %v", strangers, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	var letter deadletter.Letter
	for _, l := range letters {
		if l.Topic == topic.Requests {
			letter = l
		}
	}
	checkLeft(t, dead, letter)

	letter.Value, letter.Bytes = lost, len(lost) // As a version reads it that understands more.
	for _, want := range []int{1, 0} {
		added, err := dead.Replay(t.Context(), &letter)
		if err != nil || added != want {
			t.Fatalf("Replay = %d, %v, want %d", added, err, want)
		}
	}
	r.eventually("SELECT arraySort(groupArray((seq, kafka_offset))) FROM @requests", "[(1,0),(2,1),(3,2)]")
	r.eventually("SELECT sum(requests) FROM @requests_1m", "3")
	r.eventually(`SELECT sum(n.n - bitmapCardinality(bitmapSubsetInRange(late.seqs, n.seq, n.seq_end + 1))) FROM @losses AS n
		INNER JOIN (SELECT lane, groupBitmapMergeState(seqs) AS seqs FROM @lane_daily GROUP BY lane) AS late USING lane`, "0")
	r.produce(topic.Requests, 0, request(t, 0, 4, func(e *event.RequestEvent) { e.Id = "after" }))
	r.eventually("SELECT count() FROM @requests WHERE id = 'after'", "1")
}

// checkLeft replays letters that stay where they are.
func checkLeft(t *testing.T, dead *store.Dead, letter deadletter.Letter) {
	t.Helper()
	tests := map[string]struct {
		change func(*deadletter.Letter)
		want   error
	}{
		"a record that still cannot be read":   {func(*deadletter.Letter) {}, store.ErrPoison},
		"a record of which a part was kept":    {func(l *deadletter.Letter) { l.Bytes++ }, store.ErrNotKept},
		"a letter of scoring":                  {func(l *deadletter.Letter) { l.Stage = deadletter.StageScoring }, store.ErrNotStored},
		"a topic that is not stored":           {func(l *deadletter.Letter) { l.Topic = topic.Control }, store.ErrNotStored},
		"a verdict where nobody can verify it": {func(l *deadletter.Letter) { l.Topic = topic.Verdicts }, store.ErrNotStored},
	}
	for name, tt := range tests {
		l := letter
		tt.change(&l)
		added, err := dead.Replay(t.Context(), &l)
		if added != 0 || !errors.Is(err, tt.want) {
			t.Errorf("%s: Replay = %d, %v, want %v", name, added, err, tt.want)
		}
	}
}
