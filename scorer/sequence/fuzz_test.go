package sequence_test

import (
	"math"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/sequence"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// FuzzCode reads any bytes as state: whatever comes of it still works.
func FuzzCode(f *testing.F) {
	out := snapshot.Writer()
	var h sequence.Habit
	var s sequence.Watch
	live(&h, &s, tenant(), newWalker(1), 500)
	h.Code(out)
	s.Code(out)
	f.Add(out.Bytes())
	f.Add([]byte{})
	prior := tenant()
	f.Fuzz(func(t *testing.T, payload []byte) {
		in := snapshot.Reader(payload)
		var h sequence.Habit
		var s sequence.Watch
		h.Code(in)
		s.Code(in)
		for i := range 200 {
			step := s.Step(&h, prior, sequence.Symbol(1+i%7))
			s.Teach(&h, sequence.Lag, nil)
			if math.IsNaN(step.Level) || math.IsNaN(step.Nats) || step.Level < 0 {
				t.Fatalf("%+v", step)
			}
		}
	})
}
