package broker_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

func start(t *testing.T, o broker.Options) *broker.Broker {
	t.Helper()
	b, err := broker.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func client(t *testing.T, addr string) *kafka.Client {
	t.Helper()
	tr := &kafka.Transport{MetadataTTL: 2 * time.Second}
	t.Cleanup(tr.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(addr), Transport: tr, Timeout: 10 * time.Second}
}

// produce writes records. A partition that was made a moment ago may not know
// its leader yet, and has written nothing then.
func produce(t *testing.T, c *kafka.Client, name string, partition int, key string, values ...string) {
	t.Helper()
	records := make([]kafka.Record, len(values))
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		for i, v := range values {
			records[i] = kafka.Record{Key: kafka.NewBytes([]byte(key)), Value: kafka.NewBytes([]byte(v))}
		}
		res, err := c.Produce(t.Context(), &kafka.ProduceRequest{
			Topic: name, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
		})
		switch {
		case err != nil:
			t.Fatalf("produce to %s: %v", name, err)
		case res.Error == nil:
			return
		case !errors.Is(res.Error, kafka.NotLeaderForPartition) || time.Since(begin) > time.Minute:
			t.Fatalf("produce to %s: %v", name, res.Error)
		}
	}
}

// fetch returns the values of a partition from an offset to its end.
func fetch(t *testing.T, c *kafka.Client, name string, partition int, offset int64) []string {
	t.Helper()
	var got []string
	for {
		res, err := c.Fetch(t.Context(), &kafka.FetchRequest{
			Topic: name, Partition: partition, Offset: offset, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 50 * time.Millisecond,
		})
		if err != nil || res.Error != nil {
			t.Fatalf("fetch %s/%d: %v, %v", name, partition, err, res)
		}
		for {
			r, err := res.Records.ReadRecord()
			if err != nil {
				break
			}
			v, err := kafka.ReadAll(r.Value)
			if err != nil {
				t.Fatal(err)
			}
			got, offset = append(got, string(v)), r.Offset+1
		}
		if offset >= res.HighWatermark {
			return got
		}
	}
}

func partitions(t *testing.T, c *kafka.Client) map[string]int {
	t.Helper()
	md, err := c.Metadata(t.Context(), &kafka.MetadataRequest{})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int)
	for _, tp := range md.Topics {
		got[tp.Name] = len(tp.Partitions)
	}
	return got
}

func TestTopicsAreAsListed(t *testing.T) {
	b := start(t, broker.Options{Partitions: 4})
	want := make(map[string]int)
	for _, s := range topic.All(4) {
		want[s.Name] = s.Partitions
	}
	c := client(t, b.Addr())
	if diff := cmp.Diff(want, partitions(t, c)); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
	res, err := c.DescribeConfigs(t.Context(), &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic.Verdicts, ConfigNames: []string{"cleanup.policy"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Resources[0].ConfigEntries[0].ConfigValue; got != "compact" {
		t.Errorf("cleanup.policy of %s = %q, want compact", topic.Verdicts, got)
	}
}

func TestSecondStartGoesOnWhereTheFirstStopped(t *testing.T) {
	dir := t.TempDir()
	first := start(t, broker.Options{Dir: dir, Partitions: 2})
	c := client(t, first.Addr())
	produce(t, c, topic.Requests, 1, "k", "one", "two")
	commit(t, c, "storing", topic.Requests, 1, 2)
	first.Close()

	second := start(t, broker.Options{Dir: dir, Partitions: 2, Addr: first.Addr()})
	if second.Addr() != first.Addr() {
		t.Fatalf("second start listens on %s, the first on %s", second.Addr(), first.Addr())
	}
	c = client(t, second.Addr())
	produce(t, c, topic.Requests, 1, "k", "three")
	if diff := cmp.Diff([]string{"one", "two", "three"}, fetch(t, c, topic.Requests, 1, 0)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if got := committed(t, c, "storing", topic.Requests, 1); got != 2 {
		t.Errorf("committed offset = %d, want 2", got)
	}
	if got := partitions(t, c)[topic.Verdicts]; got != 2 {
		t.Errorf("%s has %d partitions, want 2", topic.Verdicts, got)
	}
}

func TestCompactKeepsTheLastRecordPerKey(t *testing.T) {
	b := start(t, broker.Options{Partitions: 1})
	c := client(t, b.Addr())
	for i := range 3 {
		produce(t, c, topic.Verdicts, 0, "a", fmt.Sprint("a", i))
	}
	produce(t, c, topic.Verdicts, 0, "b", "b0") // The last batch is in use and stays.
	b.Compact()
	if diff := cmp.Diff([]string{"a2", "b0"}, fetch(t, c, topic.Verdicts, 0, first(t, c, topic.Verdicts))); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// first is where partition 0 begins.
func first(t *testing.T, c *kafka.Client, name string) int64 {
	t.Helper()
	res, err := c.ListOffsets(t.Context(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		name: {kafka.FirstOffsetOf(0)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return res.Topics[name][0].FirstOffset
}

func TestOnlyTheLocalHostIsServed(t *testing.T) {
	for name, addr := range map[string]string{
		"every interface": "0.0.0.0:0", "a name": "localhost:0", "no port": "127.0.0.1", "not a port": "127.0.0.1:kafka",
	} {
		t.Run(name, func(t *testing.T) {
			b, err := broker.Start(broker.Options{Addr: addr})
			if err == nil {
				b.Close()
				t.Fatalf("Start(%q) serves, want an error", addr)
			}
		})
	}
}

// commit has a group of one member commit an offset.
func commit(t *testing.T, c *kafka.Client, group, name string, partition int, offset int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	res, err := c.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: group, GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{name: {{Partition: partition, Offset: offset}}},
	})
	if err != nil || res.Topics[name][0].Error != nil {
		t.Fatalf("commit: %v, %v", err, res)
	}
}

func committed(t *testing.T, c *kafka.Client, group, name string, partition int) int64 {
	t.Helper()
	res, err := c.OffsetFetch(t.Context(), &kafka.OffsetFetchRequest{
		GroupID: group, Topics: map[string][]int{name: {partition}},
	})
	if err != nil || res.Error != nil {
		t.Fatalf("fetch offset: %v, %v", err, res)
	}
	return res.Topics[name][0].CommittedOffset
}
