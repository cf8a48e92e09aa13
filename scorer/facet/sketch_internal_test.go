package facet

import (
	"fmt"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/evidence"
)

// TestSketchCountsDistinctNames adds names, each of them twice.
func TestSketchCountsDistinctNames(t *testing.T) {
	for _, n := range []int{0, 1, 63, 64, 100, 1000, 100000} {
		var s []uint64
		for range 2 {
			for i := range n {
				note(&s, evidence.Hash(fmt.Sprint("name", i)))
			}
		}
		got := distinct(s)
		if got < 0.6*float64(n) || got > 1.4*float64(n) {
			t.Errorf("%d names count as %.1f", n, got)
		}
	}
}
