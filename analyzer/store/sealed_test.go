package store_test

import (
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/deadletter"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// sealed is the life of gateway g1 that writes to partition 0.
type sealed struct {
	r      *rig
	signer *seal.Signer
	chain  seal.Chain
}

// sealing lists a key for g1 and returns who signs with it.
func (r *rig) sealing() *sealed {
	r.t.Helper()
	root, key := ed25519.NewKeyFromSeed(make([]byte, 32)), ed25519.NewKeyFromSeed([]byte("key of gateway g1 in these tests"))
	file, err := verdict.SignKeySet(root, []verdict.Key{{ID: "k", Class: verdict.ClassGateway, Gateway: "g1", Public: key.Public().(ed25519.PublicKey)}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.seals, err = verdict.OpenKeySet(root.Public().(ed25519.PublicKey), file)
	if err != nil {
		r.t.Fatal(err)
	}
	s, err := seal.NewSigner("g1", "k", key)
	if err != nil {
		r.t.Fatal(err)
	}
	return &sealed{r: r, signer: s, chain: seal.Chain{Epoch: 7}}
}

// batch seals the events first to last of lane 0, and is their records.
func (s *sealed) batch(first, last uint64) []kafka.Record {
	s.r.t.Helper()
	var values [][]byte
	for seq := first; seq <= last; seq++ {
		values = append(values, request(s.r.t, 0, seq, nil))
	}
	headers := []kafka.Header{{Key: "ce_source", Value: []byte(seal.SourcePrefix + "g1")}}
	views := make([]seal.Record, len(values))
	for i, v := range values {
		views[i] = seal.Record{Key: []byte("k"), Value: v, Header: func(name string) ([]byte, bool) {
			return headers[0].Value, name == headers[0].Key
		}}
	}
	b := s.signer.Seal(&s.chain, time.Now(), views)
	s.chain.Advance(b)
	out := make([]kafka.Record, len(values))
	for i, v := range values {
		out[i] = kafka.Record{Time: time.Now(), Key: kafka.NewBytes([]byte("k")), Value: kafka.NewBytes(v), Headers: headers}
	}
	out[0].Headers = append(headers[:1:1], kafka.Header{Key: seal.Header, Value: b.Header})
	return out
}

func (s *sealed) write(records ...kafka.Record) {
	s.r.t.Helper()
	resp, err := s.r.client.Produce(s.r.t.Context(), &kafka.ProduceRequest{
		Topic: topic.Requests, Partition: 0, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	if err == nil {
		err = resp.Error
	}
	if err != nil {
		s.r.t.Fatal(err)
	}
}

// What is not believed is no row of requests and no loss of the gateway that it
// names; it is a row of refusals. A takeover knows the chain from the cut.
func TestRecordsThatAreNotBelievedAreRowsOfRefusalsAlone(t *testing.T) {
	r := newRig(t)
	g := r.sealing()
	stop := r.start()
	g.write(g.batch(1, 3)...)
	r.produce(topic.Requests, 0, request(t, 0, 1000, nil), request(t, 0, 1001, nil)) // In the name of g1, without a seal.
	g.write(g.batch(4, 5)...)
	r.eventually("SELECT arraySort(groupArray(seq)) FROM @requests", "[1,2,3,4,5]")
	r.eventually("SELECT gateway, cause, kid, sum(n), min(kafka_offset), max(kafka_offset_end) FROM @refusals GROUP BY ALL", "g1\tunsigned\t\t2\t3\t4")
	stop()
	late := g.batch(6, 7)
	r.start()
	g.write(g.batch(8, 9)...) // The batch before it has not come,
	r.eventually("SELECT arraySort(groupArray(seq)) FROM @requests", "[1,2,3,4,5,8,9]")
	g.write(late...) // and comes when its numbers are a loss.
	r.eventually("SELECT cause, kid, sum(n) FROM @refusals WHERE cause != 'unsigned' GROUP BY ALL ORDER BY cause", "batch_missing\tk\t1\norder\tk\t2")
	r.eventually("SELECT seq, seq_end, reason FROM @losses", "6\t7\tgap")
	r.eventually("SELECT count() FROM @requests", "7")
}

// Unsigned records of gateways without a key are rows that say so.
func TestUnsignedRowsAreMarked(t *testing.T) {
	r := newRig(t)
	r.sealing()
	r.unsigned = seal.Mark
	r.start()
	r.produce(topic.Requests, 0, request(t, 0, 1, func(e *event.RequestEvent) { e.Gateway = "g9" }))
	r.eventually("SELECT gateway, attributes['"+event.AttributeProducer+"'] FROM @requests", "g9\tunsigned")
}

// A letter is stored in the name of a gateway that seals only where the record that
// it holds stands in its topic, sealed.
func TestLettersInTheNameOfASealingGatewayAreProven(t *testing.T) {
	r := newRig(t)
	g := r.sealing()
	g.write(g.batch(1, 3)...)
	forged := request(t, 0, 9, nil)
	r.produce(topic.Requests, 0, forged)
	stranger := request(t, 0, 5, func(e *event.RequestEvent) { e.Gateway = "g2" })
	_, err := store.Migrate(t.Context(), r.config)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := store.Open(t.Context(), r.config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	dead := store.OpenDead(store.DeadOptions{Config: r.config, Conn: conn, Keys: r.keys, Seals: r.seals, Unsigned: seal.Mark})
	defer dead.Close()
	resp, err := r.client.Fetch(t.Context(), &kafka.FetchRequest{Topic: topic.Requests, Offset: 1, MinBytes: 1, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	var sealed []byte // The second record of the batch.
	for sealed == nil {
		rec, err := resp.Records.ReadRecord()
		if err != nil {
			t.Fatal(err)
		}
		if rec.Offset == 1 {
			sealed, _ = kafka.ReadAll(rec.Value)
		}
	}
	var none *access.Access
	id, err := none.TopicID(t.Context(), "test", r.config.Brokers, topic.Requests)
	if err != nil || id == "" {
		t.Fatalf("id %q, %v", id, err)
	}
	var refused *seal.RefusedError
	for name, tt := range map[string]struct {
		partition int
		offset    int64
		value     []byte
		topicID   string
		want      error
		refused   bool
	}{
		"a record of a sealed batch":               {offset: 1, value: sealed, topicID: id},
		"one of a topic that had its name before":  {offset: 1, value: sealed, topicID: "another", want: store.ErrUnproven},
		"another record in its place":              {offset: 1, value: forged, want: store.ErrUnproven},
		"a record that has gone from the topic":    {offset: 99, value: sealed, want: store.ErrUnproven},
		"a partition that is not there":            {partition: 99, offset: 1, value: sealed, want: store.ErrUnproven},
		"a record that stands there without seal":  {offset: 3, value: forged, refused: true},
		"a record of a gateway that has no key":    {offset: 4, value: stranger},
		"a sealed record in another one's address": {offset: 2, value: sealed, want: store.ErrUnproven},
	} {
		l := deadletter.Letter{
			Topic: topic.Requests, TopicID: tt.topicID, Partition: tt.partition, Offset: tt.offset, Stage: deadletter.StageStoring,
			Time: time.Now(), Key: []byte("k"), Value: tt.value, Bytes: len(tt.value),
		}
		added, err := dead.Replay(t.Context(), &l)
		ok := err == nil && added == 1
		if tt.want != nil || tt.refused {
			ok = added == 0 && (tt.want != nil && errors.Is(err, tt.want) || tt.refused && errors.As(err, &refused))
		}
		if !ok {
			t.Errorf("%s: Replay = %d, %v", name, added, err)
		}
	}
	r.eventually("SELECT arraySort(groupArray((gateway, seq, attributes['producer']))) FROM @requests", "[('g1',2,''),('g2',5,'unsigned')]")
}
