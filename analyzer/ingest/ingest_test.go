package ingest_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/analyzer/standby"
	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/deadletter"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// TestMain finds goroutines that outlive the tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tally is an engine that one can see through: it counts the events of each
// subject, and the count is the score. Path "/steal" asks for a revoke, "/panic"
// breaks it. A lost, doubled or reordered record shows in every score after it.
type tally struct {
	Count map[string]int
	Clock int64
	model *model.Model
}

func newTally(m *model.Model) (ingest.Engine, error) {
	return &tally{Count: make(map[string]int), model: m}, nil
}

func (e *tally) Assess(r scorer.Record) scorer.Result {
	ev := r.Event
	if ev.Path == "/panic" {
		panic("broken on purpose")
	}
	if ev.Kind != event.KindRequest {
		return scorer.Result{}
	}
	e.Count[ev.Subject]++
	a := &assessment.Assessment{
		EventId: ev.Id, EventTime: ev.Time, StreamTime: ev.Time, Offset: r.Offset, Subject: ev.Subject,
		Score: float64(e.Count[ev.Subject]), Model: e.model.Digest(),
	}
	if ev.Path == "/big" {
		a.Evidence = []*verdict.Evidence{{Text: strings.Repeat("x", 2000)}}
	}
	res := scorer.Result{Assessment: a}
	if ev.Path == "/steal" {
		res.Proposals = []judge.Proposal{{
			ID:     fmt.Sprintf("%s-%d-%d", r.Topic, r.Partition, r.Offset),
			Target: &verdict.Target{Kind: verdict.TargetSession, Id: ev.Session}, Authority: verdict.AuthoritySubject,
			Action: verdict.ActionRevoke, Until: ev.Time.AsTime().Add(24 * time.Hour), NotBefore: ev.Time.AsTime(),
			Score: 12, Subject: ev.Subject, Tenant: ev.Tenant, EventID: ev.Id, EventTime: ev.Time.AsTime(), Offset: r.Offset,
			Hard: ev.Attributes["hard"] == "yes",
		}}
		a.VerdictId = res.Proposals[0].ID
	}
	return res
}

func (e *tally) Snapshot(w io.Writer) error { return json.NewEncoder(w).Encode(e) }

func (e *tally) Restore(r io.Reader, keep func([]byte) bool) error {
	err := json.NewDecoder(r).Decode(e)
	if err != nil {
		return err
	}
	for subject := range e.Count {
		if keep != nil && !keep(topic.RequestKey("default", subject, "")) {
			delete(e.Count, subject)
		}
	}
	return nil
}

func (e *tally) SwapModel(m *model.Model) { e.model = m }

func (e *tally) Active(time.Duration) map[string]int { return nil }

// rig is a broker, keys, and whatever runs on them.
type rig struct {
	t      testing.TB
	addr   string
	signer verdict.Signer
	keys   *verdict.KeySet
	client *kafka.Client
	tracer trace.Tracer
	// archive is that of what is started next, nil for none.
	archive state.Archive
}

const partitions = 4

func newRig(tb testing.TB) *rig {
	tb.Helper()
	b, err := broker.Start(broker.Options{Partitions: partitions})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(b.Close)
	return rigOn(tb, b.Addr())
}

func rigOn(tb testing.TB, addr string) *rig {
	tb.Helper()
	root := ed25519.NewKeyFromSeed(make([]byte, 32))
	key := ed25519.NewKeyFromSeed([]byte("analyzer key for tests, 32 bytes"))
	file, err := verdict.SignKeySet(root, []verdict.Key{{ID: "a", Class: verdict.ClassAnalyzer, Public: key.Public().(ed25519.PublicKey)}})
	if err != nil {
		tb.Fatal(err)
	}
	keys, err := verdict.OpenKeySet(root.Public().(ed25519.PublicKey), file)
	if err != nil {
		tb.Fatal(err)
	}
	tr := &kafka.Transport{}
	tb.Cleanup(tr.CloseIdleConnections)
	return &rig{
		t: tb, addr: addr, signer: verdict.NewSigner("a", key), keys: keys,
		client: &kafka.Client{Addr: kafka.TCP(addr), Transport: tr}, tracer: tracenoop.Tracer{},
	}
}

