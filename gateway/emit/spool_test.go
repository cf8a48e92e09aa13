package emit_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/deploy/devstack/memdir"
	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/gateway/emit/spool"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// spooled are options with a spool.
func spooled(t *testing.T, addr string) emit.Options {
	t.Helper()
	o := options(addr)
	o.Config.Spool.Dir = filepath.Join(t.TempDir(), "spool")
	o.Config.Spool.SegmentBytes = spool.SegmentBytesMin
	o.Config.Spool.InFlightMax = 64
	return o
}

// killed is what the next start finds of a process that was killed: its folder,
// without the lock, as a copy, since the files of ours stay open.
func killed(t *testing.T, o emit.Options) emit.Options {
	t.Helper()
	next := filepath.Join(t.TempDir(), "spool")
	err := os.CopyFS(next, os.DirFS(o.Config.Spool.Dir))
	if err != nil {
		t.Fatal(err)
	}
	o.Config.Spool.Dir = next
	o.Epoch++
	return o
}

func dead(t *testing.T, o emit.Options) *emit.Emitter {
	t.Helper()
	e, err := emit.New(o) // Without Run: nothing is sent, and it dies where it stands.
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func cluster(t *testing.T) string {
	t.Helper()
	b, err := broker.Start(broker.Options{Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b.Addr()
}

// left names the files of a spool, locks excepted.
func left(t *testing.T, o emit.Options) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(o.Config.Spool.Dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && d.Name() != "lock" {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestWhatAKilledProcessHadQueuedIsDeliveredByTheNext(t *testing.T) {
	addr := cluster(t)
	o := spooled(t, addr)
	e := dead(t, o)
	want := map[string]int{"later": 1}
	for i := range 500 {
		s := fmt.Sprint("subject-", i%17)
		want[s]++
		if !e.Emit(request(s), traceparent) {
			t.Fatal("Emit = false with room in the queue")
		}
	}
	o = killed(t, o)
	e, stop := run(t, o)
	e.Emit(request("later"), "")
	stop()
	records := readAll(t, addr, topic.Requests)
	if diff := cmp.Diff(audit{Events: want, Covered: map[string]uint64{}}, auditOf(t, records)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	closed := 0
	for _, r := range records {
		if r.event.Kind == event.KindTick && r.event.Reason == event.ReasonEpochClosed && r.event.Epoch == 7 {
			closed++
		}
		if r.event.Kind == event.KindRequest && r.event.Epoch == 7 && r.attrs.TraceParent != traceparent {
			t.Fatalf("headers of a delivered record: %+v", r.attrs)
		}
	}
	if closed == 0 {
		t.Error("no lane of the ended epoch was closed")
	}
	st := e.Stats().Requests
	if st.Recovered != 500 || st.AckedEvents != 501 || st.Depth != 0 || len(st.Dropped) != 0 {
		t.Errorf("stats = %+v", st)
	}
	if names := left(t, o); len(names) != 0 {
		t.Errorf("files are left: %v", names)
	}
}

func TestWhatKafkaHasIsNotDeliveredTwice(t *testing.T) {
	addr := cluster(t)
	o := spooled(t, addr)
	o.Config.Tick = time.Minute // A tick that has not arrived yet is delivered again, and rightly.
	e, stop := run(t, o)
	for i := range 300 {
		e.Emit(request(fmt.Sprint("s", i%5)), "")
	}
	until(t, "all is stored", func() bool { return e.Stats().Requests.AckedEvents == 300 })
	next := killed(t, o)
	stop()
	e, stop = run(t, next)
	if n := e.Stats().Requests.Recovered; n != 0 {
		t.Errorf("%d events are delivered again", n)
	}
	stop()
	got := auditOf(t, readAll(t, addr, topic.Requests))
	if got.Missing != 0 || got.Duplicates > 8 { // The ticks by which the lanes end.
		t.Errorf("audit = %+v", got)
	}
}

func TestRequestsUnderWayLeaveTheirEvent(t *testing.T) {
	addr := cluster(t)
	o := spooled(t, addr)
	e := dead(t, o)
	for i := range 10 {
		ev := request(fmt.Sprint("s", i))
		ev.Decision = ""
		ev.Id = fmt.Sprintf("0190a0e0-0000-7000-8000-%012d", i)
		if i == 3 { // Too large for its place; what matters is kept.
			ev.UserAgent, ev.Path = strings.Repeat("u", 3000), strings.Repeat("/ä", 3000)
		}
		in := e.Intend(ev, emit.Batched)
		if i == 5 {
			e.Lasts(in)
		}
		if i%2 == 0 {
			e.Conclude(in, ev, "")
		}
	}
	o = killed(t, o)
	_, stop := run(t, o)
	stop()
	ids, closed := make(map[string]string), 0
	for _, r := range readAll(t, addr, topic.Requests) {
		if r.event.Kind == event.KindRequest {
			if _, twice := ids[r.event.Id]; twice {
				t.Errorf("event %s is there twice", r.event.Id)
			}
			if r.event.Phase == event.PhaseClose {
				closed++
				r.event.Id = fmt.Sprintf("0190a0e0-0000-7000-8000-%012d", 5)
			}
			ids[r.event.Id] = r.event.Reason
		}
	}
	for i := range 10 {
		want := ""
		if i%2 == 1 {
			want = emit.ReasonUnfinished
		}
		got, there := ids[fmt.Sprintf("0190a0e0-0000-7000-8000-%012d", i)]
		if !there || got != want {
			t.Errorf("event of request %d: there %v, reason %q, want %q", i, there, got, want)
		}
	}
	if closed != 1 {
		t.Errorf("%d events of phase close, want that of the one that lasted", closed)
	}
}

func TestEventsOfBestEffortRoutesAreCountedAfterACrash(t *testing.T) {
	addr := cluster(t)
	o := spooled(t, addr)
	e := dead(t, o)
	for range 5 {
		e.Emit(request("kept"), "")
		e.Conclude(emit.Intent{Care: emit.BestEffort}, request("kept"), "")
	}
	_, stop := run(t, killed(t, o))
	stop()
	want := audit{Events: map[string]int{"kept": 5}, Covered: map[string]uint64{spool.ReasonCrash: 5}}
	if diff := cmp.Diff(want, auditOf(t, readAll(t, addr, topic.Requests))); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// The event of a strict request whose effect has been let through outlives a crash also
// where the spool has become full while it was under way.
func TestAStrictRequestIsNotLostWhenTheSpoolFillsMeanwhile(t *testing.T) {
	o := spooled(t, later(t))
	o.Config.Drain = time.Millisecond
	o.Config.Spool.BytesMax = 4 * o.Config.Spool.SegmentBytes
	e, stop := run(t, o)
	defer stop()
	ev := request("strict")
	ev.Method = "POST"
	in := e.Intend(ev, emit.Strict)
	err := e.Durable(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for e.Stats().Spool.Refused == 0 {
		denial := request("denied")
		denial.Decision, denial.Status = event.DecisionDeny, 403
		if !e.Emit(denial, "") {
			t.Fatal("Emit = false with room in the queue")
		}
	}
	if !e.Conclude(in, ev, "") {
		t.Fatal("Conclude = false with room in the queue")
	}
	other := e.Intend(request("s"), emit.Strict)
	_ = e.Durable(t.Context(), other) // Whether or not it is: the disk has been synced.
	for range o.Config.Spool.InFlightMax {
		e.Intend(request("s"), emit.Strict) // Each takes a place that is free.
	}
	o = killed(t, o)
	o.Brokers, o.Config.Drain = []string{cluster(t)}, 30*time.Second
	_, next := run(t, o)
	next()
	got := auditOf(t, readAll(t, o.Brokers[0], topic.Requests))
	if got.Events["strict"] != 1 || got.Missing != 0 {
		t.Errorf("the strict request has %d events, want 1; audit %+v", got.Events["strict"], got)
	}
}

func TestTheSpoolTakesWhatMemoryHasNoRoomFor(t *testing.T) {
	addr := later(t)
	o := spooled(t, addr)
	o.Config.QueueRecordsMax, o.Config.Spool.SegmentBytes = 50, 4<<20 // No segment more than stands by.
	e, stop := run(t, o)
	want := make(map[string]int)
	for i := range 3000 {
		s := fmt.Sprint("s", i%7)
		want[s]++
		if !e.Emit(request(s), "") {
			t.Fatal("Emit = false with room in the spool")
		}
	}
	if n := e.Stats().Requests.Spooled; n < 2900 {
		t.Errorf("%d records are on the disk alone, want nearly all", n)
	}
	b, err := broker.Start(broker.Options{Addr: addr, Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	until(t, "everything is stored", func() bool { return e.Stats().Requests.AckedEvents == 3000 })
	stop()
	if diff := cmp.Diff(audit{Events: want, Covered: map[string]uint64{}}, auditOf(t, readAll(t, addr, topic.Requests))); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	st := e.Stats().Requests
	if st.Depth != 0 || st.Bytes != 0 || st.Spooled != 0 {
		t.Errorf("stats = %+v", st)
	}
	if names := left(t, o); len(names) != 0 {
		t.Errorf("files are left: %v", names)
	}
}

func TestDenialsOutliveReadsWhenTheSpoolIsFull(t *testing.T) {
	addr := later(t)
	o := spooled(t, addr)
	o.Config.QueueRecordsMax, o.Config.Tick = 1, time.Minute
	o.Config.Spool.BytesMax = 8 * o.Config.Spool.SegmentBytes
	o.Config.Spool.Dir = filepath.Join(memdir.New(t), "spool") // A disk that is busy elsewhere would refuse reads as well.
	e, stop := run(t, o)
	reads, denied := 0, 0
	for i := range 12_000 {
		ev := request("s")
		if i%10 == 0 {
			ev.Decision, ev.Status = event.DecisionDeny, 403
			ev.Subject = "denied"
			denied++
		} else {
			reads++
		}
		if !e.Emit(ev, "") {
			t.Fatalf("Emit = false, event %d: reads must give way", i)
		}
		if i%50 == 0 {
			time.Sleep(5 * time.Millisecond) // The spool's tending is on another goroutine.
		}
	}
	b, err := broker.Start(broker.Options{Addr: addr, Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	until(t, "all is stored or dropped", func() bool { return e.Stats().Requests.Depth == 0 })
	stop()
	got := auditOf(t, readAll(t, addr, topic.Requests))
	dropped := e.Stats().Requests.Dropped[spool.ReasonFull]
	if got.Events["denied"] != denied {
		t.Errorf("%d denials arrived of %d", got.Events["denied"], denied)
	}
	if dropped == 0 || uint64(got.Events["s"])+dropped != uint64(reads) || got.Covered[spool.ReasonFull] != dropped || got.Missing != 0 {
		t.Errorf("%d reads arrived of %d, %d are counted as dropped, tombstones cover %v, %d missing", got.Events["s"], reads, dropped, got.Covered, got.Missing)
	}
}

func TestWhatIsLeftAtShutdownWaitsForTheNextStart(t *testing.T) {
	addr := later(t)
	o := spooled(t, addr)
	o.Config.Drain = 10 * time.Millisecond
	e, stop := run(t, o)
	for range 10 {
		e.Emit(request("alice"), "")
	}
	stop()
	if n := e.Stats().Requests.Dropped[emit.ReasonShutdown]; n != 0 {
		t.Errorf("%d events are counted as lost, and lie in the spool", n)
	}
	b, err := broker.Start(broker.Options{Addr: addr, Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	o.Epoch++
	o.Config.Drain = time.Minute
	_, stop = run(t, o)
	stop()
	if diff := cmp.Diff(audit{Events: map[string]int{"alice": 10}, Covered: map[string]uint64{}}, auditOf(t, readAll(t, addr, topic.Requests))); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if names := left(t, o); len(names) != 0 {
		t.Errorf("files are left: %v", names)
	}
}

func TestTwoGatewaysCannotShareASpool(t *testing.T) {
	o := spooled(t, "127.0.0.1:1")
	e := dead(t, o)
	_, err := emit.New(o)
	if !errors.Is(err, spool.ErrLocked) {
		t.Errorf("a second gateway: error %v, want %v", err, spool.ErrLocked)
	}
	e.Emit(request("alice"), "")
	err = e.Close()
	if err != nil {
		t.Fatal(err)
	}
	o.Gateway, o.Epoch = "gw-2", o.Epoch+1
	_, err = emit.New(o)
	if !errors.Is(err, spool.ErrForeign) {
		t.Errorf("another gateway's spool: error %v, want %v", err, spool.ErrForeign)
	}
}

func TestStrictRequestsWaitForTheDisk(t *testing.T) {
	o := spooled(t, "127.0.0.1:1")
	o.Config.Drain = 0
	e, stop := run(t, o)
	in := e.Intend(request("alice"), emit.Strict)
	err := e.Durable(t.Context(), in)
	if err != nil {
		t.Errorf("Durable() = %v", err)
	}
	e.Conclude(in, request("alice"), "")
	stop()
	none := dead(t, options("127.0.0.1:1"))
	err = none.Durable(t.Context(), none.Intend(request("alice"), emit.Strict))
	if !errors.Is(err, spool.ErrNotDurable) {
		t.Errorf("Durable() = %v without a spool, want %v", err, spool.ErrNotDurable)
	}
}
