package forest

import (
	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// An echo remembers the latest strange rows: a strange row that repeats is a
// campaign, one that stands alone is often noise.
type echo struct {
	columns int
	values  []float64 // Rows side by side, in coordinates.
	at      []float64 // Row number of each.
	next    int
}

const echoHalfLife = 64 // Rows.

// newEcho takes all its memory at once.
func newEcho(columns int) echo {
	return echo{columns: columns, values: make([]float64, 0, echoMax*columns), at: make([]float64, 0, echoMax)}
}

// hear returns how many like this strange row came lately, as a decayed count.
// Two rows are alike where their distance is less than half of the row's
// distance from normal.
func (e *echo) hear(now float64, row []float64) float64 {
	norm := 0.0
	for _, x := range row {
		norm += float64(x * x)
	}
	limit := norm / 4
	count := 0.0
	for i, at := range e.at {
		sum := 0.0
		for j, x := range e.values[i*e.columns : (i+1)*e.columns] {
			d := row[j] - x
			sum += float64(d * d)
			if sum >= limit {
				break
			}
		}
		if sum < limit {
			count += exact.Exp2(-(now - at) / echoHalfLife)
		}
	}
	return count
}

// keep remembers a strange row.
func (e *echo) keep(now float64, row []float64) {
	if len(e.at) < echoMax {
		e.values = append(e.values, row...)
		e.at = append(e.at, now)
		return
	}
	copy(e.values[e.next*e.columns:], row)
	e.at[e.next] = now
	e.next = (e.next + 1) % echoMax
}

func (e *echo) code(c *snapshot.Codec) {
	snapshot.List(c, &e.values, c.F64)
	snapshot.List(c, &e.at, c.F64)
	c.Int(&e.next)
}

// gain is by how much count like rows raise a surprise, nats.
func gain(count float64) float64 { return exact.Ln(1 + count) }
