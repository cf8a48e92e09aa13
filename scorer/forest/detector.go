package forest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/vigil-gateway/vigil/scorer/calibrate"
)

// ErrWidth is a row whose number of columns is not the detector's.
var ErrWidth = errors.New("row has another number of columns")

// A Member is one model of the ensemble.
type Member uint

// Members, each of which gives a row a raw score.
const (
	Peak     Member = 1 << iota // Surprise of the strangest column.
	Near                        // Distance to the nearest remembered rows, in surprise.
	Far                         // Distance to a wider neighbourhood of them, in deviations.
	Relation                    // Distance from what the columns have in common.
	Echo                        // Strange rows that repeat, and floods.

	voicesMax = 4
	// Every is the whole ensemble.
	Every = Peak | Near | Far | Relation | Echo
)

// Options are what a [Detector] depends on.
type Options struct {
	// Columns is the width of a row, 1 to [ColumnsMax].
	Columns int
	// Seed drives the samples. Rows and seed decide every score.
	Seed uint64
	// Members are the models that take part; none means [Every].
	Members Member
}

// A Detector scores rows of numbers and learns from them.
type Detector struct {
	members Member
	rng     *rand.PCG

	columns []column
	memory  memory
	gate    gate
	echo    echo
	repeats repeats
	rankers [voicesMax]calibrate.Ranker
	counts  Counts
	age     float64

	views                         []view
	near, far, scratch, row, part []float64
	raw, nats                     [voicesMax]float64
}

// Counts say what a detector met.
type Counts struct {
	Rows     uint64 // All rows.
	Learned  uint64 // Rows that taught.
	Missing  uint64 // Values that were not a number.
	Infinite uint64 // Values beyond every number.
}

// New returns a detector that knows nothing. The error names the option at fault.
func New(o Options) (*Detector, error) {
	if o.Columns < 1 || o.Columns > ColumnsMax {
		return nil, fmt.Errorf("columns: must be in [1, %d], is %d", ColumnsMax, o.Columns)
	}
	if o.Members == 0 {
		o.Members = Every
	}
	if o.Members&^Every != 0 || o.Members&^Echo == 0 {
		return nil, fmt.Errorf("members: %b names none that ranks rows, or one that does not exist", o.Members)
	}
	n := o.Columns
	d := &Detector{
		members: o.Members,
		rng:     rand.NewPCG(o.Seed, uint64(n)),
		columns: make([]column, n),
		memory:  newMemory(n),
		gate:    newGate(),
		echo:    newEcho(n),
		repeats: newRepeats(n),
		views:   make([]view, n),
		near:    make([]float64, n), far: make([]float64, n), scratch: make([]float64, n), row: make([]float64, n), part: make([]float64, n),
	}
	for j := range d.columns {
		d.columns[j] = newColumn()
	}
	return d, nil
}

// Counts returns what was met so far.
func (d *Detector) Counts() Counts { return d.counts }

// Next scores a row and then learns from it, if the gate lets it. The score is
// at least 0, bigger is stranger, in nats: the members' surprises merged, and
// raised where strange rows repeat; for the first two dozen rows, which no past
// ranks, the mean surprise of the columns. A value that is not a number says nothing
// and teaches nothing; an infinite one is as strange as can be and teaches
// nothing either. The error wraps [ErrWidth].
func (d *Detector) Next(row []float64) (float64, error) {
	if len(row) != len(d.columns) {
		return 0, fmt.Errorf("%d, want %d: %w", len(row), len(d.columns), ErrWidth)
	}
	d.look(row)
	d.judge()
	surprise := d.fuse()
	score := surprise
	if !d.ranked() {
		score = d.guess() // It teaches nothing: the gate and the memory take the constant.
	}
	now := float64(d.counts.Rows)
	alike := 0.0
	excess := d.repeats.excess(d.far, d.memory.far)
	d.repeats.keep(d.far)
	if d.gate.strange(surprise) || excess > 0 {
		alike = d.echo.hear(now, d.near)
		d.echo.keep(now, d.near)
	}
	if d.members&Echo != 0 {
		score += gain(alike)
	}
	d.counts.Rows++
	if d.gate.admit(surprise, alike) && d.repeats.admit(excess) {
		d.learn(surprise)
	}
	for j, x := range d.row {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			d.columns[j].move(x)
		}
	}
	return score, nil
}

// look fills views and coordinates.
func (d *Detector) look(row []float64) {
	for j, x := range row {
		d.row[j] = x
		switch {
		case math.IsNaN(x):
			d.counts.Missing++
			d.views[j] = view{}
		case math.IsInf(x, 0):
			d.counts.Infinite++
			d.views[j] = d.columns[j].look(math.Copysign(valueMax, x))
		default:
			d.row[j] = max(-valueMax, min(valueMax, x))
			d.views[j] = d.columns[j].look(d.row[j])
		}
		d.near[j], d.far[j] = d.views[j].coordinate, d.views[j].z
	}
}

// judge lets each member score what look has seen.
func (d *Detector) judge() {
	peak := 0.0
	for _, v := range d.views {
		peak = max(peak, v.nats)
	}
	d.raw = [voicesMax]float64{peak}
	if d.members&Near != 0 {
		d.raw[1] = d.memory.distance(d.memory.near, d.near, neighboursNear)
	}
	if d.members&Far != 0 {
		d.raw[2] = d.memory.distance(d.memory.far, d.far, neighboursFar)
	}
	if d.members&Relation != 0 {
		d.raw[3] = d.memory.relation(d.near, d.scratch)
	}
}

// fuse merges the members' surprises.
func (d *Detector) fuse() float64 {
	var voices [voicesMax]float64
	n := 0
	for i := range d.rankers {
		if d.members&(1<<i) != 0 {
			d.nats[i] = d.rankers[i].Surprise(d.raw[i])
			voices[n] = d.nats[i]
			n++
		}
	}
	return calibrate.Merge(voices[:n])
}

// ranked reports whether the members have a past to rank by. All of them learn
// the same rows, so one answers for all.
func (d *Detector) ranked() bool {
	for i := range d.rankers {
		if d.members&(1<<i) != 0 {
			return d.rankers[i].Warm()
		}
	}
	return false
}

// guess is the surprise of one of the first rows: the mean of what its columns
// say, as of normal distributions of which only those few values are known.
func (d *Detector) guess() float64 {
	if d.counts.Learned < 2 {
		return calibrate.RankerCold
	}
	sum := 0.0
	for j := range d.columns {
		if !math.IsNaN(d.row[j]) {
			sum += d.columns[j].guess(max(-valueMax, min(valueMax, d.row[j])))
		}
	}
	return sum / float64(len(d.columns))
}

func (d *Detector) learn(surprise float64) {
	d.counts.Learned++
	if d.counts.Learned > rankFrom {
		for i := range d.rankers {
			if d.members&(1<<i) != 0 {
				d.rankers[i].Learn(d.raw[i])
			}
		}
	}
	for j, x := range d.row {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			d.columns[j].learn(x, d.pick)
		}
	}
	d.memory.offer(surprise, d.near, d.far, d.pick)
	d.age++
	if d.age >= ageRows {
		d.age /= 2
		d.halve()
	}
}

func (d *Detector) halve() {
	for j := range d.columns {
		d.columns[j].halve()
	}
	for i := range d.rankers {
		d.rankers[i].Halve()
	}
	d.memory.halve()
}

// pick draws a whole number below n.
func (d *Detector) pick(n float64) int {
	return int(d.rng.Uint64() % uint64(max(1, n)))
}
