package store_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

const partitions = 2

// rig is a broker, a database and a key of the test's own.
type rig struct {
	t        *testing.T
	config   store.Config
	keys     *verdict.KeySet
	signer   verdict.Signer
	client   *kafka.Client
	database string
	meter    metric.Meter
	tracer   trace.Tracer
	headers  []kafka.Header
	seals    *verdict.KeySet // Nil where nothing is sealed.
	unsigned seal.Policy
	store    *store.Store // The last that was started.
	patience time.Duration
}

func newRig(t *testing.T) *rig {
	t.Helper()
	b, err := broker.Start(broker.Options{Partitions: partitions})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	transport := new(kafka.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	r := &rig{t: t, client: &kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: transport}, database: olaptest.Database(t), patience: 30 * time.Second}
	r.meter, r.tracer = metricnoop.NewMeterProvider().Meter(""), tracenoop.NewTracerProvider().Tracer("")
	r.config = store.DefaultConfig()
	r.config.Brokers = []string{b.Addr()}
	r.config.Addresses = []string{olaptest.Server(t).Addr()}
	r.config.Protocol, r.config.Database = store.ProtocolHTTP, r.database
	r.config.Linger, r.config.RetryMax = 10*time.Millisecond, 100*time.Millisecond
	r.config.InsertTimeout = 5 * time.Second
	r.config.Heartbeat, r.config.SessionTimeout, r.config.RebalanceTimeout = 100*time.Millisecond, 2*time.Second, 2*time.Second

	_, root, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	file, err := verdict.SignKeySet(root, []verdict.Key{{ID: "a1", Class: verdict.ClassAnalyzer, Public: public}})
	if err != nil {
		t.Fatal(err)
	}
	r.keys, err = verdict.OpenKeySet(root.Public().(ed25519.PublicKey), file)
	if err != nil {
		t.Fatal(err)
	}
	r.signer = verdict.NewSigner("a1", private)
	return r
}

