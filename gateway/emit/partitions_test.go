package emit_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// told notes that something was logged.
type told struct {
	what string
	seen atomic.Bool
}

func (w *told) Write(line []byte) (int, error) {
	if strings.Contains(string(line), w.what) {
		w.seen.Store(true)
	}
	return len(line), nil
}

// The topic gets twice its partitions under a gateway that runs: it says so, and each
// of its lanes stays where it was, without a hole. The next life uses them all.
func TestPartitionsAreDoubledUnderARunningGateway(t *testing.T) {
	if testing.Short() {
		t.Skip("waits until the gateway looks at the topic again")
	}
	const few, many, events = 3, 6, 300 // As cluster has them.
	addr := cluster(t)
	o := spooled(t, addr)
	w := &told{what: "topic has new partitions"}
	o.Logger = slog.New(slog.NewTextHandler(w, nil))
	want := make(map[string]int)
	send := func(e *emit.Emitter) {
		t.Helper()
		for i := range events {
			s := fmt.Sprint("subject-", i%17)
			if !e.Emit(request(s), "") {
				t.Fatal("Emit = false with room in the queue")
			}
			want[s]++
		}
	}
	life := func(epoch uint64, during func(e *emit.Emitter)) (used map[int]bool) {
		t.Helper()
		clear(want)
		o.Epoch = epoch
		e, stop := run(t, o)
		send(e)
		during(e)
		send(e)
		stop()
		used = make(map[int]bool)
		var records []stored
		for _, r := range readAll(t, addr, topic.Requests) {
			if r.event.Epoch == epoch {
				records = append(records, r)
				used[r.partition] = true
			}
		}
		if diff := cmp.Diff(audit{Events: want, Covered: map[string]uint64{}}, auditOf(t, records)); diff != "" {
			t.Errorf("epoch %d (-want +got):\n%s", epoch, diff)
		}
		return used
	}
	first := life(10, func(e *emit.Emitter) {
		until(t, "the first half is stored", func() bool { return e.Stats().Requests.AckedEvents == events })
		tr := &kafka.Transport{}
		defer tr.CloseIdleConnections()
		c := &kafka.Client{Addr: kafka.TCP(addr), Transport: tr}
		resp, err := c.CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: topic.Requests, Count: many}}})
		if err != nil || resp.Errors[topic.Requests] != nil {
			t.Fatal(err, resp)
		}
		until(t, "the gateway says that there are more", w.seen.Load)
	})
	for p := range first {
		if p >= few {
			t.Errorf("a lane moved to partition %d in the middle of its life", p)
		}
	}
	if second := life(11, func(*emit.Emitter) {}); len(second) != many {
		t.Errorf("the next life uses partitions %v, want all %d", second, many)
	}
}
