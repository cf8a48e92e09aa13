//go:build faults

package chaos_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/deploy/devstack/freeport"
	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/gateway/emit/spool"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// tmpfs mounts a file system of so many bytes until the test ends.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test mounts a file system of its own, which needs root: run \"make test-faults\" as root")
	}
	dir := t.TempDir()
	err := syscall.Mount("vigil", dir, "tmpfs", 0, "size="+size)
	if err != nil {
		t.Fatalf("mount a tmpfs of %s: %v", size, err)
	}
	t.Cleanup(func() {
		err := syscall.Unmount(dir, syscall.MNT_DETACH)
		if err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// A disk of 1 MiB fills up while there is no Kafka: the gateway goes on, refusals
// outlive reads, what found no room is counted by its reason, and once Kafka is back
// everything is there or covered by a tombstone.
func TestAFullFileSystemStopsNobody(t *testing.T) {
	addr, err := freeport.Addr()
	if err != nil {
		t.Fatal(err)
	}
	c := emit.DefaultConfig()
	c.QueueRecordsMax, c.Tick, c.RetryMax, c.Drain = 1, time.Minute, 100*time.Millisecond, 30*time.Second
	c.Spool.Dir = filepath.Join(tmpfs(t, "1m"), "spool")
	c.Spool.SegmentBytes, c.Spool.InFlightMax = spool.SegmentBytesMin, 16
	c.Spool.BytesMax = 64 * c.Spool.SegmentBytes // Far more than there is.
	e, err := emit.New(emit.Options{
		Config: c, Brokers: []string{addr}, Gateway: "gateway-1", Epoch: 1, Lanes: topic.Lanes{Count: 8, Seed: 1},
		Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()
	const n = 4000
	for i := range n {
		ev := &event.RequestEvent{
			Time: timestamppb.Now(), Phase: event.PhaseComplete, Tenant: "default", Subject: "reader", Method: "GET",
			Path: "/" + strings.Repeat("x", 200), Status: 200, Decision: event.DecisionPermit,
		}
		if i%40 == 0 {
			ev.Subject, ev.Status, ev.Decision = "refused", 403, event.DecisionDeny
		}
		e.Emit(ev, "") // False is an event that is counted.
		if i%200 == 0 {
			time.Sleep(20 * time.Millisecond) // The spool is tended by another goroutine.
		}
	}
	if s := e.Stats(); len(s.Requests.Dropped) == 0 {
		t.Fatalf("a disk of 1 MiB took %d events: %+v", n, s)
	}
	b, err := broker.Start(broker.Options{Addr: addr, Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	for deadline := time.Now().Add(time.Minute); e.Stats().Requests.Depth > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("events wait though Kafka is there: %+v", e.Stats())
		}
	}
	acked := e.Stats().Requests.AckedEvents
	for deadline := time.Now().Add(time.Minute); e.Stats().Requests.AckedEvents == acked; time.Sleep(50 * time.Millisecond) {
		e.Emit(&event.RequestEvent{Time: timestamppb.Now(), Phase: event.PhaseComplete, Tenant: "default", Subject: "later", Status: 200, Decision: event.DecisionPermit}, "")
		if time.Now().After(deadline) {
			t.Fatal("the spool is empty again, and events find no room")
		}
	}
	stop()
	err = <-ran
	if err != nil {
		t.Error(err)
	}
	s := e.Stats().Requests
	var dropped uint64
	for _, count := range s.Dropped {
		dropped += count
	}
	rows, covered, missing := account(t, addr)
	t.Logf("%d events, %v dropped; in the topic are %v, %d covered", s.Emitted, s.Dropped, rows, covered)
	if s.Emitted != s.AckedEvents+dropped || missing > 0 || covered < dropped {
		t.Errorf("%d emitted, %d stored, %d dropped, %d covered by tombstones, %d missing", s.Emitted, s.AckedEvents, dropped, covered, missing)
	}
	if rows["refused"] != n/40 {
		t.Errorf("%d refusals of %d are there, and reads were kept: %v", rows["refused"], n/40, rows)
	}
}

// account reads vigil.requests as whoever stores it does.
func account(t *testing.T, addr string) (rows map[string]int, covered, missing uint64) {
	t.Helper()
	tr := new(kafka.Transport)
	defer tr.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(addr), Transport: tr, Timeout: 20 * time.Second}
	rows = make(map[string]int)
	var at event.Positions
	for p := range 2 {
		for offset, end := int64(0), int64(1); offset < end; {
			res, err := client.Fetch(t.Context(), &kafka.FetchRequest{
				Topic: topic.Requests, Partition: p, Offset: offset, MinBytes: 1, MaxBytes: 8 << 20, MaxWait: 10 * time.Millisecond,
			})
			if err != nil || res.Error != nil {
				t.Fatalf("fetch: %v, %v", err, res)
			}
			for end = res.HighWatermark; ; {
				r, err := res.Records.ReadRecord()
				if err != nil {
					break
				}
				if r.Offset < offset {
					continue
				}
				offset = r.Offset + 1
				b, err := kafka.ReadAll(r.Value)
				if err != nil {
					t.Fatal(err)
				}
				ev := new(event.RequestEvent)
				err = event.Decode(b, ev)
				if err != nil {
					t.Fatal(err)
				}
				last := max(ev.Seq, ev.SeqEnd)
				duplicate, gap := at.Observe(event.Lane{Gateway: ev.Gateway, Epoch: ev.Epoch, Lane: ev.Lane}, ev.Seq, last)
				missing += gap
				switch {
				case duplicate:
				case ev.Kind == event.KindTombstone:
					covered += last - ev.Seq + 1
				case ev.Terminal():
					rows[ev.Subject]++
				}
			}
		}
	}
	return rows, covered, missing
}
