package ingest_test

import (
	"context"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker/brokertest"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// After a kill of Apache Kafka, whose coordinator says at first that it is none, an
// analyzer scores on as soon as the broker takes records again, and does not wait for the
// session of the member that it was.
func TestAnAnalyzerIsBackAfterAKillOfApacheKafka(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Apache Kafka")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	a := brokertest.Apache(ctx, t)
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &kafka.Client{Addr: kafka.TCP(a.Addr()), Transport: transport}
	var all []kafka.TopicConfig
	for _, s := range topic.All(partitions) {
		all = append(all, kafka.TopicConfig{Topic: s.Name, NumPartitions: s.Partitions, ReplicationFactor: 1})
	}
	eventually(t, "there are topics", func() bool {
		_, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: all})
		return err == nil
	})
	in := rigOn(t, a.Addr()).start(t.TempDir(), func(o *ingest.Options) {
		o.Config.SessionTimeout, o.Config.RebalanceTimeout = 5*time.Minute, 5*time.Minute
	})
	scored := func(each int64) func() bool {
		return func() bool {
			list := in.Status()
			for _, s := range list {
				if s.Next < each {
					return false
				}
			}
			return len(list) == partitions
		}
	}
	send := func() {
		for i := range partitions {
			value, err := event.Append(nil, request(i, "alice", "/"))
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "the broker takes a record", func() bool {
				resp, err := client.Produce(ctx, &kafka.ProduceRequest{
					Topic: topic.Requests, Partition: i, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes(value)}),
				})
				return err == nil && resp.Error == nil
			})
		}
	}
	send()
	eventually(t, "what was sent is scored", scored(1))
	err := a.Restart(ctx)
	if err != nil {
		t.Fatal(err)
	}
	up := time.Now()
	send()
	taken := time.Since(up)
	eventually(t, "what is sent after the kill is scored", scored(2))
	t.Logf("the broker took records %v after its start, and all was scored after %v", taken.Round(time.Millisecond), time.Since(up).Round(time.Millisecond))
}
