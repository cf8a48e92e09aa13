package reservoir

import (
	"slices"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

const (
	// binsMax is into how many bins a column is counted: tenths of the reference,
	// and one for what is missing.
	binsMax = 11
	// ShiftRowsMin is how many rows of either side tell a shift from chance: at 512
	// that of rows of one distribution is 0.03 on the average of columns.
	ShiftRowsMin = 512
)

// Counts are rows counted by the bins of a [Reference], column by column.
type Counts struct {
	columns [][binsMax]uint32
	n       uint64
}

// Reference is what rows are compared with. Immutable.
type Reference struct {
	bounds [][binsMax - 2]Number // Between the tenths of each column.
	counts Counts
}

// Reference returns the tenths of the columns of a sample.
func (r *Rows) Reference() *Reference {
	ref := &Reference{bounds: make([][binsMax - 2]Number, r.columns)}
	column := make([]Number, 0, r.Len())
	for j := range ref.bounds {
		column = column[:0]
		for i := range r.Len() {
			if n := r.row(i)[j]; n != 0 {
				column = append(column, n)
			}
		}
		slices.Sort(column)
		for b := range ref.bounds[j] {
			if len(column) > 0 {
				ref.bounds[j][b] = column[len(column)*(b+1)/(binsMax-1)]
			}
		}
	}
	ref.counts = ref.Count(r)
	return ref
}

// Median is that of a column, NaN where no row had a value.
func (f *Reference) Median(column int) float64 { return f.bounds[column][(binsMax-2)/2].Value() }

// Count counts the rows of a sample.
func (f *Reference) Count(r *Rows) Counts {
	var c Counts
	row := make([]float64, r.columns)
	for i := range r.Len() {
		r.Row(i, row)
		f.Note(&c, row)
	}
	return c
}

// Note counts one row more; one of another width is not counted.
func (f *Reference) Note(c *Counts, row []float64) {
	if len(row) != len(f.bounds) {
		return
	}
	if len(c.columns) != len(row) {
		*c = Counts{columns: make([][binsMax]uint32, len(row))}
	}
	c.n++
	for j, v := range row {
		n, bin := Pack(v), 0
		if n != 0 {
			bin = 1
			for _, bound := range f.bounds[j] {
				if n >= bound {
					bin++
				}
			}
		}
		c.columns[j][bin] = min(c.columns[j][bin], ^uint32(0)-1) + 1
	}
}

// Shift is the population stability index of each of the first columns of counts
// against the reference: the sum over bins of (p-q)·ln(p/q), each bin with half a
// row more than it has (Siddiqi, Credit Risk Scorecards, 2006). It returns the
// largest and its column; 0 and -1 where either side has fewer than
// [ShiftRowsMin] rows.
func (f *Reference) Shift(c *Counts, columns int) (shift float64, column int) {
	if c.n < ShiftRowsMin || f.counts.n < ShiftRowsMin || len(c.columns) != len(f.bounds) {
		return 0, -1
	}
	column = -1
	n, of := float64(c.n)+binsMax/2.0, float64(f.counts.n)+binsMax/2.0
	for j := range c.columns[:min(columns, len(c.columns))] {
		sum := 0.0
		for b := range binsMax {
			p, q := (float64(c.columns[j][b])+0.5)/n, (float64(f.counts.columns[j][b])+0.5)/of
			sum += float64((p - q) * exact.Ln(p/q))
		}
		if sum > shift {
			shift, column = sum, j
		}
	}
	return shift, column
}

// Code writes or reads the counts.
func (c *Counts) Code(k *snapshot.Codec) {
	k.U64(&c.n)
	snapshot.List(k, &c.columns, func(bins *[binsMax]uint32) {
		for b := range bins {
			u := uint64(bins[b])
			k.U64(&u)
			bins[b] = uint32(min(u, 1<<32-1))
		}
	})
	if k.Reading() {
		c.columns = c.columns[:min(len(c.columns), ColumnsMax)]
	}
}
