package forest

import (
	"fmt"
	"math"
)

// Score is the score that [Detector.Next] would give a row now, and learns
// nothing: for who learns a row later, or never. [Detector.Shares] then speaks
// of this row. The error wraps [ErrWidth].
func (d *Detector) Score(row []float64) (float64, error) {
	if len(row) != len(d.columns) {
		return 0, fmt.Errorf("%d, want %d: %w", len(row), len(d.columns), ErrWidth)
	}
	counts := d.counts
	d.look(row)
	d.counts = counts // Nothing was met.
	d.judge()
	surprise := d.fuse()
	score := surprise
	if !d.ranked() {
		score = d.guess()
	}
	if d.members&Echo != 0 && (d.gate.strange(surprise) || d.repeats.excess(d.far, d.memory.far) > 0) {
		score += gain(d.echo.hear(float64(d.counts.Rows), d.near))
	}
	return score, nil
}

// Quantile is below which value a share, in [0, 1], of the values lies that a
// column has learned, NaN where it has learned none.
func (d *Detector) Quantile(column int, share float64) float64 {
	sample := d.columns[column].sample
	if len(sample) == 0 {
		return math.NaN()
	}
	return sample[min(len(sample)-1, int(share*float64(len(sample))))]
}
