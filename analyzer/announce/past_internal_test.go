package announce

import (
	"slices"
	"testing"
)

// The forebears of a partition are where its keys were, for every number of partitions
// that was raised to a multiple, and no others.
func TestForebearsAreWhereKeysWere(t *testing.T) {
	for n := 1; n <= 48; n++ {
		want := make([]map[int]bool, n)
		for hash := range 4 * n {
			now := hash % n
			if want[now] == nil {
				want[now] = make(map[int]bool)
			}
			for before := 1; before < n; before++ {
				if n%before == 0 && hash%before != now {
					want[now][hash%before] = true
				}
			}
		}
		for partition := range n {
			got := forebears(partition, n)
			for _, of := range got {
				if !want[partition][of] {
					t.Errorf("partition %d of %d: %d is no forebear", partition, n, of)
				}
			}
			if len(got) != len(want[partition]) || !slices.IsSorted(got) {
				t.Errorf("partition %d of %d: forebears %v, want %v", partition, n, got, want[partition])
			}
		}
	}
}
