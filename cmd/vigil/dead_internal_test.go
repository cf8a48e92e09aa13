package main

import (
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/schemas/deadletter"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// startKafka starts a broker with three dead letters: one that can be read by
// now, one that cannot, and one of scoring. The first was met twice, and the topic that
// was there before had another record at its offset.
func startKafka(t *testing.T) string {
	t.Helper()
	b, err := broker.Start(broker.Options{Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	said := func(id string) []byte {
		b, err := event.Append(nil, &event.RequestEvent{
			Kind: event.KindRequest, Phase: event.PhaseComplete, Id: id, RequestId: id, Time: timestamppb.Now(),
			Tenant: "late", Gateway: "g", Epoch: 1, Lane: 2, Seq: 3, Decision: event.DecisionPermit,
		})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	readable := said("late-1")
	at := time.Now().UTC()
	var records []kafka.Record
	for _, l := range []deadletter.Letter{
		{Topic: topic.Requests, Offset: 41, Stage: deadletter.StageStoring, Reason: "field 99 is of a later version", Time: at, Value: readable},
		{Topic: topic.Requests, Offset: 42, Stage: deadletter.StageStoring, Reason: "malformed", Time: at, Value: []byte("\xff")},
		{Topic: topic.Requests, Offset: 42, Stage: deadletter.StageScoring, Reason: "malformed", Time: at, Value: []byte("\xff")},
		{Topic: topic.Requests, Offset: 41, Stage: deadletter.StageStoring, Reason: "field 99 is of a later version", Time: at.Add(time.Minute), Value: readable},
		{Topic: topic.Requests, TopicID: "7f", Offset: 41, Stage: deadletter.StageStoring, Reason: "field 99 is of a later version", Time: at.Add(-time.Hour), Value: said("late-2")},
	} {
		key, value, _, err := l.Seal()
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, kafka.Record{Time: at, Key: kafka.NewBytes(key), Value: kafka.NewBytes(value)})
	}
	records = append(records, kafka.Record{Time: at, Value: kafka.NewBytes([]byte("no letter"))})
	transport := new(kafka.Transport)
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: transport}
	resp, err := client.Produce(t.Context(), &kafka.ProduceRequest{
		Topic: topic.Dead, Partition: 0, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	if err == nil {
		err = resp.Error
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Addr()
}
