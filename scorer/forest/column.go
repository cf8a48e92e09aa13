package forest

import (
	"math"
	"slices"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// A column is what is known of one dimension: its level and spread, the tails
// of its distribution, and how well the recent past predicts the next value.
type column struct {
	n float64 // Values learned; halves with age.

	mean, squares   float64 // Of all values: mean, and sum of squared deviations.
	center, clipped float64 // The same of values cut at three deviations (Huber).

	level, errors   float64 // Running level of the recent past, and sum of its squared errors, cut.
	stray, wrong    float64 // Mean absolute deviation from center, cut at three, and from level.
	sample          []float64
	lowest, topmost extremes
}

// newColumn takes all its memory at once.
func newColumn() column {
	return column{
		sample:  make([]float64, 0, sampleMax),
		lowest:  extremes{make([]float64, 0, extremesMax)},
		topmost: extremes{make([]float64, 0, extremesMax)},
	}
}

// view is how one value looks to a column that has not learned it.
type view struct {
	z          float64 // Deviation in spreads, signed; 0 where nothing is known.
	nats       float64 // Surprise: rare and far, nats.
	coordinate float64 // Sign and root of twice the surprise: a deviation as of a normal.
}

// look judges x, a number within ±[valueMax], without learning it.
func (c *column) look(x float64) view {
	if c.n < 2 {
		return view{}
	}
	var v view
	plain, huber := math.Sqrt(c.squares/c.n), math.Sqrt(c.clipped/c.n)
	v.z = c.deviation(x-c.center, max(math.Sqrt(plain*huber), spreadFloor*plain))
	v.nats = float64(v.z*v.z) / 2
	out := c.tail(x)
	if v.nats > 1-out { // -ln out is at least that.
		v.nats = min(v.nats, -exact.Ln(out))
	}
	if share := c.predictable(); share > 0 {
		c.follow(x, share, &v)
	}
	v.coordinate = math.Copysign(math.Sqrt(2*v.nats), v.z)
	return v
}

// follow replaces a share of the view by the error of the running level.
func (c *column) follow(x, share float64, v *view) {
	z := c.deviation(x-c.level, math.Sqrt(c.errors/c.n))
	nats := min(float64(z*z)/2, exact.Ln(c.n+1))
	keep := 1 - share
	v.z = float64(keep*v.z) + float64(share*z)
	v.nats = float64(keep*v.nats) + float64(share*nats)
}

// deviation is distance in spreads. A column that never moved makes any move
// as far as its length of silence.
func (c *column) deviation(distance, spread float64) float64 {
	if spread > still*(math.Abs(c.center)+still) {
		return max(-deviationMax, min(deviationMax, distance/spread))
	}
	if math.Abs(distance) <= still*(math.Abs(c.center)+still) {
		return 0
	}
	return math.Copysign(math.Sqrt(c.n+1), distance)
}

// guess is the surprise of x by the likelihood of Student's distribution, which
// is that of a normal variable whose mean and spread come from n values, nats.
func (c *column) guess(x float64) float64 {
	if c.n < 2 {
		return 0
	}
	z := c.deviation(x-c.mean, math.Sqrt(c.squares/c.n))
	return float64(c.n/2) * exact.Ln(1+float64(z*z)/(c.n+1))
}

// predictable is the share, in [0, 1], by which a value is judged against the
// recent level instead of all of the past: 0 where the level explains less
// than 80 % of the variance, 1 above 90 %.
func (c *column) predictable() float64 {
	if c.n < predictFrom || !(c.wrong > 0) {
		return 0
	}
	gain := c.stray / c.wrong
	return max(0, min(1, (float64(gain*gain)-5)/(10-5)))
}

// tail is the probability that a value lies as far out on its side, two-sided,
// equal values counted half: above 0 and at most 1.
func (c *column) tail(x float64) float64 {
	from, equal := span(c.sample, x)
	m := float64(len(c.sample))
	half := float64(equal/2) + 0.5
	below, above := (from+half)/(m+1), (m-from-equal+half)/(m+1)
	if r, ok := c.lowest.rank(-x); ok {
		below = (r + 0.5) / (c.n + 1)
	}
	if r, ok := c.topmost.rank(x); ok {
		above = (r + 0.5) / (c.n + 1)
	}
	return min(1, 2*min(below, above))
}

// span is how many values of a sorted list are below x, and how many equal it.
func span(sorted []float64, x float64) (below, equal float64) {
	from := place(sorted, x)
	to := from
	if from < len(sorted) && sorted[from] == x {
		to += place(sorted[from:], math.Nextafter(x, math.Inf(1)))
	}
	return float64(from), float64(to - from)
}

// place is where x belongs in a sorted list, in front of those that equal it. It
// is what slices.BinarySearch does for numbers that may be missing, at a third
// of the cost.
func place(sorted []float64, x float64) int {
	low, high := 0, len(sorted)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if sorted[middle] < x {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// learn counts x. pick says which value of a full sample it replaces, which is
// none where that lies beyond the sample.
func (c *column) learn(x float64, pick func(n float64) int) {
	c.n++
	d := x - c.mean
	c.mean += d / c.n
	c.squares += float64(d * (x - c.mean))
	c.learnClipped(x)
	c.learnLevel(x)
	c.topmost.learn(x)
	c.lowest.learn(-x)
	if len(c.sample) < sampleMax {
		c.sample = slices.Insert(c.sample, place(c.sample, x), x)
		return
	}
	if out := pick(c.n); out < sampleMax {
		c.replace(out, x)
	}
}

// replace puts x in the place of a value of the sample, and moves those between.
func (c *column) replace(out int, x float64) {
	at := place(c.sample, x)
	if out < at {
		at--
		copy(c.sample[out:at], c.sample[out+1:at+1])
	} else {
		copy(c.sample[at+1:out+1], c.sample[at:out])
	}
	c.sample[at] = x
}

func (c *column) learnClipped(x float64) {
	d := x - c.center
	if c.n > clipFrom && c.clipped > 0 {
		reach := 3 * math.Sqrt(c.clipped/c.n)
		d = max(-reach, min(reach, d))
	}
	c.center += d / c.n
	c.clipped += float64(float64(d*d) * (c.n - 1) / c.n)
}

func (c *column) learnLevel(x float64) {
	if c.n <= 1 {
		c.level = x
		return
	}
	d := x - c.level
	stray := math.Abs(x - c.center)
	if c.n > clipFrom && c.clipped > 0 {
		stray = min(stray, 3*math.Sqrt(c.clipped/c.n))
	}
	c.wrong += (math.Abs(d) - c.wrong) / c.n
	c.stray += (stray - c.stray) / c.n
	if c.n > clipFrom && c.errors > 0 {
		reach := 3 * math.Sqrt(c.errors/c.n)
		d = max(-reach, min(reach, d))
	}
	c.errors += float64(d * d)
}

// move takes the running level towards x, whether it is learned or not: a level
// that stood still behind the gate would make all that follows strange. No
// value moves it by more than a third of its usual error.
func (c *column) move(x float64) {
	if c.n < 1 {
		return
	}
	d := x - c.level
	if c.n > clipFrom && c.errors > 0 {
		reach := 3 * math.Sqrt(c.errors/c.n)
		d = max(-reach, min(reach, d))
	}
	c.level += float64(levelStep * d)
}

// halve gives everything so far half its weight.
func (c *column) halve() {
	c.n /= 2
	c.squares /= 2
	c.clipped /= 2
	c.errors /= 2
	c.lowest.halve()
	c.topmost.halve()
}

// code writes or reads the state.
func (c *column) code(s *snapshot.Codec) {
	for _, f := range []*float64{
		&c.n, &c.mean, &c.squares, &c.center, &c.clipped, &c.level, &c.errors, &c.stray, &c.wrong,
	} {
		s.F64(f)
	}
	snapshot.List(s, &c.sample, s.F64)
	snapshot.List(s, &c.lowest.values, s.F64)
	snapshot.List(s, &c.topmost.values, s.F64)
}

// extremes are the greatest values ever learned, greatest first: they give the
// far tail a resolution that a sample has not.
type extremes struct{ values []float64 }

// rank is how many values are greater than x, those equal counted half; false
// where x is not among the greatest.
func (e *extremes) rank(x float64) (float64, bool) {
	if len(e.values) < extremesMax || !(x > e.values[len(e.values)-1]) {
		return 0, false
	}
	greater, equal := 0.0, 0.0
	for _, v := range e.values {
		if v < x {
			break
		}
		if v == x {
			equal++
			continue
		}
		greater++
	}
	return greater + float64(equal/2), true
}

func (e *extremes) learn(x float64) {
	if len(e.values) == extremesMax {
		if x <= e.values[extremesMax-1] {
			return
		}
		e.values = e.values[:extremesMax-1]
	}
	at, _ := slices.BinarySearchFunc(e.values, x, func(v, t float64) int {
		if v >= t {
			return -1
		}
		return 1
	})
	e.values = slices.Insert(e.values, at, x)
}

// halve keeps every second value, so that a rank halves as the count does.
func (e *extremes) halve() {
	kept := e.values[:0]
	for i := 1; i < len(e.values); i += 2 {
		kept = append(kept, e.values[i])
	}
	e.values = kept
}
