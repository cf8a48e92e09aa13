package sequence_test

import (
	"testing"

	"github.com/vigil-gateway/vigil/scorer/sequence"
)

func BenchmarkStep(b *testing.B) {
	prior := tenant()
	var h sequence.Habit
	var s sequence.Watch
	owner := newWalker(1)
	events := make([]sequence.Symbol, 1<<14)
	for i := range events {
		events[i] = owner.step()
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s.Step(&h, prior, events[i%len(events)])
		s.Teach(&h, sequence.Lag, nil)
		i++
	}
}
