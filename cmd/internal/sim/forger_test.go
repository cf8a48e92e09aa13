package sim_test

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/deadletter"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// forged is a header that no seal covers and no reader knows: by it the books tell
// what somebody has written in a gateway's name, whoever may believe it.
const forged = "forged"

// forge writes to vigil.requests in the name of a gateway, as somebody may who has its
// rights at the broker and not its key: that somebody is signed out who goes on, and a
// number far ahead, behind which all that is true would look like a repetition. The
// record has no seal, or one by another key.
func (w *world) forge(t *testing.T) string {
	t.Helper()
	g := w.gateways[w.rand.IntN(len(w.gateways))]
	ev := describe(fmt.Sprint(g.id, "-subject-", w.rand.IntN(peopleOfOne)), "")
	ev.Kind, ev.Reason, ev.Phase = event.KindSession, event.ReasonLogout, ""
	ev.Session = fmt.Sprint(ev.Subject, "-visit-", w.rand.IntN(10))
	key := topic.RequestKey(ev.Tenant, ev.Subject, ev.Address)
	ev.Gateway, ev.Epoch, ev.Lane, ev.Seq = g.id, uint64(g.lives), lanes().Of(key), 1_000_000
	ev.Id = fmt.Sprint("forged-", w.rand.Uint64())
	value, err := event.Append(nil, ev)
	if err != nil {
		panic(err) // The event is our own.
	}
	p := topic.Partition(ev.Lane, partitions)
	record := kafka.Record{Key: kafka.NewBytes(key), Value: kafka.NewBytes(value), Headers: []kafka.Header{
		{Key: "ce_id", Value: []byte(ev.Id)}, {Key: "ce_source", Value: []byte(seal.SourcePrefix + g.id)}, {Key: forged, Value: []byte("1")},
	}}
	what := "forged without a seal"
	if w.rand.IntN(2) == 0 {
		what = "forged with another seal"
		other := ed25519.NewKeyFromSeed([]byte("a key that no set lists 32 bytes"))
		s, err := seal.NewSigner(g.id, g.id, other)
		if err != nil {
			panic(err) // Its arguments are our own.
		}
		view := seal.Record{Key: key, Value: value, Header: func(name string) ([]byte, bool) {
			for _, h := range record.Headers {
				if h.Key == name {
					return h.Value, true
				}
			}
			return nil, false
		}}
		b := s.Seal(&seal.Chain{Epoch: ev.Epoch, Partition: int32(p)}, time.Now(), []seal.Record{view})
		record.Headers = append(record.Headers, kafka.Header{Key: seal.Header, Value: b.Header})
	}
	w.ended.Go(func() { // It may fail, or be there without an answer: the topic says which.
		_, _ = w.kafka.client.Produce(t.Context(), &kafka.ProduceRequest{
			Topic: topic.Requests, Partition: p, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(record),
		})
	})
	return what
}

func (r found) forged() bool {
	for _, h := range r.headers {
		if h.Key == forged {
			return true
		}
	}
	return false
}

// checkForged compares what was forged with what the analyzers have buried: that, and
// nothing else.
func (w *world) checkForged(t *testing.T, records []found) {
	t.Helper()
	type place struct {
		partition int
		offset    int64
	}
	buried := make(map[place]string)
	for _, r := range w.kafka.read(t, topic.Dead) {
		var letter deadletter.Letter
		err := json.Unmarshal(r.value, &letter)
		if err != nil {
			t.Fatal(err)
		}
		buried[place{letter.Partition, letter.Offset}] = letter.Topic + ": " + letter.Reason
	}
	n := 0
	for _, r := range records {
		at := place{r.partition, r.offset}
		why, dead := buried[at]
		if dead != r.forged() {
			t.Errorf("record %v: forged is %v, buried is %v: %s", at, r.forged(), dead, why)
		}
		if dead {
			n++
		}
		delete(buried, at)
	}
	for at, why := range buried {
		t.Errorf("something else was buried, %v: %s", at, why)
	}
	if n == 0 {
		t.Error("nobody has forged anything")
	}
	t.Logf("%d records forged, and buried", n)
}
