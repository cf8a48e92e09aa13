package forest

import "github.com/vigil-gateway/vigil/scorer/snapshot"

// Repeats find floods of equal rows, also of those that are not strange enough for
// the gate: where a quarter of the latest rows or more are the same as this one, and
// that is more than four times their share of what is remembered. Of a flood only so
// many rows teach as keep that share, so that it is not soon most of what is known.
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

// excess is by how much the share of rows that are the same as this one, among the
// latest, exceeds that among the known, where that makes it one of a flood, else 0.
func (r *repeats) excess(row, known []float64) float64 {
	same := alike(r.rows, row, r.columns)
	if same < repeatsFrom || len(known) < memoryFrom*r.columns {
		return 0
	}
	usual := (alike(known, row, r.columns) + 1) / float64(len(known)/r.columns+1)
	excess := same / float64(len(r.rows)/r.columns) / usual
	if excess <= repeatsExcess {
		return 0
	}
	return excess
}

// keep remembers a row, whether or not it teaches.
func (r *repeats) keep(row []float64) {
	if len(r.rows) < repeatsMax*r.columns {
		r.rows = append(r.rows, row...)
		return
	}
	copy(r.rows[r.next*r.columns:], row)
	r.next = (r.next + 1) % repeatsMax
}

// admit reports whether a row of this excess teaches.
func (r *repeats) admit(excess float64) bool {
	if excess == 0 {
		return true
	}
	r.credit += 1 / excess
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
