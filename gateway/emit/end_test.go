package emit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/deploy/devstack/freeport"
	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// ends are the numbers of the ticks by which the lanes of an epoch end. Nothing of a
// lane may be behind its own.
func ends(t *testing.T, records []stored, epoch uint64) map[uint32]uint64 {
	t.Helper()
	out := make(map[uint32]uint64)
	for _, r := range records {
		if r.event.Epoch != epoch {
			continue
		}
		last, ended := out[r.event.Lane]
		switch {
		case ended:
			t.Errorf("lane %d ends with %d, and behind it is %s %d", r.event.Lane, last, r.event.Kind, r.event.Seq)
		case r.event.Kind == event.KindTick && r.event.Reason == event.ReasonEpochClosed:
			out[r.event.Lane] = r.event.Seq
		}
	}
	return out
}

// A gateway that is stopped on purpose ends each of its lanes itself, and leaves
// nothing for the next life to close.
func TestAPlannedStopEndsEveryLane(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T, string) emit.Options{
		"with a spool":    spooled,
		"without a spool": func(_ *testing.T, addr string) emit.Options { return options(addr) },
	} {
		t.Run(name, func(t *testing.T) {
			addr := cluster(t)
			o := prepare(t, addr)
			e, stop := run(t, o)
			for i := range 100 {
				e.Emit(request(fmt.Sprint("subject-", i)), "")
			}
			stop()
			if e.Emit(request("too late"), "") {
				t.Error("an event was taken behind the end of its lane")
			}
			records := readAll(t, addr, topic.Requests)
			got := ends(t, records, o.Epoch)
			if a := auditOf(t, records); len(got) != int(o.Lanes.Count) || a.Missing != 0 || a.Duplicates != 0 {
				t.Errorf("%d of %d lanes have ended: %+v", len(got), o.Lanes.Count, a)
			}
			if o.Config.Spool.Dir == "" {
				return
			}
			if names := left(t, o); len(names) != 0 {
				t.Errorf("files are left: %v", names)
			}
			o.Epoch++
			_, stop = run(t, o)
			stop()
			ends(t, readAll(t, addr, topic.Requests), o.Epoch-1) // Nobody ends them again.
		})
	}
}

// One that is stopped while Kafka is away ends nothing: the next life delivers what is
// left, and then ends the lanes.
func TestAStopWithoutKafkaLeavesTheEndToTheNextLife(t *testing.T) {
	addr, err := freeport.Addr()
	if err != nil {
		t.Fatal(err)
	}
	o := spooled(t, addr)
	o.Config.Drain = 50 * time.Millisecond
	e, stop := run(t, o)
	e.Emit(request("early"), "")
	stop()
	b, err := broker.Start(broker.Options{Addr: addr, Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	o.Epoch, o.Config.Drain = o.Epoch+1, 30*time.Second
	_, stop = run(t, o)
	stop()
	records := readAll(t, addr, topic.Requests)
	if got := auditOf(t, records); got.Events["early"] != 1 || got.Missing != 0 {
		t.Errorf("records = %+v", got)
	}
	if got := ends(t, records, o.Epoch-1); len(got) == 0 {
		t.Error("no lane of the life without Kafka has ended")
	}
	if got := ends(t, records, o.Epoch); len(got) != int(o.Lanes.Count) {
		t.Errorf("%d of %d lanes of the next life have ended", len(got), o.Lanes.Count)
	}
}
