//go:build race

package bubble

import (
	"runtime"
	"sync"
)

// bubbles is held by the one that has the processor.
var bubbles sync.Mutex //nolint:gochecknoglobals // The number of processors is the process's.

// oneAtATime gives what follows one processor until its end.
func oneAtATime() (end func()) {
	bubbles.Lock()
	before := runtime.GOMAXPROCS(1)
	return func() {
		runtime.GOMAXPROCS(before)
		bubbles.Unlock()
	}
}
