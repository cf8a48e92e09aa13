package emit_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// BenchmarkEmit is what a request pays: numbering, encoding and queueing, and
// the same once the queue is full.
func BenchmarkEmit(b *testing.B) {
	for name, records := range map[string]int64{"room": 10_000_000, "full": 1} {
		b.Run(name, func(b *testing.B) {
			o := options("127.0.0.1:1")
			o.Config.QueueRecordsMax, o.Config.QueueBytesMax = records, 8<<30
			e, err := emit.New(o) // Without Run: nothing is sent.
			if err != nil {
				b.Fatal(err)
			}
			events := make([]*event.RequestEvent, b.N)
			for i := range events {
				events[i] = request("alice")
			}
			b.ReportAllocs()
			b.ResetTimer()
			for _, ev := range events {
				e.Emit(ev, traceparent)
			}
		})
	}
}

// BenchmarkSpool is what the spool adds to that: keep is the record, and intent
// the note of the request under way before it as well. The disk is synced every
// 5 ms beside it, as in service; Kafka is away. cpu-ns/op is the whole process's
// time on a processor, the syncs among it, which other work on the machine moves
// less than the time that passes.
func BenchmarkSpool(b *testing.B) {
	run := func(name string, kept, noted bool) {
		b.Run(name, func(b *testing.B) {
			o := options("127.0.0.1:1")
			o.Config.QueueRecordsMax, o.Config.QueueBytesMax = 10_000_000, 8<<30
			o.Config.Drain, o.Config.Tick = 0, time.Minute
			if kept {
				o.Config.Spool.Dir, o.Config.Spool.BytesMax = b.TempDir(), 8<<30
			}
			e, err := emit.New(o)
			if err != nil {
				b.Fatal(err)
			}
			ctx, stop := context.WithCancel(b.Context())
			done := make(chan error, 1)
			go func() { done <- e.Run(ctx) }()
			events := make([]*event.RequestEvent, b.N)
			for i := range events {
				events[i] = request("alice")
			}
			b.ReportAllocs()
			b.ResetTimer()
			before := processor(b)
			for _, ev := range events {
				var in emit.Intent
				if noted {
					in = e.Intend(ev, emit.Batched)
				}
				e.Conclude(in, ev, traceparent)
			}
			b.StopTimer()
			b.ReportMetric(float64((processor(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
			stop()
			err = <-done
			if err != nil {
				b.Fatal(err)
			}
		})
	}
	run("memory", false, false)
	run("keep", true, false)
	run("keep and intent", true, true)
}

// processor is how long the process has been on a processor.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
