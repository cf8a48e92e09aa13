package emit_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// issued notes the numbers that lanes give out.
type issued struct {
	mu   sync.Mutex
	last map[uint32]uint64
	jump string // The first number that does not follow the one before.
}

func (i *issued) Issued(lane uint32, seq uint64, at time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if (seq != i.last[lane]+1 || at.IsZero()) && i.jump == "" {
		i.jump = fmt.Sprintf("lane %d: %d after %d", lane, seq, i.last[lane])
	}
	i.last[lane] = seq
}

// Every number is told as it is given out, before anybody can have scored it, and the
// event has it.
func TestNumbersAreToldAsTheyAreGivenOut(t *testing.T) {
	b, err := broker.Start(broker.Options{Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	told := &issued{last: make(map[uint32]uint64)}
	o := options(b.Addr())
	o.Issuer = told
	e, stop := run(t, o)
	for i := range 100 {
		ev := request(fmt.Sprint("u", i%20))
		if i%3 == 0 {
			ev.Attributes = map[string]string{event.AttributeHeld: "true"}
		}
		if !e.Emit(ev, "") {
			t.Fatal("an event was dropped")
		}
		told.mu.Lock()
		last := told.last[ev.Lane]
		told.mu.Unlock()
		if ev.Seq == 0 || last < ev.Seq {
			t.Fatalf("event %d of lane %d, of which %d are told", ev.Seq, ev.Lane, last)
		}
	}
	until(t, "all are stored", func() bool { return e.Stats().Requests.AckedEvents == 100 })
	stop()
	if told.jump != "" {
		t.Error(told.jump)
	}
	stored := make(map[uint32]uint64)
	for _, r := range readAll(t, b.Addr(), topic.Requests) {
		stored[r.event.GetLane()] = max(stored[r.event.GetLane()], r.event.GetSeq())
	}
	for lane, seq := range stored {
		if told.last[lane] != seq {
			t.Errorf("lane %d: %d are told, %d stored", lane, told.last[lane], seq)
		}
	}
}
