package trees

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Bound is a model laid over the columns of a row. It is immutable and safe for
// concurrent use.
type Bound struct {
	columns []string
	used    []int // The columns that the model has a feature for, ascending.
	bias    float64

	forest // With columns in place of features.
	link
}

// Score is what a model says about one row.
type Score struct {
	// Margin is the sum of the leaves, XGBoost's output_margin and LightGBM's
	// raw_score; for LightGBM's random forests it is the mean over the trees,
	// where raw_score is the sum.
	Margin float64
	// Response is the model's answer on the scale of its label: a probability in
	// [0, 1] where [Ensemble.Probabilistic], else the margin.
	Response float64
}

// Bind lays a model over rows whose columns have these names. Columns that the
// model does not know are ignored. The error names every feature of the model
// that no column has, with the column that may be meant.
func (e *Ensemble) Bind(columns []string) (*Bound, error) {
	column := make(map[string]int, len(columns))
	for i, name := range columns {
		if _, twice := column[name]; twice {
			return nil, fmt.Errorf("bind: two columns are named %q", name)
		}
		column[name] = i
	}
	to := make([]int, len(e.features))
	var faults []error
	more := 0
	for i, name := range e.features {
		c, ok := column[name]
		switch {
		case ok:
			to[i] = c
		case len(faults) < faultsMax:
			faults = append(faults, fmt.Errorf("feature %q of the model is not offered%s", name, meant(name, columns)))
		default:
			more++
		}
	}
	if more > 0 {
		faults = append(faults, fmt.Errorf("and %d more", more))
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("bind: %w", errors.Join(faults...))
	}
	b := &Bound{columns: slices.Clone(columns), forest: e.forest, link: e.link}
	b.nodes = slices.Clone(e.nodes)
	for i := range b.nodes {
		b.nodes[i].feature = int32(to[b.nodes[i].feature])
	}
	b.used = slices.Sorted(slices.Values(to))
	for _, root := range b.roots {
		b.bias += b.means[root]
	}
	b.bias = b.base + b.perTree(b.bias)
	return b, nil
}

// Columns is the number of values that a row must have.
func (b *Bound) Columns() int { return len(b.columns) }

// Bias is the margin that the model gives without looking at a row: the mean
// margin of its training data, as far as the file tells.
func (b *Bound) Bias() float64 { return b.bias }

// Score scores one row: the values of the columns in the order that they were
// bound in, NaN where one is missing. It allocates nothing. Values may be
// anything; the score is always finite. It panics if the row is shorter than
// Columns, which is a programmer's mistake.
func (b *Bound) Score(row []float64) Score {
	row = row[:len(b.columns)]
	sum := b.sum()
	roots := b.roots
	for ; len(roots) >= abreast; roots = roots[abreast:] {
		for _, leaf := range b.fall(roots, row) {
			sum.add(b.means[leaf])
		}
	}
	for _, i := range roots {
		for next := b.next(i, row); next != i; next = b.next(i, row) {
			i = next
		}
		sum.add(b.means[i])
	}
	return b.score(sum)
}

// sum adds up outputs of leaves, in both precisions. In single precision the
// order shows: XGBoost begins with the base score.
type sum struct {
	double float64
	single float32
}

func (b *Bound) sum() sum { return sum{double: b.base, single: float32(b.base)} }

func (s *sum) add(output float64) {
	s.double += output
	s.single += float32(output)
}

// score is what the library makes of a sum.
func (b *Bound) score(s sum) Score {
	margin := b.perTree(s.double)
	if b.single {
		margin = float64(s.single)
	}
	return Score{Margin: margin, Response: b.response(margin)}
}

// perTree turns a sum over the trees into a mean where the model asks for one.
func (b *Bound) perTree(sum float64) float64 {
	if b.average {
		return sum / float64(len(b.roots))
	}
	return sum
}

// Explain scores one row and writes what each column adds to the margin into
// contributions, which has as many entries as the row. It allocates nothing.
//
// A column is given the changes of the mean output along the path of the row
// at the splits on that column (the path method: Saabas, "Interpreting random
// forests", 2014; XGBoost's approx_contribs). Bias plus contributions, summed
// in order, is the margin but for rounding: XGBoost sums in single precision,
// so there the two differ by up to about 1e-5.
func (b *Bound) Explain(row, contributions []float64) Score {
	row, contributions = row[:len(b.columns)], contributions[:len(b.columns)]
	clear(contributions)
	sum := b.sum()
	for _, i := range b.roots {
		for next := b.next(i, row); next != i; next = b.next(i, row) {
			contributions[b.nodes[i].feature] += b.means[next] - b.means[i]
			i = next
		}
		sum.add(b.means[i])
	}
	for _, column := range b.used {
		contributions[column] = b.perTree(contributions[column])
	}
	return b.score(sum)
}

// Reason is what one column adds to a margin.
type Reason struct {
	Column string
	Value  float64 // In the row; NaN where it is missing.
	Adds   float64 // To the margin.
}

// String says it in words: bytes_out = 9.1e+06 adds 1.42.
func (r Reason) String() string {
	what := fmt.Sprintf("%s = %.4g", r.Column, r.Value)
	if math.IsNaN(r.Value) {
		what = r.Column + " (missing)"
	}
	if r.Adds < 0 {
		return fmt.Sprintf("%s takes off %.3g", what, -r.Adds)
	}
	return fmt.Sprintf("%s adds %.3g", what, r.Adds)
}

// Reasons names the columns that moved the margin most, at most most of them:
// the largest contribution first, whichever way it goes, equals in the order of
// the columns. Columns that moved nothing are left out.
func (b *Bound) Reasons(row, contributions []float64, most int) []Reason {
	var reasons []Reason
	for _, column := range b.used {
		if contributions[column] != 0 {
			reasons = append(reasons, Reason{b.columns[column], row[column], contributions[column]})
		}
	}
	slices.SortStableFunc(reasons, func(x, y Reason) int {
		return cmp.Compare(math.Abs(y.Adds), math.Abs(x.Adds))
	})
	return reasons[:min(most, len(reasons))]
}

// meant proposes the column whose name is closest to that of a feature, if one
// is close.
func meant(name string, columns []string) string {
	best, least := "", 1+len(name)/3
	for _, c := range columns {
		if d := distance(name, c); d < least {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (is %q meant?)", best)
}

// distance is the number of bytes to insert, delete or replace between two
// names, without regard to case (Levenshtein 1966).
func distance(x, y string) int {
	x, y = strings.ToLower(x), strings.ToLower(y)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(x) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(y) {
			change := diagonal
			if x[i] != y[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(y)]
}
