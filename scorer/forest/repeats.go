package forest

import "github.com/vigil-gateway/vigil/scorer/snapshot"

// Repeats thin a flood of equal rows that are not strange enough for the gate:
// where more than half of the latest rows are the same as this one, and it is
// still rarer than most rows of the past, only a share of them teaches, so that
// a flood is not soon most of what is known.
type repeats struct {
	columns int
	rows    []float64 // The latest rows side by side, in deviations.
	next    int
	credit  float64 // Of the rows that were held back.
}

const (
	repeatsRadius = 0.01 // Mean squared deviation below which two rows are the same.
	repeatsFrom   = repeatsMax / 2
	repeatsAbove  = 1.5 // Surprise from which a row is rarer than most, nats.
	repeatsPrice  = 4.0 // Rows of a flood for one, a same row among the latest.
)

// newRepeats takes all its memory at once.
func newRepeats(columns int) repeats {
	return repeats{columns: columns, rows: make([]float64, 0, repeatsMax*columns)}
}

// admit reports whether a row teaches, and remembers it.
func (r *repeats) admit(nats float64, row []float64) bool {
	limit := float64(repeatsRadius * float64(r.columns))
	same := 0.0
	for i := 0; i < len(r.rows); i += r.columns {
		sum := 0.0
		for j, x := range r.rows[i : i+r.columns] {
			d := row[j] - x
			sum += float64(d * d)
			if sum >= limit {
				break
			}
		}
		if sum < limit {
			same++
		}
	}
	if len(r.rows) < repeatsMax*r.columns {
		r.rows = append(r.rows, row...)
	} else {
		copy(r.rows[r.next*r.columns:], row)
		r.next = (r.next + 1) % repeatsMax
	}
	if same < repeatsFrom || nats < repeatsAbove {
		return true
	}
	r.credit += 1 / (1 + float64(repeatsPrice*same))
	if r.credit < 1 {
		return false
	}
	r.credit--
	return true
}

func (r *repeats) code(c *snapshot.Codec) {
	snapshot.List(c, &r.rows, c.F64)
	c.Int(&r.next)
	c.F64(&r.credit)
}
