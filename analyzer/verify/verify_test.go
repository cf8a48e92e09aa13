package verify_test

import (
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/verify"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// rig is a broker with one partition, and one life of gateway g1.
type rig struct {
	t      *testing.T
	addr   string
	keys   *verdict.KeySet
	signer *seal.Signer
	chain  seal.Chain
	seq    uint64
	// company are the batches of other partitions that are signed together with ours.
	company []*seal.Batch
}

func newRig(t *testing.T) *rig {
	t.Helper()
	b, err := broker.Start(broker.Options{Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	root, key := ed25519.NewKeyFromSeed(make([]byte, 32)), ed25519.NewKeyFromSeed([]byte("key of gateway g1 in these tests"))
	file, err := verdict.SignKeySet(root, []verdict.Key{{ID: "k", Class: verdict.ClassGateway, Gateway: "g1", Public: key.Public().(ed25519.PublicKey)}})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, addr: b.Addr(), chain: seal.Chain{Epoch: 7}}
	r.keys, err = verdict.OpenKeySet(root.Public().(ed25519.PublicKey), file)
	if err != nil {
		t.Fatal(err)
	}
	r.signer, err = seal.NewSigner("g1", "k", key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// batch seals n events, each changed.
func (r *rig) batch(n int, change func(*event.RequestEvent)) []kafka.Record {
	r.t.Helper()
	source := []byte(seal.SourcePrefix + "g1")
	var values [][]byte
	var views []seal.Record
	for range n {
		r.seq++
		ev := &event.RequestEvent{Kind: event.KindRequest, Time: timestamppb.Now(), Gateway: "g1", Epoch: 7, Seq: r.seq}
		if change != nil {
			change(ev)
		}
		value, err := event.Append(nil, ev)
		if err != nil {
			r.t.Fatal(err)
		}
		values = append(values, value)
		views = append(views, seal.Record{Value: value, Header: func(name string) ([]byte, bool) { return source, name == "ce_source" }})
	}
	b := r.signer.Draft(&r.chain, time.Now(), views)
	r.chain.Advance(b)
	r.signer.Sign(append(r.company, b))
	out := make([]kafka.Record, n)
	for i, v := range values {
		out[i] = kafka.Record{Value: kafka.NewBytes(v), Headers: []kafka.Header{{Key: "ce_source", Value: source}}}
	}
	out[0].Headers = append(out[0].Headers, kafka.Header{Key: seal.Header, Value: b.Header})
	return out
}

func (r *rig) write(records []kafka.Record) {
	r.t.Helper()
	tr := &kafka.Transport{}
	defer tr.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(r.addr), Transport: tr}
	res, err := c.Produce(r.t.Context(), &kafka.ProduceRequest{Topic: topic.Requests, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...)})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) verify(change func(*verify.Options)) verify.Report {
	r.t.Helper()
	o := verify.Options{Brokers: []string{r.addr}, Keys: r.keys, Unsigned: seal.Refuse}
	if change != nil {
		change(&o)
	}
	got, err := verify.Run(r.t.Context(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	return got
}

func check(t *testing.T, want, got verify.Report) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestSoundHistory(t *testing.T) {
	r := newRig(t)
	check(t, verify.Report{Partitions: 1, Sound: true}, r.verify(nil))
	r.write(r.batch(3, nil))
	r.company = []*seal.Batch{r.signer.Draft(&seal.Chain{Epoch: 7, Partition: 1}, time.Now(), nil)} // From now on signed with another partition's.
	r.write(r.batch(1, func(e *event.RequestEvent) {
		e.Kind, e.SeqEnd, e.Reason = event.KindTombstone, e.Seq+4, "queue_full"
		r.seq = e.SeqEnd
	}))
	r.write(r.batch(1, func(e *event.RequestEvent) { e.Kind = event.KindTick }))
	r.write(r.batch(2, nil))
	whole := verify.Life{Gateway: "g1", Epoch: 7, Events: 5, Ticks: 1, Tombstones: 5, Batches: 4}
	check(t, verify.Report{Partitions: 1, Records: 7, Lives: []verify.Life{whole}, Sound: true}, r.verify(nil))
	since := r.verify(func(o *verify.Options) { o.From = 1 }) // In the middle of a batch, which is verified whole.
	check(t, verify.Report{Partitions: 1, Records: 6, Lives: []verify.Life{{Gateway: "g1", Epoch: 7, Events: 4, Ticks: 1, Tombstones: 5, Batches: 4}}, Sound: true}, since)
	check(t, verify.Report{Partitions: 1, Sound: true}, r.verify(func(o *verify.Options) { o.Since = time.Now().Add(time.Hour) }))
}

func TestHistoryThatIsNotSound(t *testing.T) {
	r := newRig(t)
	r.write(r.batch(2, nil))
	r.batch(3, nil) // Cut out.
	r.company = []*seal.Batch{r.signer.Draft(&seal.Chain{Epoch: 7, Partition: 1}, time.Now(), nil)}
	broken := r.batch(1, nil)
	broken[0].Value = kafka.NewBytes([]byte{0xff}) // No event any more.
	r.write(broken)
	forged := r.batch(1, func(e *event.RequestEvent) { e.Gateway = "g2" })
	r.write(forged)
	last := r.batch(2, nil)
	r.write(last[:1]) // Torn at the end of the topic.
	got := r.verify(nil)
	want := verify.Report{Partitions: 1, Records: 5, Unreadable: 1, Lives: []verify.Life{
		{Gateway: "g1", Epoch: 7, Events: 2, Batches: 2, Missing: 2, Refused: map[seal.Cause]uint64{seal.CauseTorn: 1}},
		{Gateway: "g2", Epoch: 7, Refused: map[seal.Cause]uint64{seal.CauseGateway: 1}},
	}}
	check(t, want, got)
}

func TestNobodyAnswers(t *testing.T) {
	_, err := verify.Run(t.Context(), verify.Options{Brokers: []string{"127.0.0.1:1"}, Keys: newRig(t).keys, Unsigned: seal.Refuse})
	if !errors.Is(err, verify.ErrUnreachable) {
		t.Errorf("Run() = %v, want ErrUnreachable", err)
	}
}
