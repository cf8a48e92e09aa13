package revoke_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker/brokertest"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

func TestVerdictsAreFollowedOverAKillOfApacheKafka(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Apache Kafka")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	a := brokertest.Apache(ctx, t, "log.cleaner.backoff.ms=100")
	create(ctx, t, a.Addr())
	r := newRing(t)

	// Compaction at work: most of what is written here is cleaned away.
	for seq := range uint64(60) {
		announce(t, a.Addr(), 0, r.analyzer, revocation("busy", seq+1))
	}
	f := newFollower(t, a.Addr(), t.TempDir(), r)
	f.run(t)
	until(t, "caught up", f.CaughtUp)
	last := func(id string) func() bool {
		return func() bool {
			ids := f.table.ids()
			return len(ids) > 0 && ids[len(ids)-1] == id
		}
	}
	if !last("busy-60")() {
		t.Fatalf("caught up, but applied = %v", f.table.ids())
	}
	for round := range uint64(2) {
		err := a.Restart(ctx)
		if err != nil {
			t.Fatal(err)
		}
		writable(ctx, t, a.Addr())
		v := revocation(fmt.Sprint("after-", round), 1)
		announce(t, a.Addr(), 1, r.analyzer, v)
		until(t, "the next verdict is applied", last(v.Id))
	}

	// A broker that hangs and comes back costs nothing but time.
	a.Pause()
	until(t, "the hang shows", func() bool { return f.log.count("verdicts not followed") >= 2 })
	a.Resume()
	v := revocation("resumed", 1)
	announce(t, a.Addr(), 1, r.analyzer, v)
	until(t, "the next verdict is applied", last(v.Id))

	fresh := newFollower(t, a.Addr(), t.TempDir(), r)
	fresh.run(t)
	until(t, "a new gateway is caught up", fresh.CaughtUp)
	in := make(map[string]bool)
	for _, id := range fresh.table.ids() {
		in[id] = true
	}
	for _, id := range []string{"busy-60", "after-0-1", "after-1-1", "resumed-1"} {
		if !in[id] {
			t.Errorf("a new gateway misses %s", id)
		}
	}
}

func create(ctx context.Context, t *testing.T, addr string) {
	t.Helper()
	tr := &kafka.Transport{}
	defer tr.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(addr), Transport: tr}
	entries := []kafka.ConfigEntry{
		{ConfigName: "cleanup.policy", ConfigValue: "compact"},
		{ConfigName: "segment.ms", ConfigValue: "200"},
		{ConfigName: "max.compaction.lag.ms", ConfigValue: "200"},
		{ConfigName: "min.cleanable.dirty.ratio", ConfigValue: "0.01"},
	}
	res, err := c.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
		{Topic: topic.Verdicts, NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: entries},
	}})
	if err != nil || res.Errors[topic.Verdicts] != nil {
		t.Fatal(err, res)
	}
}

// writable waits until every partition has a leader again.
func writable(ctx context.Context, t *testing.T, addr string) {
	t.Helper()
	tr := &kafka.Transport{MetadataTTL: 2 * time.Second}
	defer tr.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(addr), Transport: tr, Timeout: 5 * time.Second}
	until(t, "every partition has a leader", func() bool {
		res, err := c.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
			topic.Verdicts: {kafka.LastOffsetOf(0), kafka.LastOffsetOf(1)},
		}})
		if err != nil {
			return false
		}
		for _, p := range res.Topics[topic.Verdicts] {
			if p.Error != nil {
				return false
			}
		}
		return len(res.Topics[topic.Verdicts]) == 2
	})
}
