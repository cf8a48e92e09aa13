package entity_test

import (
	"testing"

	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

func TestHourLine(t *testing.T) {
	const mib = 1 << 20
	tests := map[string]struct {
		hours map[uint64]float64 // Bytes to how often.
		level int
		line  float64 // 0 for none.
	}{
		"nobody has a line at first":                        {},
		"a few hours are no line":                           {hours: map[uint64]float64{10 * mib: 19}},
		"twice the power of two above":                      {hours: map[uint64]float64{10 * mib: 25}, line: 32 * mib},
		"the lowest line of small hours is a picture":       {hours: map[uint64]float64{1000: 40}, line: mib / 4},
		"the next is twice that":                            {hours: map[uint64]float64{1000: 40}, level: 1, line: mib / 2},
		"the highest line of small hours is some documents": {hours: map[uint64]float64{1000: 40}, level: 4, line: 4 * mib},
		"one large hour of few counts":                      {hours: map[uint64]float64{1000: 40, 10 * mib: 1}, level: 4, line: 32 * mib},
		"one large hour of two hundred is not ordinary":     {hours: map[uint64]float64{1000: 200, 10 * mib: 1}, level: 4, line: 4 * mib},
		"what is large in one hour of fifty is an ordinary": {hours: map[uint64]float64{1000: 196, 10 * mib: 4}, line: 32 * mib},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var h profile.Numeric
			for bytes, n := range tt.hours {
				h.Add(profile.Bucket(float64(bytes)), n)
			}
			line, known := entity.HourLine(&h, tt.level)
			if line != tt.line || known != (tt.line > 0) {
				t.Errorf("HourLine = %g, %v, want %g", line, known, tt.line)
			}
		})
	}
}

// TestSharesOfLines counts hours over lines, from what a tenant is taken for at
// first.
func TestSharesOfLines(t *testing.T) {
	const highest = entity.LineLevels - 1
	for _, tt := range []struct {
		lines       entity.Lines
		level       int
		least, most float64
	}{
		{entity.Lines{}, highest, 1.0 / 5000, 1.0 / 5000},
		{entity.Lines{}, highest - 1, 1.0 / 2500, 1.0 / 2500},
		{entity.Lines{}, 0, 1.0 / 313, 1.0 / 312},
		{entity.Lines{Hours: 5000}, highest, 1.0 / 10000, 1.0 / 10000},
		{entity.Lines{Hours: 95_000, Over: [entity.LineLevels]float64{highest: 999}}, highest, 1.0 / 100, 1.0 / 100},
		{entity.Lines{Hours: 95_000, Over: [entity.LineLevels]float64{highest: 999}}, 0, 1e-5, 1.1e-5},
		{entity.Lines{Hours: 1, Over: [entity.LineLevels]float64{highest: 1}}, highest, 1.0 / 5000, 1.0 / 2000},
	} {
		if got := tt.lines.Share(tt.level); got < tt.least || got > tt.most {
			t.Errorf("%+v: share %g, want %g to %g", tt.lines, got, tt.least, tt.most)
		}
	}
}
