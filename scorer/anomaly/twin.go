package anomaly

import (
	"github.com/zeebo/xxh3"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/calibrate"
	"github.com/vigil-gateway/vigil/scorer/epoch"
	"github.com/vigil-gateway/vigil/scorer/forest"
)

// twin is what scores a row: the frozen one of an epoch, and before there is one
// the live one.
type twin struct {
	forest *forest.Detector
	// normal are the scores of clean requests.
	normal *calibrate.Conformal
	known  int // How many it was given.
	// bounds are what few requests exceed, in microseconds and bytes.
	bounds [gated]float64
}

// gated is how many of the dimensions, the first ones, let a request be looked
// at whether or not it was drawn.
const gated = 3

// gateShare is the share of the learned rows that stays within a bound.
const gateShare = 0.99

func newTwin(seed uint64) *twin {
	f, err := forest.New(forest.Options{Columns: Columns, Seed: seed, Members: members})
	if err != nil {
		panic("anomaly: " + err.Error()) // The options are constants.
	}
	return &twin{forest: f, normal: calibrate.NewConformal(seed)}
}

// freeze builds the twin of a detector of an epoch, nil where that has none of ours.
// The first half of its rows teach; each of the others is scored by those before it,
// which says what is normal, and then teaches, too.
func freeze(e *epoch.Epoch, name string) *twin {
	d := e.Detector(name)
	if d == nil || d.Rows.Columns() != Columns {
		return nil
	}
	t := newTwin(xxh3.HashStringSeed(e.Tenant+"\x00model.anomaly\x00"+name, e.Origin))
	var row [Columns]float64
	for i := range d.Rows.Len() {
		d.Rows.Row(i, row[:])
		score, err := t.forest.Next(row[:])
		if err != nil {
			panic("anomaly: " + err.Error()) // Every row has its columns.
		}
		if i >= d.Rows.Len()/2 {
			t.learned(int64(i), score)
		}
	}
	t.bound()
	return t
}

// learned counts a score among those of clean requests.
func (t *twin) learned(at int64, score float64) {
	t.normal.Offer(0, at, score)
	t.normal.Release(at)
	t.known++
}

// mature reports whether enough rows were learned to score another.
func (t *twin) mature() bool { return t.forest.Counts().Learned >= learnedLeast }

// speaks reports whether it says anything.
func (t *twin) speaks() bool { return t.mature() && t.known >= normalLeast }

// bound takes the bounds from what the detector has learned.
func (t *twin) bound() {
	for i := range t.bounds {
		t.bounds[i] = linear(t.forest.Quantile(i, gateShare))
	}
}

// large reports whether an event exceeds a bound of a twin that knows some.
func (t *twin) large(ev *event.RequestEvent) bool {
	return t.known >= normalLeast &&
		(float64(ev.GetDurationUs()) > t.bounds[0] || float64(ev.GetBytesIn()) > t.bounds[1] || float64(ev.GetBytesOut()) > t.bounds[2])
}
