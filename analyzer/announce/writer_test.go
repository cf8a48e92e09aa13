package announce_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker/brokertest"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// A broker refuses a batch above 1 MiB, however small its records are.
func TestWriterCutsWhatABrokerWouldRefuse(t *testing.T) {
	r := newRig(t)
	records := make([]announce.Record, 12)
	for i := range records {
		records[i] = announce.Record{Key: []byte{byte(i)}, Value: make([]byte, 400<<10)}
	}
	err := r.writer.Write(t.Context(), topic.Assessments, 0, records...)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range r.read(topic.Assessments, 0) {
		if int(m.Key[0]) != i {
			t.Errorf("record %d stands in place %d", m.Key[0], i)
		}
	}
	err = r.writer.Write(t.Context(), topic.Assessments, 0, announce.Record{Value: make([]byte, 2<<20)})
	if !errors.Is(err, announce.ErrRefused) {
		t.Errorf("Write of 2 MiB = %v, want ErrRefused", err)
	}
}

// A topic made anew is told from the one that had its name; one that is not
// there is a fault, not a topic without an id.
func TestTopicIDTellsATopicFromItsPredecessor(t *testing.T) {
	b, err := broker.Start(broker.Options{Topics: []topic.Spec{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	tellsApart(t.Context(), t, b.Addr())
}

func TestTopicIDOfApacheKafka(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Apache Kafka")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	a := brokertest.Apache(ctx, t)
	tellsApart(ctx, t, a.Addr())
}

// tellsApart makes a topic, deletes it and makes it anew.
func tellsApart(ctx context.Context, t *testing.T, addr string) {
	t.Helper()
	w, err := announce.NewWriter(nil, []string{addr}, slog.New(slog.DiscardHandler), noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &kafka.Client{Addr: kafka.TCP(addr), Transport: transport}
	create := func() (id string) {
		created, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: "t", NumPartitions: 1, ReplicationFactor: 1}}})
		if err != nil || created.Errors["t"] != nil {
			t.Fatal(err, created)
		}
		eventually(t, "the topic has an id", func() bool {
			id, err = w.TopicID(ctx, "t")
			return err == nil
		})
		return id
	}
	first := create()
	again, err := w.TopicID(ctx, "t")
	if len(first) != 32 || again != first || err != nil {
		t.Errorf("ids %q, then %q, %v; want 32 hexadecimal digits, twice the same", first, again, err)
	}
	deleted, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{"t"}})
	if err != nil || deleted.Errors["t"] != nil {
		t.Fatal(err, deleted)
	}
	eventually(t, "the topic is gone", func() bool {
		_, err = w.TopicID(ctx, "t")
		return errors.Is(err, kafka.UnknownTopicOrPartition)
	})
	if second := create(); second == first {
		t.Errorf("the topic made anew has the id %s, too", second)
	}
}
