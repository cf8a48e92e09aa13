package garbage

import (
	"context"
	"runtime/debug"
	"testing"
	"time"
)

const mib = 1 << 20

// TestTargetFollowsWhatIsMade checks that less garbage may stand the slower it is made,
// and never more than by Go's own rule.
func TestTargetFollowsWhatIsMade(t *testing.T) {
	for name, c := range map[string]struct {
		rate  float64
		inUse uint64
		want  int
	}{
		"a small heap":               {0, 10 * mib, 100},
		"a large heap that is quiet": {0, 1600 * mib, 10},
		"one that ticks":             {16 * mib, 1600 * mib, 20},
		"one that is busy":           {200 * mib, 1600 * mib, 100},
		"a middling one":             {0, 64 * mib, 50},
		"before the first":           {0, 0, 100},
	} {
		t.Run(name, func(t *testing.T) {
			got := percentOf(c.rate, c.inUse)
			if got != c.want {
				t.Errorf("%d %%, want %d", got, c.want)
			}
		})
	}
}

// TestTargetDoesNotTremble checks that small changes are left alone, and that a process
// that gets busy is back at Go's own target with the next look.
func TestTargetDoesNotTremble(t *testing.T) {
	at := newTarget(reading{allocated: 7})
	r := reading{allocated: 7, inUse: 1600 * mib}
	for i, c := range []struct {
		perSecond uint64
		changed   bool
		percent   int
	}{
		{16 * mib, true, 20},
		{17 * mib, false, 20},
		{15 * mib, false, 20},
		{24 * mib, true, 30},
		{24 * mib, false, 30},
		{79 * mib, true, 98},
		{90 * mib, true, 100},
		{500 * mib, false, 100},
		{0, true, 10},
		{500 * mib, true, 100},
		{500 * mib, false, 100},
	} {
		r.allocated += c.perSecond * uint64(lookEvery/time.Second)
		changed := at.look(r, lookEvery)
		if changed != c.changed || at.percent != c.percent {
			t.Errorf("look %d: changed %t, %d %%, want %t, %d %%", i, changed, at.percent, c.changed, c.percent)
		}
	}
}

// TestReading checks that this version of Go has the figures by these names.
func TestReading(t *testing.T) {
	before := read()
	keep = make([]byte, 3*mib)
	after := read()
	if after.allocated < before.allocated+3*mib {
		t.Errorf("%d bytes allocated, before 3 MiB more %d", after.allocated, before.allocated)
	}
	debug.FreeOSMemory() // Collects.
	if got := read().inUse; got < 3*mib {
		t.Errorf("%d bytes in use, 3 MiB are", got)
	}
	keep = nil
}

var keep []byte

// TestKeepPutsTheTargetBack checks both ends: it leaves nothing behind, and nothing is
// touched where the operator has set a target.
func TestKeepPutsTheTargetBack(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	before := debug.SetGCPercent(37)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "37")
	Keep(ctx)
	if got := debug.SetGCPercent(37); got != 37 {
		t.Errorf("the operator's target became %d %%", got)
	}
	t.Setenv("GOGC", "")
	Keep(ctx)
	if got := debug.SetGCPercent(37); got != percentMax {
		t.Errorf("%d %% are left behind", got)
	}
}
