package ingest_test

import (
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/topic"
)

// Batches that unpack to what nobody writes are passed over, however many come, and
// what stands between them is scored.
func TestBombsArePassedOver(t *testing.T) {
	r := newRig(t)
	r.start(t.TempDir())
	const bombs = 5
	for i := range bombs {
		r.send(0, request(i, "alice", "/"))
		resp, err := r.client.Produce(t.Context(), &kafka.ProduceRequest{
			Topic: topic.Requests, RequiredAcks: kafka.RequireAll, Compression: kafka.Zstd,
			Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes(make([]byte, topic.BatchBytesMax))}),
		})
		if err == nil {
			err = resp.Error
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r.send(0, request(bombs, "alice", "/"))
	eventually(t, "all that is no bomb is assessed", func() bool { return len(r.assessments(0)) == bombs+1 })
	if n := len(r.read(topic.Dead, 0)); n > 0 {
		t.Errorf("%d dead letters", n)
	}
}
