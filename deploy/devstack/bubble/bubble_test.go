package bubble_test

import (
	"sync"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
)

// TestTimersThatFireTogether dies within a second under the race detector where a
// bubble has two processors.
func TestTimersThatFireTogether(t *testing.T) {
	t.Parallel()
	bubble.Test(t, func(*testing.T) {
		end := time.Now().Add(2 * time.Second)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for time.Now().Before(end) {
					looked, waited := time.NewTimer(time.Millisecond), time.NewTimer(time.Millisecond)
					<-waited.C
					select {
					case <-looked.C:
					default:
					}
					called := make(chan struct{})
					time.AfterFunc(time.Millisecond, func() { close(called) })
					<-called
				}
			})
		}
		wg.Wait()
	})
}

// TestWait: what was begun has come to rest.
func TestWait(t *testing.T) {
	t.Parallel()
	bubble.Test(t, func(t *testing.T) {
		done := false
		go func() { done = true }()
		bubble.Wait()
		if !done {
			t.Error("Wait came back before the goroutine had ended")
		}
	})
}
