package entity

import (
	"math"

	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

const (
	// lineHours is from how many hours of his own on a subject has a line. The
	// largest of so few is no percentile, but the tenant's share tells how often
	// the next is over such a line.
	lineHours = 20
	// lineFactor is how many times the bytes of his largest ordinary hour the line
	// is, and lineLeast the least of the lowest: a picture is nobody's theft.
	lineFactor = 2
	lineLeast  = 256 << 10
	// LineLevels is how many lines a subject has, the least of each twice that of
	// the one below: the highest, 4 MiB, is a few documents.
	LineLevels = 5
	// Before a tenant's own hours are known, one in lineOdds is over the highest
	// line, and twice as many over the next below.
	lineOdds = 5000
)

// HourLine is the bytes in an hour that a subject with this habit of hours
// hardly ever comes to: twice the power of two below which 99 of 100 of his hours
// stay, and at least [LineLeast]. It reports false where too few of them are known.
// level is in [0, LineLevels).
func HourLine(hours *profile.Numeric, level int) (bytes float64, known bool) {
	if hours.Total() < lineHours {
		return 0, false
	}
	return max(LineLeast(level), lineFactor*hours.Quantile(0.99)), true
}

// LineLeast is the least that the line of a level comes to: 256 KiB, twice as much
// with each level.
func LineLeast(level int) float64 { return math.Ldexp(lineLeast, level) }

// Lines counts, of the hours of subjects who have lines, those that went over
// each. The zero value has seen none.
type Lines struct {
	Hours float64
	Over  [LineLevels]float64
}

// Share is the share of hours over the line of a level, in (0, 1): by it a
// tenant tells how small the sums are of which more than usual is no accident.
func (l *Lines) Share(level int) float64 {
	return (l.Over[level] + 1) / (l.Hours + math.Ldexp(lineOdds, level+1-LineLevels))
}

// learn counts the hours that a session teaches.
func (l *Lines) learn(own *profile.Numeric, samples Samples, weight float64) {
	_, known := HourLine(own, 0)
	if !known {
		return
	}
	for _, b := range samples {
		if b.Measure != HourBytes {
			continue
		}
		n := float64(weight * float64(b.N))
		l.Hours += n
		for level := range l.Over {
			line, _ := HourLine(own, level)
			// The middle of the bucket, for that is all a sample knows.
			if math.Ldexp(0.75, int(b.Bucket)) > line {
				l.Over[level] += n
			}
		}
	}
}

// decay multiplies every count by f, in (0, 1].
func (l *Lines) decay(f float64) {
	l.Hours *= f
	for i := range l.Over {
		l.Over[i] *= f
	}
}

func (l *Lines) code(k *snapshot.Codec) {
	k.F64(&l.Hours)
	l.Hours = max(0, l.Hours)
	for i := range l.Over {
		k.F64(&l.Over[i])
		l.Over[i] = min(l.Hours, max(0, l.Over[i]))
	}
}
