package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/deadletter"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

func marshal(t *testing.T, m interface{ MarshalVT() ([]byte, error) }) []byte {
	t.Helper()
	b, err := m.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// batch holds assessments of offsets [first, last] of partition 0.
func batch(t *testing.T, first, last int64) []byte {
	t.Helper()
	return batchOf(t, "", first, last)
}

// batchOf is batch, of a topic of an id.
func batchOf(t *testing.T, topicID string, first, last int64) []byte {
	t.Helper()
	b := &assessment.AssessmentBatch{Topic: topic.Requests, TopicId: topicID, FirstOffset: first, LastOffset: last}
	for o := first; o <= last; o++ {
		b.Assessments = append(b.Assessments, &assessment.Assessment{
			EventTime: timestamppb.Now(), EventId: fmt.Sprint("e", o), Offset: o, Tenant: "default", Score: 3, Action: verdict.ActionObserve,
			Evidence: []*verdict.Evidence{{Signal: "geo.new_country", Group: "network", Nats: 2}, {Signal: "client.new_family", Group: "client", Nats: 1}},
		})
	}
	return marshal(t, b)
}

func signed(t *testing.T, r *rig, id string) []byte {
	t.Helper()
	env, err := r.signer.Verdict(&verdict.Verdict{
		Id: id, Time: timestamppb.Now(), Epoch: 1, Seq: 1, Authority: verdict.AuthoritySubject, Tenant: "default",
		Target: &verdict.Target{Kind: verdict.TargetSession, Id: "x1"}, Action: verdict.ActionRevoke, Until: timestamppb.Now(),
		Evidence: []*verdict.Evidence{{Signal: "geo.impossible_travel", Nats: 9, Hard: true}}, SupportCode: "VG-TEST-0001",
	})
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// Each kind of record becomes its row, or its loss, or nothing.
func TestEveryTopicReachesItsTable(t *testing.T) {
	r := newRig(t)
	r.start()
	kind := func(k, phase string) func(*event.RequestEvent) {
		return func(e *event.RequestEvent) { e.Kind, e.Phase = k, phase }
	}
	r.produce(topic.Requests, 0,
		request(t, 0, 1, func(e *event.RequestEvent) {
			e.Latitude, e.Longitude = new(float64), nil
			e.NetworkTags, e.Attributes = []string{"vpn"}, map[string]string{"a": "it's \x00"}
			e.WafScore = 1.5
			e.SupportCode = "VG-TEST-0002"
		}),
		request(t, 0, 2, kind(event.KindRequest, event.PhaseOpen)),
		request(t, 0, 3, kind(event.KindTick, "")),
		request(t, 0, 4, kind(event.KindRequest, event.PhaseTick)),
		request(t, 0, 5, kind(event.KindRequest, event.PhaseClose)),
		request(t, 0, 6, kind(event.KindSession, "")),
		request(t, 0, 7, func(e *event.RequestEvent) { e.Kind, e.SeqEnd, e.Reason = event.KindTombstone, 11, "queue_full" }),
		request(t, 0, 15, nil), // 12 to 14 never came.
		request(t, 0, 16, func(e *event.RequestEvent) { e.Time = &timestamppb.Timestamp{Seconds: -6e10} }), // A gateway without a clock.
		request(t, 0, 17, func(e *event.RequestEvent) { e.Time = &timestamppb.Timestamp{Seconds: 2.5e11} }),
	)
	r.produce(topic.Assessments, 0, batch(t, 0, 4), batch(t, 0, 4), batch(t, 3, 6))
	beat, err := r.signer.Heartbeat(&verdict.Heartbeat{Time: timestamppb.Now(), Authority: verdict.AuthoritySubject})
	if err != nil {
		t.Fatal(err)
	}
	r.produce(topic.Verdicts, 1, beat, signed(t, r, "v1"), beat, signed(t, r, "v1"), signed(t, r, "v2"))
	enforcement := marshal(t, &verdict.Enforcement{Id: "e1", Time: timestamppb.Now(), VerdictId: "v1", EventToCutUs: 1234})
	r.produce(topic.Enforcements, 0, enforcement, enforcement)

	r.eventually("SELECT arraySort(groupArray(seq)) FROM @requests", "[1,5,6,15,16,17]")
	r.eventually("SELECT groupArray((seq, seq_end, n, reason)) FROM (SELECT * FROM @losses ORDER BY seq)", "[(7,11,5,'queue_full'),(12,14,3,'gap')]")
	r.eventually("SELECT count(), uniqExact(source_offset), sum(score) FROM @assessments", "7\t7\t21")
	r.eventually("SELECT count(), sum(nats) FROM @evidence", "14\t21")
	r.eventually("SELECT groupArray((id, evidence_signal, evidence_hard)) FROM (SELECT * FROM @verdicts FINAL ORDER BY id)",
		"[('v1',['geo.impossible_travel'],[true]),('v2',['geo.impossible_travel'],[true])]")
	r.eventually("SELECT id, event_to_cut_us FROM @enforcements FINAL", "e1\t1234")
	got := r.ask("SELECT latitude, longitude, network_tags, attributes['a'], waf_score, support_code, kind FROM @requests WHERE seq = 1")
	if diff := cmp.Diff("0\t\\N\t['vpn']\tit\\'s \\0\t1.5\tVG-TEST-0002\trequest", got); diff != "" {
		t.Errorf("row changed on the way (-want +got):\n%s", diff)
	}
	// Requests served = rows + losses, asked of ClickHouse alone.
	r.eventually("SELECT countIf(kind = 'request') FROM @requests", "5")
}

// Repeated records are recognised, also by the process after.
func TestRepeatedRecordsAreOneRow(t *testing.T) {
	r := newRig(t)
	stop := r.start()
	r.requests(1, 50)
	r.requests(1, 50) // A producer without idempotence, whose first answer was lost.
	r.requests(31, 40)
	r.once(70)
	stop()
	r.start() // The positions are in the cut record, not in the process.
	r.requests(61, 20)
	r.once(80)
}

// While ClickHouse is down rows wait; when it is back each comes once.
func TestOutageIsLagAndNothingElse(t *testing.T) {
	server := olaptest.Server(t)
	for name, fault := range map[string]olap.Fault{"refused": olap.FaultRefuse, "memory limit": olap.FaultMemory, "dropped": olap.FaultDrop} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.start()
			r.requests(1, 20)
			r.once(20)
			var tries atomic.Int64
			server.SetFault(func(*http.Request) olap.Fault {
				tries.Add(1)
				return fault
			})
			for i := range 10 {
				r.requests(uint64(21+20*i), 20)
			}
			for tries.Load() < 5 { // It goes on trying.
				time.Sleep(10 * time.Millisecond)
			}
			server.Resume()
			r.once(220)
		})
	}
}

