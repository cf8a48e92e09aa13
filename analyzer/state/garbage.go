package state

import (
	"runtime/debug"
	gauges "runtime/metrics"
	"sync"
)

const (
	// grownPerByte is what a byte of a snapshot takes while it is restored: itself, and
	// what the engine makes of it, about two.
	grownPerByte = 4
	// gcPercentMax bounds the collector's target.
	gcPercentMax = 100_000
)

// growth keeps the garbage collector from going over a heap that only grows, again
// and again at twice its size, which takes two thirds of the time of a restore. The
// target is set so far that what is being restored fits, and put back with the last
// restore. A memory limit of the process holds all the same.
type growth struct {
	mu       sync.Mutex
	running  int
	expected uint64 // Bytes that the restores since the first one need.
	percent  int    // The target before.
}

// begin expects a snapshot of so many bytes to be restored until end.
func (g *growth) begin(size int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running == 0 {
		g.expected = 0
		g.percent = debug.SetGCPercent(100)
	}
	g.running++
	g.expected += grownPerByte * uint64(max(0, size))
	if g.percent < 0 {
		debug.SetGCPercent(g.percent) // Somebody has switched it off.
		return
	}
	more := min(100*g.expected/max(1, liveBytes()), gcPercentMax)
	debug.SetGCPercent(g.percent + int(more))
}

func (g *growth) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if g.running == 0 {
		debug.SetGCPercent(g.percent)
	}
}

// liveBytes is the heap that the last collection found in use.
func liveBytes() uint64 {
	sample := []gauges.Sample{{Name: "/gc/heap/live:bytes"}}
	gauges.Read(sample)
	if sample[0].Value.Kind() != gauges.KindUint64 {
		return 0
	}
	return max(sample[0].Value.Uint64(), heapLeast)
}

// heapLeast is from where on the runtime collects at all.
const heapLeast = 4 << 20
