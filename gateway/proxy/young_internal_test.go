package proxy

import (
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
)

// Each exchange grows up at its own time, whoever began or ended before it.
func TestYoungGrowAtTheirOwnTime(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		y := &young{after: time.Second, now: time.Now}
		begin := func() *exchange {
			x := &exchange{began: time.Now(), done: true} // Its beat does nothing.
			y.add(x)
			return x
		}
		young := func(x *exchange) bool {
			bubble.Wait()
			y.mu.Lock()
			defer y.mu.Unlock()
			return x.young
		}
		first := begin()
		time.Sleep(300 * time.Millisecond)
		second, third := begin(), begin()
		time.Sleep(200 * time.Millisecond)
		fourth := begin()
		y.remove(first)
		y.remove(third)
		y.remove(third) // As an exchange does that has become a stream.
		if young(first) || young(third) {
			t.Error("an exchange that has ended is still listed")
		}
		for _, tt := range []struct {
			wait           time.Duration
			second, fourth bool // Are young then.
		}{{799 * time.Millisecond, true, true}, {time.Millisecond, false, true}, {199 * time.Millisecond, false, true}, {time.Millisecond, false, false}} {
			time.Sleep(tt.wait)
			if young(second) != tt.second || young(fourth) != tt.fourth {
				t.Errorf("after %s more the exchanges are young: %t, %t, want %t, %t", tt.wait, young(second), young(fourth), tt.second, tt.fourth)
			}
		}
		if y.first != nil || y.last != nil || y.running {
			t.Errorf("something is left: %v, %v, %t", y.first, y.last, y.running)
		}
		last := begin() // The timer is set again.
		time.Sleep(time.Second)
		if young(last) {
			t.Error("an exchange that began when there was none stays young")
		}
	})
}
