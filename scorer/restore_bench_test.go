package scorer_test

import (
	"bytes"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
)

// benchSubjects is how many subjects, with a session each, the benchmarks of
// snapshots hold.
const benchSubjects = 10_000

// crowded is an engine that knows subjects with a dozen requests each.
func crowded(b *testing.B) *scorer.Engine {
	b.Helper()
	e := newEngine(b, true)
	var offset int64
	ev := &event.RequestEvent{Time: new(timestamppb.Timestamp)}
	for n := range 12 {
		for i := range benchSubjects {
			lifeOf(ev, i, n/6, n)
			*ev.Time = timestamppb.Timestamp{Seconds: start.Add(time.Duration(n) * time.Hour).Unix()}
			offset++
			e.Assess(scorer.Record{Event: ev, Topic: "t", Offset: offset})
		}
	}
	return e
}

// What it costs to bring an engine back, per entity.
func BenchmarkRestore(b *testing.B) {
	var state bytes.Buffer
	err := crowded(b).Snapshot(&state)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		err := newEngine(b, true).Restore(bytes.NewBuffer(state.Bytes()), nil)
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(2*benchSubjects), "ns/entity")
	b.ReportMetric(float64(state.Len())/(2*benchSubjects), "B/entity")
}

// What it costs to write an engine down, per entity: nothing is scored meanwhile.
func BenchmarkSnapshot(b *testing.B) {
	e := crowded(b)
	var state bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		state.Reset()
		err := e.Snapshot(&state)
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(2*benchSubjects), "ns/entity")
}
