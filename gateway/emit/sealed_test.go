package emit_test

import (
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// sealing is a key of gateway gw-1, and the set that lists it.
func sealing(tb testing.TB) (*seal.Signer, *verdict.KeySet) {
	tb.Helper()
	root, key := ed25519.NewKeyFromSeed(make([]byte, 32)), ed25519.NewKeyFromSeed([]byte("key of gateway gw-1 in this test"))
	s, err := seal.NewSigner("gw-1", "k", key)
	if err != nil {
		tb.Fatal(err)
	}
	file, err := verdict.SignKeySet(root, []verdict.Key{{ID: "k", Class: verdict.ClassGateway, Gateway: "gw-1", Public: key.Public().(ed25519.PublicKey)}})
	if err != nil {
		tb.Fatal(err)
	}
	set, err := verdict.OpenKeySet(root.Public().(ed25519.PublicKey), file)
	if err != nil {
		tb.Fatal(err)
	}
	return s, set
}

// proofs are what a reader finds about batches.
type proofs struct {
	Batches, Repeated int
	Missing           uint64
	Refused           map[seal.Cause]int
	Chains            map[uint64]bool // Epochs of the lives that have sent.
	Signatures        map[string]bool // Different ones.
}

// prove reads all of vigil.requests, and judges each batch.
func prove(t *testing.T, addr string, keys seal.Keys) proofs {
	t.Helper()
	out := proofs{Refused: make(map[seal.Cause]int), Chains: make(map[uint64]bool), Signatures: make(map[string]bool)}
	tr := &kafka.Transport{MetadataTTL: 2 * time.Second}
	defer tr.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(addr), Transport: tr, Timeout: 20 * time.Second}
	md, err := c.Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{topic.Requests}})
	if err != nil {
		t.Fatal(err)
	}
	roots := seal.NewRoots()
	for p := range md.Topics[0].Partitions {
		var book seal.Book
		collector := seal.NewCollector(keys, roots, int32(p), func(r seal.Record) seal.Record { return r })
		found := func(head *seal.Head, records []seal.Record) {
			j := book.Judge(head)
			if j.Cause != "" {
				out.Refused[j.Cause] += len(records)
				return
			}
			out.Batches++
			out.Missing += j.Missing
			out.Chains[head.Seal.Epoch] = true
			header, _ := records[0].Header(seal.Header)
			out.Signatures[string(header[61:125])] = true
			if j.Repeated {
				out.Repeated++
			}
		}
		for offset, end := int64(0), int64(1); offset < end; {
			res, err := c.Fetch(t.Context(), &kafka.FetchRequest{
				Topic: topic.Requests, Partition: p, Offset: offset, MinBytes: 1, MaxBytes: 8 << 20, MaxWait: 10 * time.Millisecond,
			})
			if err != nil || res.Error != nil {
				t.Fatalf("fetch %d: %v, %v", p, err, res)
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
				key, err1 := kafka.ReadAll(r.Key)
				value, err2 := kafka.ReadAll(r.Value)
				if err1 != nil || err2 != nil {
					t.Fatal(err1, err2)
				}
				headers := r.Headers
				collector.Add(seal.Record{Key: key, Value: value, Header: func(name string) ([]byte, bool) {
					for _, h := range headers {
						if h.Key == name {
							return h.Value, true
						}
					}
					return nil, false
				}}, found)
			}
		}
		collector.End(found)
	}
	return out
}

// sound fails where anything is refused or missing.
func (p proofs) sound(t *testing.T) {
	t.Helper()
	if len(p.Refused) != 0 || p.Missing != 0 || p.Batches == 0 {
		t.Errorf("proofs = %+v, want batches, nothing missing and nothing refused", p)
	}
}

