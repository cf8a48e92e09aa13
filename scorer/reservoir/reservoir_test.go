package reservoir_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/reservoir"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

func TestNumbers(t *testing.T) {
	tests := map[string]struct{ v, want float64 }{
		"nothing":                              {0, 0},
		"a step":                               {1.0 / reservoir.Step, 1.0 / reservoir.Step},
		"less than half a step is nothing":     {0.4 / reservoir.Step, 0},
		"between two steps it is the nearer":   {10.6 / reservoir.Step, 11.0 / reservoir.Step},
		"below nothing is nothing":             {-3, 0},
		"beyond the largest it is the largest": {1e9, float64(math.MaxUint16-2) / reservoir.Step},
		"endless is the largest, too":          {math.Inf(1), float64(math.MaxUint16-2) / reservoir.Step},
		"what is missing stays missing":        {math.NaN(), math.NaN()},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := reservoir.Round(tt.v)
			if math.Abs(got-tt.want) > 2.0/reservoir.Step || math.IsNaN(got) != math.IsNaN(tt.want) || !math.IsNaN(got) && reservoir.Round(got) != got {
				t.Errorf("Round(%v) = %v, want %v", tt.v, got, tt.want)
			}
		})
	}
}

// stream is a sample of n rows, of which of makes the i-th.
func stream(seed uint64, n int, of func(i int) []float64) reservoir.Rows {
	r := reservoir.New(2, seed)
	for i := range n {
		r.Add(of(i))
	}
	return r
}

// mean is that of a column.
func mean(r *reservoir.Rows, column int) float64 {
	sum, row := 0.0, make([]float64, 2)
	for i := range r.Len() {
		r.Row(i, row)
		sum += row[column]
	}
	return sum / float64(r.Len())
}

func TestSampleIsUniformAndBounded(t *testing.T) {
	const n = 30_000
	r := stream(1, n, func(i int) []float64 { return []float64{60 * float64(i) / n, 1} })
	if r.Len() != reservoir.RowsMax || r.Weight() != n {
		t.Fatalf("%d rows for %v, want %d for %d", r.Len(), r.Weight(), reservoir.RowsMax, n)
	}
	if m := mean(&r, 0); math.Abs(m-30) > 1.5 {
		t.Errorf("mean place of the rows is %.1f of 60, want 30", m)
	}
	r.Fade(0.1)
	for i := range n / 10 {
		r.Add([]float64{60 * float64(i) / n * 10, 2})
	}
	if m := mean(&r, 1); math.Abs(m-1.5) > 0.05 {
		t.Errorf("%.2f of the rows are new, want half: the older ones have faded to as many", m-1)
	}
}

func TestMerge(t *testing.T) {
	constant := func(v float64) func(int) []float64 { return func(int) []float64 { return []float64{v, v} } }
	many, few := stream(1, 20_000, constant(1)), stream(2, 2_000, constant(2))
	got := reservoir.Merge(2, 7, &many, &few)
	if m := mean(&got, 0); math.Abs(m-(1+2.0/22)) > 0.02 || got.Weight() != 22_000 {
		t.Errorf("%.3f of the rows are of the smaller stream, want %.3f; they stand for %v", m-1, 2.0/22, got.Weight())
	}
	encoded := func(r reservoir.Rows) []byte {
		w := snapshot.Writer()
		r.Code(w)
		return w.Bytes()
	}
	if !bytes.Equal(encoded(got), encoded(reservoir.Merge(2, 7, &many, &few))) {
		t.Error("the same parts give other bytes")
	}
	if bytes.Equal(encoded(got), encoded(reservoir.Merge(2, 8, &many, &few))) {
		t.Error("another seed gives the same bytes")
	}
	three := reservoir.New(3, 1)
	three.Add([]float64{1, 2, 3})
	for range 20_000 {
		three.Add([]float64{1, 2, 3})
	}
	if got := reservoir.Merge(2, 7, &few, &three); got.Len() != few.Len() || got.Weight() != few.Weight() {
		t.Errorf("%d rows for %v, want the %d for %v of the wanted width", got.Len(), got.Weight(), few.Len(), few.Weight())
	}
	if got := reservoir.Merge(2, 7); got.Len() != 0 {
		t.Errorf("%d rows of nothing", got.Len())
	}
}

