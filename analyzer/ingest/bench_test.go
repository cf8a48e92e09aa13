package ingest_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// The scoring path from Kafka to acknowledged assessments, one partition, with
// the transparent engine: what the runtime itself costs per event.
func BenchmarkScoringPath(b *testing.B) {
	r := newRig(b)
	fill(b, r, b.N)
	b.ReportAllocs()
	b.ResetTimer()
	a := r.start("")
	untilScored(b, a, int64(b.N))
}

// The same with the real engine.
func BenchmarkScoringPathRealEngine(b *testing.B) {
	r := newRig(b)
	fill(b, r, b.N)
	b.ReportAllocs()
	b.ResetTimer()
	a := r.start("", func(o *ingest.Options) { o.NewEngine = realEngine })
	untilScored(b, a, int64(b.N))
}

// From the acknowledged event to the acknowledged verdict, seen by a reader of
// vigil.verdicts, beside a bare hop through the same broker.
func BenchmarkEventToVerdict(b *testing.B) {
	r := newRig(b)
	a := r.start("")
	for len(a.Status()) < partitions {
		time.Sleep(time.Millisecond)
	}
	conn, err := kafka.DialLeader(b.Context(), "tcp", r.addr, topic.Verdicts, 1)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, err = conn.Seek(0, kafka.SeekEnd)
	if err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	b.ResetTimer()
	for i := range b.N {
		ev := request(i, "alice", "/steal")
		ev.Session, ev.Attributes = ev.Id, map[string]string{"hard": "yes"} // Facts pass the fuse.
		begin := time.Now()
		r.send(1, ev)
		for waiting := true; waiting; {
			batch := conn.ReadBatchWith(kafka.ReadBatchConfig{MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
			for {
				m, err := batch.ReadMessage()
				if err != nil {
					break
				}
				msg, err := r.keys.Open(m.Value)
				if err == nil && msg.Verdict != nil {
					waiting = false
				}
			}
			err = batch.Close()
			if err != nil {
				b.Fatal(err)
			}
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

func fill(b *testing.B, r *rig, n int) {
	b.Helper()
	events := traffic(rand.New(rand.NewPCG(1, 1)), n, 5)
	for chunk := range slices.Chunk(events, 1000) {
		records := make([]kafka.Record, len(chunk))
		for i, ev := range chunk {
			v, err := event.Append(nil, ev)
			if err != nil {
				b.Fatal(err)
			}
			records[i] = kafka.Record{Value: kafka.NewBytes(v), Key: kafka.NewBytes([]byte("k")), Headers: []kafka.Header{
				{Key: "ce_id", Value: []byte(ev.Id)},
				{Key: "ce_time", Value: []byte("2026-01-01T00:00:00Z")},
				{Key: "content-type", Value: []byte("application/protobuf")},
			}}
		}
		r.sendRaw(1, records...)
	}
}

func untilScored(b *testing.B, a *running, n int64) {
	b.Helper()
	for {
		for _, s := range a.Status() {
			if s.Partition == 1 && s.Next >= n {
				return
			}
		}
		time.Sleep(time.Millisecond)
	}
}
