package broker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker/brokertest"
)

func TestApacheKeepsDataAndPortOverACrash(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Apache Kafka")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	a := brokertest.Apache(ctx, t, "num.io.threads=2")
	addr := a.Addr()
	c := client(t, addr)
	_, err := c.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
		{Topic: "t", NumPartitions: 1, ReplicationFactor: 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	produce(t, c, "t", 0, "k", "one", "two")

	err = a.Restart(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if a.Addr() != addr {
		t.Errorf("address after restart = %s, want %s", a.Addr(), addr)
	}
	c = client(t, a.Addr())
	until(ctx, t, "the partition has a leader again", func() bool {
		md, err := c.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{"t"}})
		return err == nil && len(md.Topics[0].Partitions) == 1 && md.Topics[0].Partitions[0].Error == nil
	})
	if diff := cmp.Diff([]string{"one", "two"}, fetch(t, c, "t", 0, 0)); diff != "" {
		t.Errorf("records after the crash (-want +got):\n%s", diff)
	}

	a.Pause()
	short := *c
	short.Timeout = 300 * time.Millisecond
	_, err = short.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{"t": {kafka.LastOffsetOf(0)}}})
	if err == nil {
		t.Error("a paused broker answered")
	}
	a.Resume()
	err = a.Stop(time.Minute)
	if err != nil {
		t.Error(err)
	}
}

func TestApacheSaysWhatIsMissing(t *testing.T) {
	t.Run("jars", func(t *testing.T) {
		_, err := broker.NewApache(t.Context(), broker.ApacheOptions{Dir: t.TempDir(), Jars: t.TempDir()})
		oneLine(t, err, "make engines")
	})
	t.Run("java", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		_, err := broker.NewApache(t.Context(), broker.ApacheOptions{Dir: t.TempDir()})
		oneLine(t, err, "java 17")
	})
}

func oneLine(t *testing.T, err error, want string) {
	t.Helper()
	if text := fmt.Sprint(err); err == nil || strings.Contains(text, "\n") || !strings.Contains(text, want) {
		t.Errorf("error = %q, want one line that names %q", text, want)
	}
}

func until(ctx context.Context, t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}
