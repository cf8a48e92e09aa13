package assign_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/analyzer/assign"
)

// Whatever a member announces, reading it ends, and what is read is written the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{3, 1, 1, 1})
	claims := []assign.Claim{{Partition: 3, Epoch: 7, Live: true}, {Partition: 1 << 20, Epoch: 1 << 60}}
	f.Add(assign.EncodeClaims(claims))
	f.Add(assign.Encode(assign.Member{Standby: 2, Since: 1 << 40, Claims: claims}))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := assign.Decode(b)
		if err != nil {
			return
		}
		again, err := assign.Decode(assign.Encode(m))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Error(diff)
		}
		m.ID = "a"
		assign.Divide([]assign.Member{m, {ID: "b"}}, []int{0, 1, 2})
	})
}
