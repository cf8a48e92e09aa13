package revoke_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/gateway/revoke"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// faultyCluster is a broker with one partition of verdicts that can be told what to answer.
func faultyCluster(t *testing.T) (c *kfake.Cluster, addr string) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic.Verdicts))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, c.ListenAddrs()[0]
}

// A broker that holds back by a quota is no fault: verdicts come late, and none is lost.
func TestAQuotaOfTheBrokersIsWaitedOut(t *testing.T) {
	r := newRing(t)
	c, addr := faultyCluster(t)
	var asked atomic.Int32
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp, ok := req.ResponseKind().(*kmsg.FetchResponse)
		resp.ThrottleMillis = 30
		return resp, nil, ok && asked.Add(1)%3 != 0
	})
	announce(t, addr, 0, r.analyzer, revocation("early", 1))
	f := newFollower(t, addr, t.TempDir(), r)
	f.run(t)
	until(t, "caught up", f.CaughtUp)
	want := []string{"early-1"}
	for i := range 5 {
		announce(t, addr, 0, r.analyzer, revocation(fmt.Sprint("s", i), 1))
		want = append(want, fmt.Sprintf("s%d-1", i))
	}
	f.wants(t, want...)
	if n := f.log.count("not followed"); n != 0 {
		t.Errorf("a quota is logged as a fault %d times:\n%s", n, f.log)
	}
	if n := f.log.count("a quota of the brokers holds reading back"); n != 1 {
		t.Errorf("the quota is logged %d times, want once", n)
	}
}

// A batch that unpacks to more than any of the analyzer's is passed over, with an
// alarm, and what stands behind it is enforced.
func TestABombAmongVerdictsIsPassedOver(t *testing.T) {
	r := newRing(t)
	b := start(t, broker.Options{Partitions: 1})
	announce(t, b.Addr(), 0, r.analyzer, revocation("before", 1))
	tr := new(kafka.Transport)
	defer tr.CloseIdleConnections()
	res, err := (&kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: tr}).Produce(t.Context(), &kafka.ProduceRequest{
		Topic: topic.Verdicts, RequiredAcks: kafka.RequireAll, Compression: compress.Zstd,
		Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes(make([]byte, 5<<20))}),
	})
	if err != nil || res.Error != nil {
		t.Fatal(err, res)
	}
	announce(t, b.Addr(), 0, r.analyzer, revocation("behind", 1))
	f := newFollower(t, b.Addr(), t.TempDir(), r)
	f.run(t)
	until(t, "caught up", f.CaughtUp)
	f.wants(t, "before-1", "behind-1")
	if n := f.Stats().Refused["broken_batch"]; n != 1 || f.log.count("alarm: what stands in the topic cannot be read") != 1 {
		t.Errorf("%d batches refused, want one and an alarm:\n%s", n, f.log)
	}
}

// A topic that was away is another one: it is read from its beginning, also where it has
// become longer than the one before.
func TestATopicThatWasAwayIsReadFromItsBeginning(t *testing.T) {
	r := newRing(t)
	b := start(t, broker.Options{Partitions: 1})
	f := newFollower(t, b.Addr(), t.TempDir(), r, func(o *revoke.Options) { o.Config.RetryMax = o.Config.RetryMin })
	f.run(t)
	announce(t, b.Addr(), 0, r.analyzer, revocation("old", 1))
	f.wants(t, "old-1")
	tr := new(kafka.Transport)
	defer tr.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: tr}
	_, err := c.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{topic.Verdicts}})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "it is missed", func() bool { return f.log.count("verdicts not followed") == 1 })
	res, err := c.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic.Verdicts, NumPartitions: 1, ReplicationFactor: 1}}})
	if err != nil || res.Errors[topic.Verdicts] != nil {
		t.Fatal(err, res)
	}
	want := []string{"old-1"}
	for i := range 4 {
		announce(t, b.Addr(), 0, r.analyzer, revocation(fmt.Sprint("new", i), 1))
		want = append(want, fmt.Sprintf("new%d-1", i))
	}
	f.wants(t, want...)
	if f.log.count(topic.Verdicts) == 0 {
		t.Error("nothing is said of it")
	}
}