// A reader that knows nothing of seals, as of the previous version, reads the same
// events, in the same order, whether or not they are sealed.
func TestReaderOfThePreviousVersionReadsSealedRecords(t *testing.T) {
	addr := cluster(t)
	o := options(addr)
	var keys *verdict.KeySet
	o.Signer, keys = sealing(t)
	e, stop := run(t, o)
	want := make(map[string]int)
	for i := range 1000 {
		s := fmt.Sprint("subject-", i%17)
		want[s]++
		e.Emit(request(s), traceparent)
	}
	stop()
	got := auditOf(t, readAll(t, addr, topic.Requests))
	if diff := cmp.Diff(audit{Events: want, Covered: map[string]uint64{}}, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	prove(t, addr, keys).sound(t)
}

func TestSealsOfAKilledLifeAndTheNextAreSound(t *testing.T) {
	addr := cluster(t)
	o := spooled(t, addr)
	var keys *verdict.KeySet
	o.Signer, keys = sealing(t)
	e, stop := run(t, o)
	for i := range 300 {
		e.Emit(request(fmt.Sprint("s", i%5)), "")
	}
	until(t, "all is stored", func() bool { return e.Stats().Requests.AckedEvents == 300 })
	next := killed(t, o)
	stop()
	crashed := dead(t, next)
	for i := range 200 {
		crashed.Emit(request(fmt.Sprint("s", i%5)), "")
	}
	e, stop = run(t, killed(t, next))
	e.Emit(request("later"), "")
	stop()
	got := auditOf(t, readAll(t, addr, topic.Requests))
	if got.Missing != 0 {
		t.Errorf("audit = %+v", got)
	}
	p := prove(t, addr, keys)
	p.sound(t)
	if diff := cmp.Diff(map[uint64]bool{7: true, 9: true}, p.Chains); diff != "" { // The eighth has sent nothing: the ninth has, for it.
		t.Errorf("lives that have sent (-want +got):\n%s", diff)
	}
}

// Partitions of one broker share signatures as they share requests: more partitions make
// more batches, and not more signatures.
func TestSignaturesDoNotGrowWithThePartitions(t *testing.T) {
	const events = 1000
	for _, partitions := range []int{1, 4, 16} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			b, err := broker.Start(broker.Options{Partitions: partitions})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Close)
			o := options(b.Addr())
			o.Lanes.Count = 64
			o.Config.Tick = time.Minute // So that events alone make batches.
			var keys *verdict.KeySet
			o.Signer, keys = sealing(t)
			e, stop := run(t, o)
			pace := time.NewTicker(time.Millisecond) // 20,000 a second.
			defer pace.Stop()
			for n := range events {
				if n%20 == 0 {
					<-pace.C
				}
				e.Emit(request(fmt.Sprint("subject-", n%997)), "")
			}
			stop()
			p := prove(t, b.Addr(), keys)
			p.sound(t)
			t.Logf("%d events: %d batches, which is how many signatures there would be with one each, and %d signatures", events, p.Batches, len(p.Signatures))
			if partitions == 16 && 4*len(p.Signatures) > p.Batches {
				t.Errorf("%d signatures of %d batches in %d partitions, want a quarter at most", len(p.Signatures), p.Batches, partitions)
			}
		})
	}
}

