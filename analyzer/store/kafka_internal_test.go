package store

import (
	"context"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vigil-gateway/vigil/schemas/topic"
)

// A quota that holds reading back delays what is read, and is no fault.
func TestAQuotaDelaysReading(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic.Cuts))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	transport := new(kafka.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	b := newBroker(c.ListenAddrs(), transport, nil)
	_, err = b.produce(t.Context(), topic.Cuts, time.Unix(1, 0), outgoing{key: []byte("k"), value: []byte("v")})
	if err != nil {
		t.Fatal(err)
	}
	asked := 0 // By one reader, one read after the other.
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		asked++
		resp, ok := req.ResponseKind().(*kmsg.FetchResponse)
		resp.ThrottleMillis = 10
		return resp, nil, ok && asked <= 3
	})
	held := 0
	got, err := b.fetch(t.Context(), topic.Cuts, 0, 0, time.Second, func(context.Context) { held++ })
	if err != nil || len(got.Records) != 1 || got.End != 1 || asked != 4 || held != 3 {
		t.Errorf("%d records up to %d after %d reads, %d of them held back, %v", len(got.Records), got.End, asked, held, err)
	}
}
