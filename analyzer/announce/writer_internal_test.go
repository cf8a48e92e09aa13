package announce

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// Reading may take longer than it may stand still.
func TestAReadThatGetsOnIsNotEnded(t *testing.T) {
	b, err := broker.Start(broker.Options{Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	w, err := NewWriter(nil, []string{b.Addr()}, slog.New(slog.DiscardHandler), noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	const n = 12
	for range n {
		err = w.Write(t.Context(), topic.Verdicts, 0, Record{Key: []byte("k"), Value: make([]byte, 300<<10)})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.stall = time.Second
	seen := 0
	_, err = w.Read(t.Context(), topic.Verdicts, 0, 0, func(kafka.Message) {
		seen++
		time.Sleep(w.stall / 8) // What verifying takes.
	})
	if err != nil || seen != n {
		t.Errorf("Read() = %v after %d of %d records", err, seen, n)
	}
	_, err = w.Read(t.Context(), topic.Verdicts, 0, 0, func(kafka.Message) { time.Sleep(2 * w.stall) })
	if !errors.Is(err, errStalled) {
		t.Errorf("Read() that stands still = %v, want errStalled", err)
	}
}

// A quota that holds reading back for longer than a read may stand still does not end it,
// and what was read is not read again.
func TestAReadThatIsHeldBackGoesOn(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic.Verdicts))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	w, err := NewWriter(nil, c.ListenAddrs(), slog.New(slog.DiscardHandler), noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	const n = 12
	for range n {
		err = w.Write(t.Context(), topic.Verdicts, 0, Record{Key: []byte("k"), Value: make([]byte, 500<<10)})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.stall = 1500 * time.Millisecond
	var asked atomic.Int64
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		n := asked.Add(1)
		resp, ok := req.ResponseKind().(*kmsg.FetchResponse)
		resp.ThrottleMillis = 2000
		return resp, nil, ok && n%2 == 1
	})
	seen := 0
	end, err := w.Read(t.Context(), topic.Verdicts, 0, 0, func(kafka.Message) { seen++ })
	if err != nil || seen != n || end != n {
		t.Errorf("Read() = %v after %d of %d records, up to %d", err, seen, n, end)
	}
	if asked := asked.Load(); asked < 4 {
		t.Errorf("held back %d times, want twice at least", asked/2)
	}
}
