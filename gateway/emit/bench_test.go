package emit_test

import (
	"testing"

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
