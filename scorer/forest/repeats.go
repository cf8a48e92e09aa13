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
	repeatsFrom   = repeatsMax / 4
	repeatsExcess = 4.0
)

// newRepeats takes all its memory at once.
func newRepeats(columns int) repeats {
	return repeats{columns: columns, rows: make([]float64, 0, repeatsMax*columns)}
}

// admit reports whether a row teaches, and remembers it.
func (r *repeats) admit(row, known []float64) bool {
	same := alike(r.rows, row, r.columns)
	if len(r.rows) < repeatsMax*r.columns {
		r.rows = append(r.rows, row...)
	} else {
		copy(r.rows[r.next*r.columns:], row)
		r.next = (r.next + 1) % repeatsMax
	}
	if same < repeatsFrom || len(known) < memoryFrom*r.columns {
		return true
	}
	recent := same / float64(len(r.rows)/r.columns)
	usual := (alike(known, row, r.columns) + 1) / float64(len(known)/r.columns+1)
	if recent <= repeatsExcess*usual {
		return true
	}
	r.credit += usual / recent
	if r.credit < 1 {
		return false
	}
	r.credit--
	return true
}

// alike counts the rows that are the same as a row.
func alike(rows, row []float64, columns int) float64 {
	limit := float64(repeatsRadius * float64(columns))
	same := 0.0
	for i := 0; i < len(rows); i += columns {
		if squaredDistance(row, rows[i:i+columns], limit) < limit {
			same++
		}
	}
	return same
}

func (r *repeats) code(c *snapshot.Codec) {
	snapshot.List(c, &r.rows, c.F64)
	c.Int(&r.next)
	c.F64(&r.credit)
}
