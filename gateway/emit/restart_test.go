package emit_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker/brokertest"
	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// load emits from four goroutines until stop is closed, and returns how many
// events of each subject were taken.
func load(t *testing.T, e *emit.Emitter, stop <-chan struct{}) (taken func() map[string]int) {
	t.Helper()
	var (
		mu    sync.Mutex
		count = make(map[string]int)
		work  sync.WaitGroup
	)
	for worker := range 4 {
		work.Go(func() {
			pace := time.NewTicker(time.Millisecond)
			defer pace.Stop()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-pace.C:
				}
				s := fmt.Sprintf("subject-%d-%d", worker, i%9)
				if !e.Emit(request(s), "") {
					t.Error("Emit = false with room in the queue")
					return
				}
				mu.Lock()
				count[s]++
				mu.Unlock()
			}
		})
	}
	return func() map[string]int {
		work.Wait()
		return count
	}
}

func TestNothingIsLostOverARestartOfTheEmbeddedBroker(t *testing.T) {
	o := broker.Options{Dir: t.TempDir(), Partitions: 3}
	b, err := broker.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	o.Addr = b.Addr()
	e, stop := run(t, options(b.Addr()))
	end := make(chan struct{})
	taken := load(t, e, end)
	for range 3 {
		before := e.Stats().Requests.AckedEvents
		until(t, "events flow", func() bool { return e.Stats().Requests.AckedEvents > before+200 })
		b.Close()
		until(t, "the outage shows", func() bool { return e.Stats().Requests.Failing > 0 })
		b, err = broker.Start(o)
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(b.Close)
	before := e.Stats().Requests.AckedEvents
	until(t, "events flow again", func() bool { return e.Stats().Requests.AckedEvents > before+200 })
	close(end)
	want := taken()
	stop()
	got := auditOf(t, readAll(t, b.Addr(), topic.Requests))
	got.Duplicates = 0 // Allowed: they were recognised.
	if diff := cmp.Diff(audit{Events: want, Covered: map[string]uint64{}}, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestNothingIsLostOverAKillOfApacheKafka(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Apache Kafka")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	a := brokertest.Apache(ctx, t)
	tr := &kafka.Transport{}
	c := &kafka.Client{Addr: kafka.TCP(a.Addr()), Transport: tr}
	_, err := c.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
		{Topic: topic.Requests, NumPartitions: 3, ReplicationFactor: 1},
		{Topic: topic.Enforcements, NumPartitions: 1, ReplicationFactor: 1},
	}})
	tr.CloseIdleConnections()
	if err != nil {
		t.Fatal(err)
	}
	e, stop := run(t, options(a.Addr()))
	end := make(chan struct{})
	taken := load(t, e, end)
	until(t, "events flow", func() bool { return e.Stats().Requests.AckedEvents > 1000 })
	err = a.Restart(ctx)
	if err != nil {
		t.Fatal(err)
	}
	before := e.Stats().Requests.AckedEvents
	until(t, "events flow again", func() bool { return e.Stats().Requests.AckedEvents > before+1000 })

	// A broker that hangs is noticed, and what it may have taken is repeated.
	a.Pause()
	until(t, "the hang shows", func() bool { return e.Stats().Requests.Failing > 0 })
	a.Resume()
	before = e.Stats().Requests.AckedEvents
	until(t, "events flow again", func() bool { return e.Stats().Requests.AckedEvents > before+1000 })
	close(end)
	want := taken()
	stop()
	got := auditOf(t, readAll(t, a.Addr(), topic.Requests))
	t.Logf("%d events resent copies recognised, stats %+v", got.Duplicates, e.Stats().Requests)
	got.Duplicates = 0
	if diff := cmp.Diff(audit{Events: want, Covered: map[string]uint64{}}, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