// isInsert picks the inserts into one table out of the requests to the engine.
func isInsert(q *http.Request, table string) bool {
	return strings.HasPrefix(q.URL.Query().Get("query"), "INSERT INTO "+table+" ")
}

// The insert happened, the answer is lost: the same token makes one copy.
func TestCutOffAnswerIsOneCopy(t *testing.T) {
	r := newRig(t)
	var left atomic.Int64
	left.Store(6)
	olaptest.Server(t).SetFault(func(q *http.Request) olap.Fault {
		if (isInsert(q, "requests") || isInsert(q, "evidence")) && left.Add(-1) >= 0 {
			return olap.FaultCut
		}
		return olap.FaultNone
	})
	r.start()
	r.requests(1, 100)
	r.produce(topic.Assessments, 0, batch(t, 0, 99))
	for left.Load() > 0 { // Every block is sent again until an answer comes.
		time.Sleep(10 * time.Millisecond)
	}
	r.requests(101, 1) // Comes after whatever is still on its way.
	r.once(101)
	r.eventually("SELECT count() FROM @evidence", "200")
}

// A process that dies between insert and commit, and after the first of two
// inserts, leaves neither a double nor a missing row.
func TestCrashBetweenInsertAndCommit(t *testing.T) {
	for _, table := range []string{"requests", "assessments", "evidence"} {
		t.Run(table, func(t *testing.T) {
			r := newRig(t)
			inserted := make(chan struct{}, 100)
			olaptest.Server(t).SetFault(func(q *http.Request) olap.Fault {
				if isInsert(q, table) {
					inserted <- struct{}{}
					return olap.FaultCut // Done, but the process will not live to hear of it.
				}
				return olap.FaultNone
			})
			stop := r.start()
			r.requests(1, 30)
			r.produce(topic.Assessments, 0, batch(t, 0, 29))
			<-inserted
			stop()
			olaptest.Server(t).Resume()
			r.requests(31, 30) // Meanwhile more has come: a new cut would be another one.
			r.produce(topic.Assessments, 0, batch(t, 30, 59))
			r.start()
			r.once(60)
			r.eventually("SELECT count(), uniqExact(source_offset) FROM @assessments", "60\t60")
			r.eventually("SELECT count() FROM @evidence", "120")
		})
	}
}

