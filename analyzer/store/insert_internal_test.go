package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/schemas/deadletter"
	"github.com/vigil-gateway/vigil/schemas/fetch"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// A stranger's batch of nothing but poison costs a few writes, none larger than a broker
// takes, and each record is kept in its place, whole and large ones among them.
func TestALotOfPoisonIsAFewWrites(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic.Dead))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	transport := new(kafka.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	x, err := newMetrics(noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{o: Options{Logger: slog.New(slog.DiscardHandler), Now: time.Now}, metrics: x, broker: newBroker(c.ListenAddrs(), transport, nil)}
	var writes atomic.Int32
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		writes.Add(1)
		return nil, nil, false
	})
	const n = 20_000
	items, letters := make([]item, 0, 2*n), 0
	for i := range n {
		i := item{record: record{&fetch.Record{Offset: int64(2 * i), Value: []byte{byte(i)}}, topic.Requests, 1}, poison: errors.New("malformed")}
		if i.Offset%5000 == 0 {
			i.Value = bytes.Repeat([]byte{0xff}, deadletter.ValueMax)
		}
		items = append(items, i, item{record: record{&fetch.Record{Offset: i.Offset + 1}, topic.Requests, 1}})
	}
	err = s.bury(t.Context(), "7f", items)
	if err != nil {
		t.Fatal(err)
	}
	if got := writes.Load(); got < 8 || got > n/500 {
		t.Errorf("%d records took %d writes", n, got)
	}
	for at := int64(0); letters < n; {
		got, err := s.broker.fetch(t.Context(), topic.Dead, 0, at, time.Second, nil)
		if err != nil || got.Broken != nil || got.Next <= at {
			t.Fatalf("%d letters up to %d, %v, %v", letters, got.Next, err, got.Broken)
		}
		at = got.Next
		for _, r := range got.Records {
			var l deadletter.Letter
			err = json.Unmarshal(r.Value, &l)
			of := items[2*letters]
			if err != nil || l.Offset != of.Offset || !bytes.Equal(l.Value, of.Value) || l.Bytes != len(of.Value) || l.Partition != 1 || l.TopicID != "7f" || l.Reason != "malformed" {
				t.Fatalf("letter %d is %d/%d with %d bytes, %v, want that of %d", letters, l.Partition, l.Offset, l.Bytes, err, of.Offset)
			}
			letters++
		}
	}
}

// Where nothing is poison nothing is written.
func TestNothingToBury(t *testing.T) {
	err := (&Store{o: Options{Now: time.Now}}).bury(t.Context(), "7f", []item{{}, {}})
	if err != nil {
		t.Error(err)
	}
}
