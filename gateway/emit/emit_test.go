package emit_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/deploy/devstack/freeport"
	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func options(addr string) emit.Options {
	cfg := emit.DefaultConfig()
	cfg.Tick = 20 * time.Millisecond
	cfg.RetryMax = 100 * time.Millisecond
	cfg.Drain = 30 * time.Second
	return emit.Options{
		Config: cfg, Brokers: []string{addr}, Gateway: "gw-1", Epoch: 7, Lanes: topic.Lanes{Count: 8, Seed: 42},
		Logger: slog.New(slog.DiscardHandler), Meter: noop.NewMeterProvider().Meter(""), Now: time.Now,
	}
}

// run starts an emitter; stop ends it and returns once Run has.
func run(t *testing.T, o emit.Options) (e *emit.Emitter, stop func()) {
	t.Helper()
	e, err := emit.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run() = %v, want nil", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("Run did not return")
		}
	}
	t.Cleanup(stop)
	return e, stop
}

func request(subject string) *event.RequestEvent {
	return &event.RequestEvent{
		Time: timestamppb.Now(), Phase: event.PhaseComplete, Tenant: "default", Subject: subject,
		Method: "GET", Path: "/", Status: 200, Decision: event.DecisionPermit,
	}
}

// until polls for a state that must come.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

// stored is a record of a topic as a reader sees it.
type stored struct {
	partition int
	attrs     cloudevent.Attributes
	key       string
	event     *event.RequestEvent
	value     []byte
}

// readAll reads every partition of a topic to its end.
func readAll(t *testing.T, addr, name string) []stored {
	t.Helper()
	tr := &kafka.Transport{MetadataTTL: 2 * time.Second}
	defer tr.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(addr), Transport: tr, Timeout: 20 * time.Second}
	md, err := c.Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{name}})
	if err != nil {
		t.Fatal(err)
	}
	var all []stored
	for p := range md.Topics[0].Partitions {
		for offset, end := int64(0), int64(1); offset < end; {
			res, err := c.Fetch(t.Context(), &kafka.FetchRequest{
				Topic: name, Partition: p, Offset: offset, MinBytes: 1, MaxBytes: 8 << 20, MaxWait: 10 * time.Millisecond,
			})
			if err != nil || res.Error != nil {
				t.Fatalf("fetch %s/%d: %v, %v", name, p, err, res)
			}
			for end = res.HighWatermark; ; {
				r, err := res.Records.ReadRecord()
				if err != nil {
					break
				}
				if r.Offset < offset {
					continue
				}
				offset = r.Offset + 1
				all = append(all, decode(t, p, r))
			}
		}
	}
	return all
}

func decode(t *testing.T, partition int, r *kafka.Record) stored {
	t.Helper()
	attrs, err := cloudevent.Read(func(name string) ([]byte, bool) {
		for _, h := range r.Headers {
			if h.Key == name {
				return h.Value, true
			}
		}
		return nil, false
	})
	if err != nil {
		t.Fatalf("headers: %v", err)
	}
	key, err1 := kafka.ReadAll(r.Key)
	value, err2 := kafka.ReadAll(r.Value)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	s := stored{partition: partition, attrs: attrs, key: string(key), value: value}
	if attrs.Type == cloudevent.TypeRequest {
		s.event = new(event.RequestEvent)
		err := event.Decode(value, s.event)
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
	}
	return s
}

// audit is what a reader finds in the lanes: how many events per subject, the
// numbers that tombstones cover by reason, and what nobody accounts for.
type audit struct {
	Events     map[string]int
	Covered    map[string]uint64
	Missing    uint64
	Duplicates int
}

func auditOf(t *testing.T, records []stored) audit {
	t.Helper()
	a := audit{Events: make(map[string]int), Covered: make(map[string]uint64)}
	var at event.Positions
	home := make(map[uint32]int)
	for _, r := range records {
		if p, known := home[r.event.Lane]; known && p != r.partition {
			t.Errorf("lane %d is in partitions %d and %d", r.event.Lane, p, r.partition)
		}
		home[r.event.Lane] = r.partition
		e := r.event
		last := max(e.Seq, e.SeqEnd)
		duplicate, missing := at.Observe(event.Lane{Gateway: e.Gateway, Epoch: e.Epoch, Lane: e.Lane}, e.Seq, last)
		a.Missing += missing
		switch {
		case duplicate:
			a.Duplicates++
		case e.Kind == event.KindTombstone:
			a.Covered[e.Reason] += last - e.Seq + 1
		case e.Kind == event.KindRequest:
			a.Events[e.Subject]++
		}
	}
	return a
}

