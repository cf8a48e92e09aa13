package ingest_test

import (
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vigil-gateway/vigil/schemas/topic"
)

// A partition of vigil.verdicts without a leader keeps its own partition from being
// begun, and those that its keys went to. The others are begun once and work on.
func TestAPartitionThatCannotBeBegunStopsNoOther(t *testing.T) {
	r, _, cluster := newFaultyCluster(t)
	const away = 1
	var lost atomic.Bool
	var refused atomic.Int32
	lost.Store(true)
	cluster.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		q, ok := req.(*kmsg.ListOffsetsRequest)
		if !ok || !lost.Load() || q.Topics[0].Topic != topic.Verdicts || q.Topics[0].Partitions[0].Partition != away {
			return nil, nil, false
		}
		refused.Add(1)
		resp, ok := q.ResponseKind().(*kmsg.ListOffsetsResponse)
		of, p := kmsg.NewListOffsetsResponseTopic(), kmsg.NewListOffsetsResponseTopicPartition()
		of.Topic, p.Partition, p.ErrorCode = topic.Verdicts, away, int16(kafka.LeaderNotAvailable)
		of.Partitions = append(of.Partitions, p)
		resp.Topics = append(resp.Topics, of)
		return resp, nil, ok
	})
	log := newBegun()
	r.start(t.TempDir(), log.log)
	eventually(t, "it was tried again and again", func() bool { return refused.Load() > 3 })
	r.send(0, request(0, "alice", "/"))
	r.send(away, request(1, "alice", "/"))
	eventually(t, "another partition works", func() bool { return len(r.assessments(0)) == 1 })
	if n := log.times(away); n != 0 {
		t.Errorf("a partition whose verdicts cannot be read was begun %d times", n)
	}
	lost.Store(false)
	eventually(t, "the partition works once it can be read", func() bool { return len(r.assessments(away)) == 1 })
	if n := log.times(0); n != 1 {
		t.Errorf("another partition was begun %d times, want once", n)
	}
}
