package epoch_test

import (
	"bytes"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/epoch"
)

// FuzzDecode reads anything: what is read is written alike, and its evidence is
// finite.
func FuzzDecode(f *testing.F) {
	s := summary(0, 1, 300)
	f.Add(s.Encode())
	f.Add(epoch.Build(nil, s).Encode())
	var k epoch.Knowledge
	l := k.Learner("t", "human/normal", 1)
	for i := range epoch.RowsMin {
		k.Learn(l, []float64{float64(i % 9)}, true)
	}
	f.Add(epoch.Build(nil, k.Summary("t", 0, 1)).Encode())
	f.Add([]byte("VIGILEP\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = epoch.DecodeSummary(b)
		e, err := epoch.Decode(b)
		if err != nil {
			return
		}
		again, err := epoch.Decode(e.Encode())
		if err != nil || !bytes.Equal(e.Encode(), again.Encode()) {
			t.Fatalf("what was read is not written alike: %v", err)
		}
		for _, c := range e.Curves {
			n := c.Nats(1)
			if !(n >= -1e4 && n <= 1e4) {
				t.Fatalf("%g nats", n)
			}
		}
	})
}
