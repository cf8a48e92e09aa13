package identity_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/identity"
)

// Whoever floods the memory of proofs with one key, or a few, closes it to himself:
// every other key goes on.
func TestAFloodOfProofsClosesItsOwnKeyOnly(t *testing.T) {
	now, from := time.Unix(clock, 0), netip.MustParseAddr("192.0.2.1")
	for _, floods := range []int{1, 3, 10} {
		t.Run(fmt.Sprint(floods, " keys that flood"), func(t *testing.T) {
			const room = 64 * 2 * 256 // 256 proofs of each shard's generation.
			seen := identity.NewReplays(time.Minute, room)
			refused := make(map[int]int)
			for i := range room {
				for f := range floods {
					if !seen(fmt.Sprint("flood", f), fmt.Sprint(i), from, now) {
						refused[f]++
					}
				}
			}
			for f := range floods {
				if refused[f] == 0 {
					t.Errorf("key %d took all that it wanted", f)
				}
			}
			for client := range 20 {
				for i := range 2 {
					if !seen(fmt.Sprint("client", client), fmt.Sprint(i), from, now) {
						t.Fatalf("proof %d of client %d is refused", i, client)
					}
				}
			}
			if seen("flood0", "more", from, now) && seen("flood0", "still more", from, now) && seen("flood0", "and more", from, now) {
				t.Error("a key that floods goes on")
			}
		})
	}
}
