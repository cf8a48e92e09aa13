package forest_test

import (
	"bytes"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/forest"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// FuzzRestore reads any payload under a right checksum: it is refused, or gives
// a detector that works.
func FuzzRestore(f *testing.F) {
	d := detector(f, 2)
	normal(f, d, seeded(1), 40, 2)
	var b bytes.Buffer
	err := d.Snapshot(&b)
	if err != nil {
		f.Fatal(err)
	}
	payload, err := snapshot.Open(&b)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte{1, 4, 127})
	f.Fuzz(func(t *testing.T, payload []byte) {
		d, err := forest.Restore(bytes.NewReader(sealed(t, payload)))
		if err != nil {
			return
		}
		_, _ = d.Next([]float64{1, 2})
		_, _ = d.Next([]float64{3})
	})
}
