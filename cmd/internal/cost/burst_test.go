package cost_test

import (
	"testing"

	"github.com/vigil-gateway/vigil/analyzer/state/cold"
	"github.com/vigil-gateway/vigil/cmd/internal/cost"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// grownByBurst bounds by how much the heap may grow once the engine is full.
const grownByBurst = 1.05

// TestABurstOfStrangersTakesNoMoreThanTheLimits offers ten times the entities that
// the engine has room for: memory is flat once it is full, and the oldest make room,
// one for each who comes.
func TestABurstOfStrangersTakesNoMoreThanTheLimits(t *testing.T) {
	const resident, strangers = 2000, 20_000
	c, err := cost.NewCrowd(model.Default(), resident)
	if err != nil {
		t.Fatal(err)
	}
	tenths := c.Burst(strangers)
	s := c.Engine.Stats()
	if s.Subjects != resident || s.Sessions != resident {
		t.Errorf("%d subjects and %d sessions are there, want %d of both", s.Subjects, s.Sessions, resident)
	}
	full := tenths[4] // By then everybody was pushed out five times: whatever has a limit is at it.
	for i, x := range tenths {
		t.Logf("%6d strangers: %6d pushed out, %.1f MB, %s", x.Strangers, x.Evicted, float64(x.Heap)/1e6, x.Latency)
		if x.Strangers > full.Strangers && float64(x.Heap) > grownByBurst*float64(full.Heap) {
			t.Errorf("%d B are in use after %d strangers, %d B after the first %d", x.Heap, x.Strangers, full.Heap, full.Strangers)
		}
		if i == 0 {
			continue
		}
		// A subject and a session for each; addresses have a limit of their own.
		if got, least := x.Evicted-tenths[i-1].Evicted, uint64(2*strangers/10); got < least {
			t.Errorf("%d entities were pushed out by %d strangers, want at least %d", got, strangers/10, least)
		}
	}
}

// TestTheOldestMakeRoom has the last who came and the last but so many come again:
// the order is that of the records.
func TestTheOldestMakeRoom(t *testing.T) {
	const resident = 500
	c, err := cost.NewCrowd(model.Default(), resident)
	if err != nil {
		t.Fatal(err)
	}
	c.Burst(resident / 2)
	before := c.Engine.Stats().Evicted
	known := c.Return(resident-10, 10, false) // They came last of the crowd.
	sessions := c.Engine.Stats().Evicted - before
	before = c.Engine.Stats().Evicted
	forgotten := c.Return(0, 10, false)
	both := c.Engine.Stats().Evicted - before
	if known.People != 10 || sessions != 10 || forgotten.People != 10 || both != 20 {
		t.Errorf("%d entities made room for ten known people, want their sessions' 10; %d for ten forgotten, want 20", sessions, both)
	}
}

// TestWhomABurstPushesOutIsMetAsIfThereHadBeenNone has a crowd come again after a burst
// that it had no room for, and one that there was room for.
func TestWhomABurstPushesOutIsMetAsIfThereHadBeenNone(t *testing.T) {
	const people, strangers, again = 500, 5000, 100
	shelf, err := cold.Open(t.TempDir(), 64<<20, "")
	if err != nil {
		t.Fatal(err)
	}
	defer shelf.Close()
	few, err := cost.NewCrowdIn(model.Default(), people, people, shelf)
	if err != nil {
		t.Fatal(err)
	}
	all, err := cost.NewCrowdIn(model.Default(), people, people+2*strangers, nil)
	if err != nil {
		t.Fatal(err)
	}
	few.Burst(strangers)
	all.Burst(strangers)
	for _, stolen := range []bool{false, true} {
		got, want := few.Return(0, again, stolen), all.Return(0, again, stolen)
		if got != want {
			t.Errorf("stolen %v: after they were pushed out %+v, else %+v", stolen, got, want)
		}
		if stolen && want.Met == 0 {
			t.Error("no stolen session is met at all")
		}
	}
	if s := few.Engine.Stats(); s.Returned < again || s.Subjects != people || shelf.Counts().Dropped > 0 {
		t.Errorf("%d have come back, %d subjects are there, %+v", s.Returned, s.Subjects, shelf.Counts())
	}
}