func TestSealsOfDroppedRangesAreSound(t *testing.T) {
	addr := later(t)
	o := options(addr)
	o.Config.QueueRecordsMax = 50
	var keys *verdict.KeySet
	o.Signer, keys = sealing(t)
	e, stop := run(t, o)
	for i := range 500 {
		e.Emit(request(fmt.Sprint("s", i%5)), "")
	}
	b, err := broker.Start(broker.Options{Addr: addr, Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	stop()
	got := auditOf(t, readAll(t, addr, topic.Requests))
	if got.Covered[emit.ReasonQueueFull] == 0 || got.Missing != 0 {
		t.Fatalf("audit = %+v, want tombstones and no gap", got)
	}
	prove(t, addr, keys).sound(t)
}

// Batches that the broker refuses are cut and sealed anew, without a hole in the
// chain and without a fork; so is the tombstone of a record that it never takes.
func TestSealsOfBatchesThatTheBrokerRefusedAreSound(t *testing.T) {
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
	o := options(b.Addr())
	var keys *verdict.KeySet
	o.Signer, keys = sealing(t)
	e, stop := run(t, o)
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
	prove(t, b.Addr(), keys).sound(t)
}

// Whatever a broker that goes away has taken and not answered for: a batch keeps its number.
func TestSealsOverRestartsOfTheBrokerAreSound(t *testing.T) {
	o := broker.Options{Dir: t.TempDir(), Partitions: 2}
	b, err := broker.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	o.Addr = b.Addr()
	eo := options(b.Addr())
	var keys *verdict.KeySet
	eo.Signer, keys = sealing(t)
	e, stop := run(t, eo)
	end := make(chan struct{})
	taken := load(t, e, end)
	for range 2 {
		before := e.Stats().Requests.AckedEvents
		until(t, "events flow", func() bool { return e.Stats().Requests.AckedEvents > before+100 })
		b.Close()
		until(t, "the outage shows", func() bool { return e.Stats().Requests.Failing > 0 })
		b, err = broker.Start(o)
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(b.Close)
	before := e.Stats().Requests.AckedEvents
	until(t, "events flow again", func() bool { return e.Stats().Requests.AckedEvents > before+100 })
	close(end)
	taken()
	stop()
	prove(t, b.Addr(), keys).sound(t)
}

func TestEnforcementsOfAKilledProcessAreDeliveredByTheNext(t *testing.T) {
	addr := cluster(t)
	o := spooled(t, addr)
	e := dead(t, o)
	for i := range 20 {
		if !e.Enforce(&verdict.Enforcement{Id: fmt.Sprint("id-", i), VerdictId: fmt.Sprint("v-", i), Action: verdict.ActionRevoke}, traceparent) {
			t.Fatal("Enforce = false with room in the queue")
		}
	}
	o = killed(t, o)
	e, stop := run(t, o)
	e.Enforce(&verdict.Enforcement{VerdictId: "later"}, "")
	stop()
	var got []string
	for _, r := range readAll(t, addr, topic.Enforcements) {
		en := new(verdict.Enforcement)
		err := en.UnmarshalVT(r.value)
		if err != nil || r.key != en.VerdictId || en.Gateway != "gw-1" {
			t.Fatalf("record %q = %v, %v", r.key, en, err)
		}
		if en.VerdictId != "later" && (r.attrs.ID != en.Id || r.attrs.TraceParent != traceparent || r.attrs.Type != "io.vigil.enforcement.v1") {
			t.Errorf("headers of a delivered enforcement: %+v", r.attrs)
		}
		got = append(got, en.VerdictId)
	}
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprint("v-", i))
	}
	if diff := cmp.Diff(append(want, "later"), got); diff != "" {
		t.Errorf("enforcements (-want +got):\n%s", diff)
	}
	st := e.Stats().Enforcements
	if st.Recovered != 20 || st.AckedEvents != 21 || st.Depth != 0 || len(st.Dropped) != 0 {
		t.Errorf("stats = %+v", st)
	}
	if names := left(t, o); len(names) != 0 {
		t.Errorf("files are left: %v", names)
	}
}

func TestEnforcementsThatKafkaHasAreNotDeliveredAgain(t *testing.T) {
	addr := cluster(t)
	o := spooled(t, addr)
	e, stop := run(t, o)
	for i := range 20 {
		e.Enforce(&verdict.Enforcement{VerdictId: fmt.Sprint("v-", i)}, "")
	}
	until(t, "all is stored", func() bool { return e.Stats().Enforcements.AckedEvents == 20 })
	next := killed(t, o)
	stop()
	e, stop = run(t, next)
	stop()
	if st := e.Stats().Enforcements; st.Recovered != 0 {
		t.Errorf("stats = %+v, want nothing recovered", st)
	}
	if n := len(readAll(t, addr, topic.Enforcements)); n != 20 {
		t.Errorf("%d enforcements, want 20", n)
	}
}

// With Kafka down at the end, what is queued waits for the next start and is no loss.
func TestEnforcementsLeftAtShutdownWaitForTheNextStart(t *testing.T) {
	addr := later(t)
	o := spooled(t, addr)
	o.Config.Drain = 10 * time.Millisecond
	e, stop := run(t, o)
	e.Enforce(&verdict.Enforcement{VerdictId: "v-1"}, "")
	stop()
	if st := e.Stats().Enforcements; len(st.Dropped) != 0 {
		t.Errorf("dropped = %v", st.Dropped)
	}
	b, err := broker.Start(broker.Options{Addr: addr, Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	o.Epoch++
	o.Config.Drain = 30 * time.Second
	_, stop = run(t, o)
	stop()
	if records := readAll(t, addr, topic.Enforcements); len(records) != 1 || records[0].key != "v-1" {
		t.Errorf("records = %+v", records)
	}
}
