package announce_test

import (
	"errors"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/analyzer/announce"
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
	r := newRig(t)
	id := func() string {
		id, err := r.writer.TopicID(t.Context(), topic.Requests)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := id()
	if len(first) != 32 || id() != first {
		t.Errorf("ids %q, then %q; want 32 hexadecimal digits, twice the same", first, id())
	}
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &kafka.Client{Addr: kafka.TCP(r.addr), Transport: transport}
	deleted, err := client.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{topic.Requests}})
	if err != nil || deleted.Errors[topic.Requests] != nil {
		t.Fatal(err, deleted)
	}
	_, err = r.writer.TopicID(t.Context(), topic.Requests)
	if !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("a topic that is gone: %v, want %v", err, kafka.UnknownTopicOrPartition)
	}
	created, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic.Requests, NumPartitions: partitions, ReplicationFactor: 1}},
	})
	if err != nil || created.Errors[topic.Requests] != nil {
		t.Fatal(err, created)
	}
	if id() == first {
		t.Errorf("the topic made anew has the id %s, too", first)
	}
}
