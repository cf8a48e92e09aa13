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
	// is, and lineLeast the least: a few documents are nobody's theft.
	lineFactor = 2
	lineLeast  = 4 << 20
	// Before a tenant's own hours are known, one in lineOdds is over a line.
	lineOdds = 5000
)

// HourLine is the bytes in an hour that a subject with this habit of hours
// hardly ever comes to: twice the power of two below which 99 of 100 of his hours
// stay. It reports false where too few of them are known.
func HourLine(hours *profile.Numeric) (bytes float64, known bool) {
	if hours.Total() < lineHours {
		return 0, false
	}
	return max(lineLeast, lineFactor*hours.Quantile(0.99)), true
}

// Lines counts, of the hours of subjects who have a line, those that went over
// it. The zero value has seen none.
type Lines struct{ Hours, Over float64 }

// Share is the share of hours over the line, in (0, 1).
func (l *Lines) Share() float64 { return (l.Over + 1) / (l.Hours + lineOdds) }

// learn counts the hours that a session teaches.
func (l *Lines) learn(own *profile.Numeric, samples Samples, weight float64) {
	line, known := HourLine(own)
	if !known {
		return
	}
	for _, b := range samples {
		if b.Measure != HourBytes {
			continue
		}
		n := float64(weight * float64(b.N))
		l.Hours += n
		// The middle of the bucket, for that is all a sample knows.
		if math.Ldexp(0.75, int(b.Bucket)) > line {
			l.Over += n
		}
	}
}

// decay multiplies every count by f, in (0, 1].
func (l *Lines) decay(f float64) {
	l.Hours *= f
	l.Over *= f
}

func (l *Lines) code(k *snapshot.Codec) {
	k.F64(&l.Hours)
	k.F64(&l.Over)
	l.Hours = max(0, l.Hours)
	l.Over = min(l.Hours, max(0, l.Over))
}