// start runs a store until the returned function is called, which waits for its end.
func (r *rig) start() (stop func()) {
	r.t.Helper()
	var seals seal.Keys
	if r.seals != nil {
		seals = r.seals
	}
	s, err := store.New(store.Options{
		Config: r.config, Keys: r.keys, Seals: seals, Unsigned: r.unsigned, Now: time.Now,
		Logger: slog.New(slog.NewTextHandler(&testLog{r.t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Meter:  r.meter, Tracer: r.tracer,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.store = s
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			err := <-done
			if err != nil {
				r.t.Errorf("Run = %v", err)
			}
		})
	}
	r.t.Cleanup(stop)
	return stop
}

type testLog struct{ t *testing.T }

func (l *testLog) Write(p []byte) (int, error) {
	if testing.Verbose() {
		fmt.Print(l.t.Name(), ": ", string(p))
	}
	return len(p), nil
}

// produce writes records to one partition of a topic.
func (r *rig) produce(name string, partition int, values ...[]byte) {
	r.t.Helper()
	records := make([]kafka.Record, len(values))
	for i, v := range values {
		records[i] = kafka.Record{Time: time.Now(), Key: kafka.NewBytes([]byte("k")), Value: kafka.NewBytes(v), Headers: r.headers}
	}
	resp, err := r.client.Produce(context.Background(), &kafka.ProduceRequest{
		Topic: name, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	if err == nil {
		err = resp.Error
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// ask runs a query in the test's database.
func (r *rig) ask(query string) string {
	r.t.Helper()
	return strings.TrimSpace(olaptest.Exec(r.t, strings.ReplaceAll(query, "@", r.database+".")))
}

// eventually waits until a query has an answer.
func (r *rig) eventually(query, want string) {
	r.t.Helper()
	deadline := time.Now().Add(r.patience)
	got := ""
	for time.Now().Before(deadline) {
		if r.ask("SELECT count() FROM system.tables WHERE database = '"+r.database+"' AND name = 'enforcements'") == "1" {
			got = r.ask(query)
			if got == want {
				return
			}
		}
		time.Sleep(20 * time.Millisecond) // Polling, not synchronisation: the answer ends the wait.
	}
	r.t.Fatalf("%s = %q, want %q", query, got, want)
}

// request is an event of a lane.
func request(t *testing.T, lane uint32, seq uint64, change func(*event.RequestEvent)) []byte {
	t.Helper()
	e := &event.RequestEvent{
		Kind: event.KindRequest, Phase: event.PhaseComplete, Id: fmt.Sprintf("%d-%d", lane, seq), RequestId: "r" + strconv.FormatUint(seq, 10),
		Time: timestamppb.Now(), Gateway: "g1", Epoch: 7, Lane: lane, Seq: seq,
		Tenant: "default", Subject: "s" + strconv.FormatUint(seq%5, 10), Session: "x" + strconv.FormatUint(seq%5, 10), Address: "192.0.2.1",
		Method: "GET", Route: "api", Status: 200, Decision: event.DecisionPermit, BytesOut: 10, DurationUs: 1000,
	}
	if change != nil {
		change(e)
	}
	b, err := event.Append(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// requests writes n events of each lane, from seq on, to the lane's partition.
func (r *rig) requests(from uint64, n int) {
	r.t.Helper()
	for lane := range partitions {
		var values [][]byte
		for i := range n {
			values = append(values, request(r.t, uint32(lane), from+uint64(i), nil))
		}
		r.produce(topic.Requests, lane, values...)
	}
}

// once asserts that every event of n per lane is one row, and counted once by each view.
func (r *rig) once(n int) {
	r.t.Helper()
	want := fmt.Sprintf("%d\t%d", n*partitions, n*partitions)
	r.eventually("SELECT count(), uniqExact(id) FROM @requests", want)
	for _, view := range []string{"requests_1m", "requests_1h", "sessions", "subject_daily", "lane_daily"} {
		r.eventually("SELECT sum(requests) FROM @"+view, strconv.Itoa(n*partitions)) // A block's views are written after its table.
	}
	r.eventually("SELECT sum(numbered), sum(different) FROM (SELECT sum(numbered) AS numbered, groupBitmapMerge(seqs) AS different FROM @lane_daily GROUP BY gateway, epoch, lane)", want)
}

// judgements writes assessments of offsets 0 to n-1.
func (r *rig) judgements(n int64) {
	r.t.Helper()
	r.produce(topic.Assessments, 0, batch(r.t, 0, n-1))
}

// judged asserts that each of n assessments is one row, with its evidence.
func (r *rig) judged(n int) {
	r.t.Helper()
	r.eventually("SELECT count(), uniqExact(source_offset) FROM @assessments", fmt.Sprintf("%d\t%d", n, n))
	r.eventually("SELECT count(), uniqExact(event_id, signal) FROM @evidence", fmt.Sprintf("%d\t%d", 2*n, 2*n))
}

// committed waits until the group has committed an offset.
func (r *rig) committed(name string, partition int, want int64) {
	r.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	got := int64(-1)
	for time.Now().Before(deadline) {
		resp, err := r.client.OffsetFetch(context.Background(), &kafka.OffsetFetchRequest{
			GroupID: r.config.Group, Topics: map[string][]int{name: {partition}},
		})
		if err != nil {
			r.t.Fatal(err)
		}
		got = resp.Topics[name][0].CommittedOffset
		if got == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("committed offset of %s/%d = %d, want %d", name, partition, got, want)
}

// remake deletes a topic and makes it again.
func (r *rig) remake(name string) {
	r.t.Helper()
	deleted, err := r.client.DeleteTopics(context.Background(), &kafka.DeleteTopicsRequest{Topics: []string{name}})
	if err != nil || deleted.Errors[name] != nil {
		r.t.Fatal(err, deleted)
	}
	made, err := r.client.CreateTopics(context.Background(), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: partitions, ReplicationFactor: 1}},
	})
	if err != nil || made.Errors[name] != nil {
		r.t.Fatal(err, made)
	}
}
