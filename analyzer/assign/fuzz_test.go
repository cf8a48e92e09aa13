package assign_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/analyzer/assign"
)

// Whatever a member announces, reading it ends, and what is read is written the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{2, 1, 1, 1})
	f.Add(assign.Encode([]assign.Claim{{Partition: 3, Epoch: 7, Live: true}, {Partition: 1 << 20, Epoch: 1 << 60}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		claims, err := assign.Decode(b)
		if err != nil {
			return
		}
		again, err := assign.Decode(assign.Encode(claims))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(claims, again); diff != "" {
			t.Error(diff)
		}
		assign.Divide([]assign.Member{{ID: "a", Claims: claims}, {ID: "b"}}, []int{0, 1, 2})
	})
}