// Stops at random instants, with an engine that cuts, drops and refuses at
// random, while events come: the ledger of the test decides.
func TestRandomStops(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := mathrand.New(mathrand.NewPCG(seed, 1))
	r := newRig(t)
	r.patience = time.Minute // Who dies while he migrates keeps the others waiting for half of it.
	var calls atomic.Uint64
	olaptest.Server(t).SetFault(func(q *http.Request) olap.Fault {
		if !strings.HasPrefix(q.URL.Query().Get("query"), "INSERT") {
			return olap.FaultNone
		}
		return []olap.Fault{olap.FaultNone, olap.FaultCut, olap.FaultDrop, olap.FaultNone}[(seed+calls.Add(1)*2654435761)>>7%4]
	})
	next := uint64(1)
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		stop := r.start()
		for range 1 + rnd.IntN(4) {
			n := 1 + rnd.IntN(30)
			r.requests(next, n)
			next += uint64(n)
			time.Sleep(time.Duration(rnd.IntN(60)) * time.Millisecond) // A random instant is the point.
		}
		stop()
	}
	olaptest.Server(t).Resume()
	r.start()
	r.once(int(next - 1))
}

// Partitions change hands under load and no row is lost or doubled.
func TestTwoMembersShareThePartitions(t *testing.T) {
	r := newRig(t)
	first := r.start()
	r.requests(1, 30)
	r.start()
	r.requests(31, 30)
	r.once(60)
	r.requests(61, 30)
	first()
	r.requests(91, 30)
	r.once(120)
}

// What cannot be read is kept for people, and the partition goes on.
func TestPoisonGoesToTheDeadLetters(t *testing.T) {
	r := newRig(t)
	r.start()
	stranger := newRig(t)
	large := make([]byte, event.RecordBytesMax+1)
	poison := map[string][]byte{
		topic.Requests: []byte("\xff\xffnot an event"), topic.Assessments: []byte("{}"),
		topic.Verdicts: signed(t, stranger, "forged"), topic.Enforcements: []byte("\x01"),
	}
	r.requests(1, 5)
	for name, value := range poison {
		r.produce(name, 0, value)
	}
	r.produce(topic.Requests, 1, large)
	r.requests(6, 5)
	r.produce(topic.Verdicts, 0, signed(t, r, "v1"))
	r.once(10)
	r.eventually("SELECT groupArray(id) FROM @verdicts FINAL", "['v1']")

	got := make(map[string]deadletter.Letter)
	deadline := time.Now().Add(30 * time.Second)
	for len(got) < len(poison)+1 && time.Now().Before(deadline) {
		resp, err := r.client.Fetch(context.Background(), &kafka.FetchRequest{Topic: topic.Dead, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		for {
			rec, err := resp.Records.ReadRecord()
			if err != nil {
				break
			}
			value, err := kafka.ReadAll(rec.Value)
			if err != nil {
				t.Fatal(err)
			}
			var l deadletter.Letter
			err = json.Unmarshal(value, &l)
			if err != nil {
				t.Fatal(err)
			}
			key := l.Topic
			if l.Bytes == len(large) {
				key = "large"
			}
			got[key] = l
		}
	}
	for name, value := range poison {
		l := got[name]
		if l.Reason == "" || l.Stage != deadletter.StageStoring || string(l.Value) != string(value) || l.Partition != 0 {
			t.Errorf("dead letter of %s = %+v", name, l)
		}
	}
	if l := got["large"]; l.Partition != 1 || l.Offset != 5 || !strings.Contains(l.Reason, "too large") {
		t.Errorf("dead letter of the large record = %d/%d %q", l.Partition, l.Offset, l.Reason)
	}
}

// All faults at once, each by its key.
func TestConfigNamesEveryFault(t *testing.T) {
	err := store.Config{Addresses: []string{"nowhere"}, Database: "a; DROP", Heartbeat: time.Second, SessionTimeout: time.Second}.Validate()
	for _, key := range []string{"brokers:", "group:", "addresses:", "protocol:", "database:", "records_max:", "batch_bytes:", "linger:", "heartbeat:"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%q is not in %v", key, err)
		}
	}
	err = store.DefaultConfig().Validate()
	if err != nil {
		t.Errorf("the default is refused: %v", err)
	}
}

// Where vigil.requests was made anew its offsets begin anew, and assessments of them are
// no repeats of those before; an analyzer of before says nothing of the topic's id.
func TestAssessmentsOfATopicThatWasMadeAnewAreRows(t *testing.T) {
	r := newRig(t)
	stop := r.start()
	r.produce(topic.Assessments, 0, batch(t, 0, 4), batchOf(t, "one", 3, 6), batchOf(t, "one", 5, 9))
	r.eventually("SELECT count(), uniqExact(source_offset) FROM @assessments", "10\t10")
	stop() // What is known of the topic outlasts the process.
	r.start()
	r.produce(topic.Assessments, 0, batchOf(t, "one", 8, 9), batchOf(t, "two", 0, 4), batchOf(t, "two", 3, 6), batch(t, 5, 7))
	r.eventually("SELECT count(), uniqExact(source_offset) FROM @assessments", "18\t10")
}