func TestEventsArriveInTheOrderOfTheirNumbers(t *testing.T) {
	b, err := broker.Start(broker.Options{Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	o := options(b.Addr())
	e, stop := run(t, o)
	want := make(map[string]int)
	for i := range 2000 {
		s := fmt.Sprint("subject-", i%17)
		want[s]++
		if !e.Emit(request(s), traceparent) {
			t.Fatal("Emit = false with room in the queue")
		}
	}
	stop()
	records := readAll(t, b.Addr(), topic.Requests)
	got := auditOf(t, records)
	if diff := cmp.Diff(audit{Events: want, Covered: map[string]uint64{}}, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	for _, r := range records {
		if r.event.Kind != event.KindRequest {
			continue
		}
		key := topic.RequestKey("default", r.event.Subject, "")
		lane := o.Lanes.Of(key)
		if r.event.Lane != lane || r.partition != topic.Partition(lane, 3) || r.key != string(key) {
			t.Fatalf("event of %s: lane %d, partition %d, key %q", r.event.Subject, r.event.Lane, r.partition, r.key)
		}
		want := cloudevent.Attributes{
			ID: r.event.Id, Source: "vigil://gateway/gw-1", Type: cloudevent.TypeRequest, Time: r.event.Time.AsTime(),
			ContentType: cloudevent.Protobuf, TraceParent: traceparent,
		}
		if diff := cmp.Diff(want, r.attrs); diff != "" {
			t.Fatalf("headers (-want +got):\n%s", diff)
		}
	}
	st := e.Stats().Requests
	if st.Emitted != 2000 || st.AckedEvents != 2000 || st.Depth != 0 || st.Bytes != 0 || len(st.Dropped) != 0 {
		t.Errorf("stats = %+v", st)
	}
}

func TestEnforcementsArrive(t *testing.T) {
	b, err := broker.Start(broker.Options{Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	e, stop := run(t, options(b.Addr()))
	if !e.Enforce(&verdict.Enforcement{VerdictId: "v-1", Action: verdict.ActionRevoke}, traceparent) {
		t.Fatal("Enforce = false with room in the queue")
	}
	stop()
	records := readAll(t, b.Addr(), topic.Enforcements)
	if len(records) != 1 || records[0].key != "v-1" || records[0].attrs.TraceParent != traceparent {
		t.Fatalf("records = %+v", records)
	}
	got := new(verdict.Enforcement)
	err = got.UnmarshalVT(records[0].value)
	if err != nil || got.Gateway != "gw-1" || got.Id == "" || got.Time == nil {
		t.Errorf("enforcement = %v, %v", got, err)
	}
}

// later returns an address on which nothing listens yet.
func later(t *testing.T) string {
	t.Helper()
	addr, err := freeport.Addr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func TestKafkaUnreachableAtStart(t *testing.T) {
	addr := later(t)
	e, stop := run(t, options(addr))
	for range 100 {
		if !e.Emit(request("alice"), "") {
			t.Fatal("Emit = false with room in the queue")
		}
	}
	until(t, "the outage shows", func() bool { return e.Stats().Requests.Failing > 0 })
	until(t, "ticks were due many times", func() bool { return e.Stats().Requests.Oldest > 200*time.Millisecond })
	// One tick per lane waits at most, however long the outage.
	if depth := e.Stats().Requests.Depth; depth > 100+8 {
		t.Errorf("depth = %d, want at most 108", depth)
	}
	b, err := broker.Start(broker.Options{Addr: addr, Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	until(t, "everything is stored", func() bool { return e.Stats().Requests.AckedEvents == 100 })
	until(t, "the outage is over", func() bool { return e.Stats().Requests.Failing == 0 })
	stop()
	want := audit{Events: map[string]int{"alice": 100}, Covered: map[string]uint64{}}
	if diff := cmp.Diff(want, auditOf(t, readAll(t, addr, topic.Requests))); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestDropsAreCountedAndCoveredExactly(t *testing.T) {
	tests := map[string]func(*emit.Config){
		"by records": func(c *emit.Config) { c.QueueRecordsMax = 50 },
		"by bytes":   func(c *emit.Config) { c.QueueBytesMax = 64 << 10 },
	}
	for name, set := range tests {
		t.Run(name, func(t *testing.T) {
			addr := later(t)
			o := options(addr)
			o.Config.Tick = time.Minute // No room is taken by ticks.
			set(&o.Config)
			e, stop := run(t, o)
			kept, dropped := 0, uint64(0)
			for i := range 1000 {
				if e.Emit(request(fmt.Sprint("s", i%5)), "") {
					kept++
				} else {
					dropped++
				}
			}
			if kept == 0 || dropped == 0 {
				t.Fatalf("kept %d, dropped %d: the queue's limit was not reached", kept, dropped)
			}
			b, err := broker.Start(broker.Options{Addr: addr, Partitions: 2})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Close)
			stop() // Drains, tombstones included.
			st := e.Stats().Requests
			if diff := cmp.Diff(map[string]uint64{emit.ReasonQueueFull: dropped}, st.Dropped); diff != "" {
				t.Errorf("dropped (-want +got):\n%s", diff)
			}
			got := auditOf(t, readAll(t, addr, topic.Requests))
			if diff := cmp.Diff(map[string]uint64{emit.ReasonQueueFull: dropped}, got.Covered); diff != "" {
				t.Errorf("tombstones cover (-want +got):\n%s", diff)
			}
			sum := 0
			for _, n := range got.Events {
				sum += n
			}
			if sum != kept || got.Missing != 0 || got.Duplicates != 0 {
				t.Errorf("%d events, %d missing, %d duplicates; want %d, 0, 0", sum, got.Missing, got.Duplicates, kept)
			}
		})
	}
}

// huge returns an event that is over an event's limit even with every field cut to size.
func huge() *event.RequestEvent {
	ev := request("mallory")
	long := strings.Repeat("x", event.FieldBytesMax)
	for range event.ListMax {
		ev.WafRules = append(ev.WafRules, long)
	}
	return ev
}

func TestEventThatIsTooLargeLeavesATombstone(t *testing.T) {
	b, err := broker.Start(broker.Options{Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	e, stop := run(t, options(b.Addr()))
	for _, ev := range []*event.RequestEvent{request("mallory"), huge(), request("mallory")} {
		e.Emit(ev, "")
	}
	stop()
	want := audit{Events: map[string]int{"mallory": 2}, Covered: map[string]uint64{emit.ReasonTooLarge: 1}}
	if diff := cmp.Diff(want, auditOf(t, readAll(t, b.Addr(), topic.Requests))); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestRecordThatTheBrokerRefusesDoesNotStopTheOthers(t *testing.T) {
	b, err := broker.Start(broker.Options{Topics: []topic.Spec{{Name: topic.Enforcements, Partitions: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	tr := &kafka.Transport{}
	c := &kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: tr}
	_, err = c.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: topic.Requests, NumPartitions: 1, ReplicationFactor: 1,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "max.message.bytes", ConfigValue: "3000"}},
	}}})
	tr.CloseIdleConnections()
	if err != nil {
		t.Fatal(err)
	}
	e, stop := run(t, options(b.Addr()))
	for i := range 40 {
		ev := request("alice")
		if i == 20 {
			ev.Path, ev.UserAgent = strings.Repeat("p", event.FieldBytesMax), strings.Repeat("u", event.FieldBytesMax)
		}
		e.Emit(ev, "")
	}
	stop()
	want := audit{Events: map[string]int{"alice": 39}, Covered: map[string]uint64{emit.ReasonTooLarge: 1}}
	if diff := cmp.Diff(want, auditOf(t, readAll(t, b.Addr(), topic.Requests))); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	st := e.Stats().Requests
	if st.Depth != 0 || st.Bytes != 0 || st.Dropped[emit.ReasonTooLarge] != 1 {
		t.Errorf("stats = %+v", st)
	}
}

func TestWhatIsLeftAtShutdownIsCounted(t *testing.T) {
	o := options(later(t))
	o.Config.Drain = 10 * time.Millisecond
	e, stop := run(t, o)
	for range 10 {
		e.Emit(request("alice"), "")
	}
	e.Enforce(&verdict.Enforcement{VerdictId: "v-1"}, "")
	stop()
	if e.Emit(request("alice"), "") || e.Enforce(&verdict.Enforcement{VerdictId: "v-2"}, "") {
		t.Error("a closed emitter takes events")
	}
	st := e.Stats()
	want := map[string]uint64{emit.ReasonShutdown: 10, emit.ReasonClosed: 1}
	if diff := cmp.Diff(want, st.Requests.Dropped); diff != "" {
		t.Errorf("dropped events (-want +got):\n%s", diff)
	}
	want = map[string]uint64{emit.ReasonShutdown: 1, emit.ReasonClosed: 1}
	if diff := cmp.Diff(want, st.Enforcements.Dropped); diff != "" {
		t.Errorf("dropped enforcements (-want +got):\n%s", diff)
	}
}

func TestConfigNamesEveryFault(t *testing.T) {
	err := emit.Config{}.Validate()
	for _, key := range []string{
		"queue_records_max", "queue_bytes_max", "enforcements_max", "batch_records_max", "batch_bytes_max",
		"produce_timeout", "retry_min", "retry_max", "tick",
	} {
		if !strings.Contains(fmt.Sprint(err), key+":") {
			t.Errorf("no fault names %s: %v", key, err)
		}
	}
	err = emit.DefaultConfig().Validate()
	if err != nil {
		t.Errorf("the default configuration has faults: %v", err)
	}
}
