package benchdata

import "math"

// trivial is the detector to beat: the mean of the squared deviations from
// what came before, in standard deviations.
type trivial struct {
	n             float64
	mean, squares []float64
}

func (t *trivial) next(row []float64) float64 {
	if t.mean == nil {
		t.mean, t.squares = make([]float64, len(row)), make([]float64, len(row))
	}
	t.n++
	sum := 0.0
	for j, x := range row {
		d := x - t.mean[j]
		if t.n > 2 {
			if deviation := math.Sqrt(t.squares[j] / (t.n - 1)); deviation > 1e-12 {
				sum += min(1e12, d/deviation*(d/deviation))
			}
		}
		t.mean[j] += d / t.n
		t.squares[j] += d * (x - t.mean[j])
	}
	return sum / float64(len(row))
}