// running is one analyzer process.
type running struct {
	*ingest.Ingest
	stop func()
	// copies are those of a standby, and rest ends its looking for newer ones.
	copies *standby.Keeper
	rest   func()
}

type tweak func(*ingest.Options)

func (r *rig) start(dir string, tweaks ...tweak) *running {
	r.t.Helper()
	logger := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		logger = slog.New(slog.NewTextHandler(r.t.Output(), nil))
	}
	w, err := announce.NewWriter(nil, []string{r.addr}, logger, noop.Meter{})
	if err != nil {
		r.t.Fatal(err)
	}
	ac := announce.DefaultConfig()
	ac.KeyFile, ac.KeyID = "unused", "a"
	ann, err := announce.New(announce.Options{
		Config: ac, Writer: w, Signer: r.signer, Keys: r.keys, Logger: logger, Meter: noop.Meter{},
		Tracer: r.tracer, Now: time.Now,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	keep := state.DefaultConfig()
	keep.Dir, keep.Every = dir, 50*time.Millisecond
	c := ingest.DefaultConfig()
	c.SessionTimeout, c.Heartbeat, c.CommitEvery = 2*time.Second, 100*time.Millisecond, 20*time.Millisecond
	o := ingest.Options{
		Config: c, Brokers: []string{r.addr}, Stage: announce.SubjectStage(), Model: model.Default(), NewEngine: newTally,
		Lanes: topic.Lanes{Count: 16, Seed: 1}, Keep: keep, Announcer: ann, Writer: w,
		Began: time.Now(), Logger: logger, Meter: noop.Meter{}, Tracer: tracenoop.Tracer{}, Now: time.Now,
	}
	for _, f := range tweaks {
		f(&o)
	}
	o.State, err = state.New(state.Options{Config: o.Keep, Archive: r.archive, Logger: logger, Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	copies, rest := r.copying(ctx, &o)
	in, err := ingest.New(o)
	if err != nil {
		r.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	archived := make(chan error, 1)
	go func() { archived <- o.State.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		rest()
		err := errors.Join(<-done, <-archived)
		if err != nil {
			r.t.Errorf("Run = %v", err)
		}
		w.Close()
	})
	r.t.Cleanup(stop)
	return &running{in, stop, copies, rest}
}

// copying begins to keep copies where a standby is to be started.
func (r *rig) copying(ctx context.Context, o *ingest.Options) (copies *standby.Keeper, rest func()) {
	r.t.Helper()
	if o.Standby == 0 {
		return nil, func() {}
	}
	c := standby.DefaultConfig()
	c.Workers, c.Every = o.Standby, 100*time.Millisecond
	copies, err := standby.New(standby.Options{
		Config: c, Store: o.State, Topics: []string{o.Stage.Topic}, Partitions: o.Writer.Partitions, Logger: o.Logger, Meter: o.Meter, Now: o.Now,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	o.Copies = copies
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { _ = copies.Run(ctx) }) // Its one error would be ctx's.
	return copies, func() { cancel(); work.Wait() }
}

// event is a request of one subject.
func request(n int, subject, path string) *event.RequestEvent {
	return &event.RequestEvent{
		Kind: event.KindRequest, Id: "e" + strconv.Itoa(n), Time: timestamppb.Now(), Tenant: "default",
		Subject: subject, Session: subject + "-session", Path: path,
	}
}

func (r *rig) send(partition int, events ...*event.RequestEvent) {
	r.t.Helper()
	records := make([]kafka.Record, len(events))
	for i, ev := range events {
		b, err := event.Append(nil, ev)
		if err != nil {
			r.t.Fatal(err)
		}
		records[i] = kafka.Record{Value: kafka.NewBytes(b), Key: kafka.NewBytes(topic.RequestKey(ev.Tenant, ev.Subject, ""))}
	}
	r.sendRaw(partition, records...)
}

func (r *rig) sendRaw(partition int, records ...kafka.Record) {
	r.t.Helper()
	r.produce(topic.Requests, partition, records...)
}

// put writes one record to partition 0 of a topic.
func (r *rig) put(name, key string, value []byte) {
	r.t.Helper()
	r.produce(name, 0, kafka.Record{Key: kafka.NewBytes([]byte(key)), Value: kafka.NewBytes(value)})
}

func (r *rig) produce(name string, partition int, records ...kafka.Record) {
	r.t.Helper()
	resp, err := r.client.Produce(r.t.Context(), &kafka.ProduceRequest{
		Topic: name, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	err = errors.Join(err, func() error {
		if resp == nil {
			return nil
		}
		return resp.Error
	}())
	if err != nil {
		r.t.Fatal(err)
	}
}

// read reads every record of a partition that is there now.
func (r *rig) read(name string, partition int) []kafka.Message {
	r.t.Helper()
	conn, err := kafka.DialLeader(r.t.Context(), "tcp", r.addr, name, partition)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	first, last, err := conn.ReadOffsets()
	if err != nil {
		r.t.Fatal(err)
	}
	_, err = conn.Seek(first, kafka.SeekAbsolute)
	if err != nil {
		r.t.Fatal(err)
	}
	var out []kafka.Message
	for at := first; at < last; {
		batch := conn.ReadBatchWith(kafka.ReadBatchConfig{MinBytes: 1, MaxBytes: 10 << 20, MaxWait: time.Second})
		for {
			m, err := batch.ReadMessage()
			if err != nil {
				break
			}
			out = append(out, m)
		}
		at = batch.Offset()
		err := batch.Close()
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return out
}

// assessments gives each offset of a partition its score; a repeated offset
// must repeat the score.
func (r *rig) assessments(partition int) map[int64]float64 {
	r.t.Helper()
	out := make(map[int64]float64)
	for _, m := range r.read(topic.Assessments, partition) {
		b, err := assessment.Decode(m.Value)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, a := range b.Assessments {
			if a.Offset < b.FirstOffset || a.Offset > b.LastOffset {
				r.t.Errorf("offset %d stands in the record of %d to %d", a.Offset, b.FirstOffset, b.LastOffset)
			}
			old, seen := out[a.Offset]
			if seen && old != a.Score {
				r.t.Errorf("partition %d offset %d scored %v, then %v", partition, a.Offset, old, a.Score)
			}
			out[a.Offset] = a.Score
		}
	}
	return out
}

// verdicts are those of a partition, in order; every envelope must be authentic.
func (r *rig) verdicts(partition int) []*verdict.Verdict {
	r.t.Helper()
	var out []*verdict.Verdict
	for _, m := range r.read(topic.Verdicts, partition) {
		msg, err := r.keys.Open(m.Value)
		if err != nil {
			r.t.Fatal(err)
		}
		if msg.Verdict != nil {
			out = append(out, msg.Verdict)
		}
	}
	return out
}

// heartbeats are those of a partition, in order.
func (r *rig) heartbeats(partition int) []*verdict.Heartbeat {
	r.t.Helper()
	var out []*verdict.Heartbeat
	for _, m := range r.read(topic.Verdicts, partition) {
		msg, err := r.keys.Open(m.Value)
		if err != nil {
			r.t.Fatal(err)
		}
		if msg.Heartbeat != nil {
			out = append(out, msg.Heartbeat)
		}
	}
	return out
}

// eventually polls until ok, with a deadline that only a fault reaches.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			tb.Fatalf("never: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// The straight line, once.
func TestProposalBecomesSignedVerdictInItsPartition(t *testing.T) {
	r := newRig(t)
	r.start(t.TempDir())
	r.send(2, request(1, "alice", "/"), request(2, "alice", "/steal"), request(3, "bob", "/"))
	eventually(t, "a verdict", func() bool { return len(r.verdicts(2)) == 1 })
	v := r.verdicts(2)[0]
	if v.Id != "vigil.requests-2-1" || v.Action != verdict.ActionRevoke || v.Target.Id != "alice-session" ||
		v.Cause.Offset != 1 || v.Epoch == 0 || v.SupportCode != event.SupportCode(v.Id) {
		t.Errorf("verdict = %v", v)
	}
	eventually(t, "three assessments", func() bool { return len(r.assessments(2)) == 3 })
	for _, p := range []int{0, 1, 3} {
		if n := len(r.verdicts(p)) + len(r.assessments(p)); n != 0 {
			t.Errorf("partition %d has %d records, want 0", p, n)
		}
	}
}

// One read may bring about many times its size in assessments.
func TestAssessmentsAreCutIntoRecords(t *testing.T) {
	r := newRig(t)
	const n = 2000
	events := make([]*event.RequestEvent, n)
	for i := range events {
		events[i] = request(i, "alice", "/big")
	}
	r.send(3, events...)
	r.start("")
	eventually(t, "every event is assessed", func() bool { return len(r.assessments(3)) == n })
	next := int64(0)
	for _, m := range r.read(topic.Assessments, 3) {
		b, err := assessment.Decode(m.Value)
		if err != nil {
			t.Fatal(err)
		}
		if b.FirstOffset != next || b.Partition != 3 || b.Topic != topic.Requests {
			t.Errorf("record of %s/%d from %d, want from %d", b.Topic, b.Partition, b.FirstOffset, next)
		}
		next = b.LastOffset + 1
	}
	if next != n {
		t.Errorf("the records end at %d, want %d", next, n)
	}
}

// Whatever a stranger writes into the topic costs one record in vigil.dead.
// unsignedClear is what somebody with write access to vigil.requests might try.
func unsignedClear(t *testing.T) []byte {
	t.Helper()
	ev := request(0, "alice", "/")
	ev.Kind, ev.Reason = event.KindControl, event.ReasonClear
	b, err := event.Append(nil, ev)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPoisonGoesToDeadAndThePartitionGoesOn(t *testing.T) {
	r := newRig(t)
	r.start(t.TempDir())
	good := func(n int) kafka.Record {
		b, err := event.EncodeJSON(request(n, "alice", "/"))
		if err != nil {
			t.Fatal(err)
		}
		return kafka.Record{Value: kafka.NewBytes(b), Headers: []kafka.Header{{Key: "content-type", Value: []byte("application/json")}}}
	}
	poison := map[string]kafka.Record{
		"not protobuf":         {Value: kafka.NewBytes([]byte("\xff\xff\xff"))},
		"empty":                {},
		"not json":             {Value: kafka.NewBytes([]byte("{")), Headers: []kafka.Header{{Key: "content-type", Value: []byte("application/json")}}},
		"unknown content type": {Value: kafka.NewBytes([]byte("x")), Headers: []kafka.Header{{Key: "content-type", Value: []byte("text/plain")}}},
		"structured mode":      {Value: kafka.NewBytes([]byte("{}")), Headers: []kafka.Header{{Key: "content-type", Value: []byte("application/cloudevents+json")}}},
		"an unsigned clear":    {Value: kafka.NewBytes(unsignedClear(t))},
		"too large":            {Value: kafka.NewBytes(make([]byte, event.RecordBytesMax+1))},
		"large in all its parts": {
			Key: kafka.NewBytes(make([]byte, 300<<10)), Value: kafka.NewBytes(make([]byte, 300<<10)),
			Headers: []kafka.Header{{Key: strings.Repeat("\x01", 200<<10), Value: make([]byte, 40<<10)}},
		},
	}
	n := 0
	for _, p := range poison {
		r.sendRaw(0, good(n), p)
		n += 2
	}
	r.send(0, request(n, "alice", "/panic"), request(n+1, "alice", "/"))
	want := len(poison) + 1
	eventually(t, "all good records assessed", func() bool { return len(r.assessments(0)) == want })
	eventually(t, "all poison in vigil.dead", func() bool { return len(r.read(topic.Dead, 0)) == want })
	for i, m := range r.read(topic.Dead, 0) {
		var l deadletter.Letter
		err := json.Unmarshal(m.Value, &l)
		if err != nil {
			t.Fatal(err)
		}
		if l.Topic != topic.Requests || l.Stage != deadletter.StageScoring || l.Partition != 0 || l.Offset != int64(2*i+1-i/len(poison)) || l.Reason == "" {
			t.Errorf("dead record %d says %+v", i, l)
		}
	}
}
