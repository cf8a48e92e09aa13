package announce

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
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
	const n = 20
	for range n {
		err = w.Write(t.Context(), topic.Verdicts, 0, Record{Key: []byte("k"), Value: make([]byte, 300<<10)})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.stall = 400 * time.Millisecond
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