func TestShift(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	normal := func(int) []float64 { return []float64{10 + rng.NormFloat64(), float64(rng.IntN(2))} }
	base := stream(1, 3000, normal)
	ref := base.Reference()
	tests := map[string]struct {
		n      int
		of     func(int) []float64
		least  float64
		most   float64
		column int
	}{
		"the same again":                  {3000, normal, 0, 0.05, -2},
		"half a spread higher":            {3000, func(i int) []float64 { r := normal(i); r[0] += 0.5; return r }, 0.1, 0.6, 0},
		"a column that is missing":        {3000, func(i int) []float64 { r := normal(i); r[1] = math.NaN(); return r }, 1, 99, 1},
		"a value that was one of two now": {3000, func(i int) []float64 { r := normal(i); r[1] = 1; return r }, 0.25, 99, 1},
		"too few to tell":                 {reservoir.ShiftRowsMin - 1, func(int) []float64 { return []float64{60, 60} }, 0, 0, -1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := stream(2, tt.n, tt.of)
			counts := ref.Count(&r)
			shift, column := ref.Shift(&counts, 2)
			if shift < tt.least || shift > tt.most || tt.column != -2 && column != tt.column {
				t.Errorf("Shift = %.3f of column %d, want %v to %v of %d", shift, column, tt.least, tt.most, tt.column)
			}
		})
	}
	far := stream(2, 3000, func(i int) []float64 { r := normal(i); r[1] = 9; return r })
	counts := ref.Count(&far)
	if shift, column := ref.Shift(&counts, 1); shift > 0.05 || column > 0 {
		t.Errorf("Shift = %.3f of column %d, want nothing of a column that is not asked about", shift, column)
	}
	if m := ref.Median(0); math.Abs(m-10) > 0.1 {
		t.Errorf("Median = %v, want 10", m)
	}
	var c reservoir.Counts
	ref.Note(&c, []float64{1, 2, 3})
	if shift, column := ref.Shift(&c, 2); shift != 0 || column != -1 {
		t.Errorf("a row of another width shifts by %v", shift)
	}
}

func TestBytes(t *testing.T) {
	r := stream(1, 3000, func(i int) []float64 { return []float64{float64(i % 50), math.NaN()} })
	w := snapshot.Writer()
	r.Code(w)
	read := func(b []byte) (reservoir.Rows, error) {
		var r reservoir.Rows
		c := snapshot.Reader(b)
		r.Code(c)
		return r, c.Err()
	}
	again, err := read(w.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for range 3000 { // Both go on alike.
		r.Add([]float64{7, 7})
		again.Add([]float64{7, 7})
	}
	a, b := snapshot.Writer(), snapshot.Writer()
	r.Code(a)
	again.Code(b)
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("a sample that was read goes on otherwise")
	}
	for name, change := range map[string]func([]byte) []byte{
		"cut short":     func(b []byte) []byte { return b[:len(b)-1] },
		"of no columns": func(b []byte) []byte { b[0] = 0; return b },
		"of 17 columns": func(b []byte) []byte { b[0] = 34; return b },
		"of 3 columns":  func(b []byte) []byte { b[0] = 6; return b },
		"endless": func([]byte) []byte {
			endless, w := reservoir.New(2, 1), snapshot.Writer()
			endless.Add([]float64{1, 2})
			endless.Fade(math.Inf(1))
			endless.Code(w)
			return w.Bytes()
		},
	} {
		_, err := read(change(bytes.Clone(w.Bytes())))
		if err == nil {
			t.Errorf("%s: is read", name)
		}
	}
}

func TestAddAllocatesNothingWhenFull(t *testing.T) {
	r := stream(1, reservoir.RowsMax, func(int) []float64 { return []float64{1, 2} })
	row := []float64{3, 4}
	if n := testing.AllocsPerRun(1000, func() { r.Add(row) }); n != 0 {
		t.Errorf("%v allocations a row", n)
	}
}
