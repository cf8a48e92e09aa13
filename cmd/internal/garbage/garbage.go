package garbage

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// lookEvery is how often the target is thought over.
	lookEvery = 5 * time.Second
	// between is the time that the garbage of one collection may take to come together.
	between = 20 * time.Second
	// roomMin is how many bytes of garbage may always stand: a small heap is collected
	// as Go does by itself, and a burst such as a cut of 1,000 streams mostly meets no
	// collection.
	roomMin = 32 << 20
	// percentMin and percentMax bound the target; the second is Go's own.
	percentMin, percentMax = 10, 100
	// stepMin is the least change that is worth stopping the world for, as a part of
	// the target: one in stepMin.
	stepMin = 5
)

// Keep adapts the collector's target until ctx ends, and then puts it back. It returns
// at once where GOGC is set. Call it once in a process.
func Keep(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	defer debug.SetGCPercent(percentMax)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	t := newTarget(read())
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if t.look(read(), lookEvery) {
			debug.SetGCPercent(t.percent)
		}
	}
}

// reading is what the runtime says of its memory.
type reading struct {
	allocated uint64 // Bytes, since the process began.
	inUse     uint64 // Bytes that the last collection found in use, and had to look through.
}

// read reads the runtime's figures. Those that this version of Go does not have are 0:
// then nothing changes.
func read() reading {
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}
	metrics.Read(s)
	var v [4]uint64
	for i := range s {
		if s[i].Value.Kind() == metrics.KindUint64 {
			v[i] = s[i].Value.Uint64()
		}
	}
	return reading{allocated: v[0], inUse: v[1] + v[2] + v[3]}
}

// target is the collector's.
type target struct {
	percent   int
	allocated uint64 // At the last look.
}

func newTarget(r reading) target { return target{percent: percentMax, allocated: r.allocated} }

// look thinks the target over, since the last look before, and reports whether it has
// changed.
func (t *target) look(r reading, since time.Duration) bool {
	grown := r.allocated - t.allocated
	t.allocated = r.allocated
	want := percentOf(float64(grown)/since.Seconds(), r.inUse)
	if want == t.percent || want != percentMax && abs(want-t.percent)*stepMin < t.percent {
		return false
	}
	t.percent = want
	return true
}

// percentOf is the target at which a collection comes about every so often, for a
// process that allocates rate bytes a second.
func percentOf(rate float64, inUse uint64) int {
	if inUse == 0 {
		return percentMax // Nothing has been collected yet.
	}
	room := max(rate*between.Seconds(), roomMin)
	return int(min(max(100*room/float64(inUse), percentMin), percentMax))
}

func abs(n int) int { return max(n, -n) }
