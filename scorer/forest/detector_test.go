package forest_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/forest"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

func detector(tb testing.TB, columns int) *forest.Detector {
	tb.Helper()
	d, err := forest.New(forest.Options{Columns: columns, Seed: 1})
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func next(tb testing.TB, d *forest.Detector, row ...float64) float64 {
	tb.Helper()
	s, err := d.Next(row)
	if err != nil {
		tb.Fatal(err)
	}
	if math.IsNaN(s) || math.IsInf(s, 0) || s < 0 {
		tb.Fatalf("Next(%v) = %v, want a number of at least 0", row, s)
	}
	return s
}

// normal teaches rows of independent standard normals and returns their scores.
func normal(tb testing.TB, d *forest.Detector, rng *rand.Rand, rows, columns int) []float64 {
	tb.Helper()
	var scores []float64
	row := make([]float64, columns)
	for range rows {
		for j := range row {
			row[j] = rng.NormFloat64()
		}
		scores = append(scores, next(tb, d, row...))
	}
	return scores
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func quantile(scores []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(scores))
	return s[int(q*float64(len(s)-1))]
}

func TestNewRefusesWhatItCannotDo(t *testing.T) {
	tests := map[string]forest.Options{
		"no column":                       {Columns: 0},
		"more columns than the limit":     {Columns: forest.ColumnsMax + 1},
		"a member that does not exist":    {Columns: 1, Members: 1 << 20},
		"an echo without one that scores": {Columns: 1, Members: forest.Echo},
	}
	for name, o := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := forest.New(o)
			if err == nil {
				t.Errorf("New(%+v) = nil error", o)
			}
		})
	}
}

func TestNextRefusesAnotherWidth(t *testing.T) {
	d := detector(t, 2)
	for _, row := range [][]float64{nil, {1}, {1, 2, 3}} {
		_, err := d.Next(row)
		if !errors.Is(err, forest.ErrWidth) {
			t.Errorf("Next(%v) error = %v, want ErrWidth", row, err)
		}
	}
	if n := d.Counts().Rows; n != 0 {
		t.Errorf("%d rows were counted", n)
	}
}

func TestScoresAreNumbersWhateverComesIn(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	tests := map[string]func(i int, r *rand.Rand) float64{
		"nothing but missing values":        func(int, *rand.Rand) float64 { return nan },
		"nothing but infinite values":       func(i int, _ *rand.Rand) float64 { return inf * float64(1-i%2*2) },
		"one value for ever":                func(int, *rand.Rand) float64 { return 7 },
		"one value, then another":           func(i int, _ *rand.Rand) float64 { return float64(i / 600) },
		"the greatest and the least number": func(i int, _ *rand.Rand) float64 { return math.MaxFloat64 * float64(1-i%2*2) },
		"the smallest numbers":              func(i int, _ *rand.Rand) float64 { return float64(i%3) * math.SmallestNonzeroFloat64 },
		"all magnitudes":                    func(_ int, r *rand.Rand) float64 { return math.Exp(700 * r.NormFloat64() / 3) },
		"every kind in turn": func(_ int, r *rand.Rand) float64 {
			return []float64{nan, inf, -inf, 0, r.NormFloat64(), 1e300, -1e-300}[r.IntN(7)]
		},
	}
	for name, value := range tests {
		t.Run(name, func(t *testing.T) {
			d, rng := detector(t, 3), seeded(1)
			shares := make([]float64, 3)
			for i := range 1500 {
				next(t, d, value(i, rng), rng.NormFloat64(), value(i+1, rng))
				d.Shares(shares)
				for _, s := range shares {
					if !(s >= 0 && s <= 1+1e-9) {
						t.Fatalf("row %d: shares %v", i, shares)
					}
				}
			}
		})
	}
}

func TestBadValuesAreCounted(t *testing.T) {
	d := detector(t, 2)
	next(t, d, math.NaN(), 1)
	next(t, d, math.Inf(-1), math.NaN())
	want := forest.Counts{Rows: 2, Learned: 2, Missing: 2, Infinite: 1}
	if got := d.Counts(); got != want {
		t.Errorf("Counts() = %+v, want %+v", got, want)
	}
}

// TestStrangeRowsStandOut asks the whole ensemble for what shows in a column,
// and the members made for it for what does not: where one of four speaks
// alone, the mean of all says less.
func TestStrangeRowsStandOut(t *testing.T) {
	tests := map[string]struct {
		row     func(r *rand.Rand) []float64
		odd     []float64
		blame   []int // Columns that may be named first.
		members forest.Member
	}{
		"one value is far out": {
			row: func(r *rand.Rand) []float64 { return []float64{r.NormFloat64(), r.NormFloat64(), r.NormFloat64()} },
			odd: []float64{0, 9, 0}, blame: []int{1},
		},
		"a constant moves": {
			row: func(r *rand.Rand) []float64 { return []float64{5, r.NormFloat64(), r.NormFloat64()} },
			odd: []float64{6, 0, 0}, blame: []int{0},
		},
		"two columns that go together do not": {
			row: func(r *rand.Rand) []float64 {
				x := r.NormFloat64()
				return []float64{x, x + 0.05*r.NormFloat64(), r.NormFloat64()}
			},
			odd: []float64{1.5, -1.5, 0}, blame: []int{0, 1}, members: forest.Relation,
		},
		"between two clusters is nothing": {
			row: func(r *rand.Rand) []float64 {
				s := float64(r.IntN(2)*2 - 1)
				return []float64{5*s + r.NormFloat64()/2, 5*s + r.NormFloat64()/2, r.NormFloat64()}
			},
			odd: []float64{5, -5, 0}, blame: []int{0, 1}, members: forest.Near | forest.Far,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d, err := forest.New(forest.Options{Columns: 3, Seed: 1, Members: tt.members})
			if err != nil {
				t.Fatal(err)
			}
			rng := seeded(2)
			var usual []float64
			for range 3000 {
				usual = append(usual, next(t, d, tt.row(rng)...))
			}
			odd := next(t, d, tt.odd...)
			if limit := quantile(usual[500:], 0.98); odd <= limit {
				t.Errorf("odd row scores %.2f, 98 of 100 usual ones at most %.2f", odd, limit)
			}
			shares := make([]float64, 3)
			d.Shares(shares)
			first := 0
			for j, s := range shares {
				if s > shares[first] {
					first = j
				}
			}
			if !slices.Contains(tt.blame, first) {
				t.Errorf("shares %.2f blame column %d, want one of %v", shares, first, tt.blame)
			}
		})
	}
}

// TestTheFirstRowsAreToldApart asks for more than a constant before anything
// can be ranked: a short table has few other rows.
func TestTheFirstRowsAreToldApart(t *testing.T) {
	d, rng := detector(t, 3), seeded(11)
	usual := normal(t, d, rng, 12, 3)
	odd := next(t, d, 0, 9, 0)
	if limit := quantile(usual, 1); odd <= limit {
		t.Errorf("odd row 13 scores %.2f, those before it up to %.2f", odd, limit)
	}
}

func TestAPackedBurstStaysStrange(t *testing.T) {
	d, rng := detector(t, 3), seeded(3)
	usual := normal(t, d, rng, 5000, 3)
	limit := quantile(usual[500:], 0.999)
	before := d.Counts().Learned
	for i := range 3000 {
		if s := next(t, d, 0, 8, 0.1); s <= limit {
			t.Fatalf("row %d of the burst scores %.2f, an ordinary row up to %.2f", i, s, limit)
		}
	}
	if n := d.Counts().Learned - before; n > 24 {
		t.Errorf("%d rows of the burst were learned", n)
	}
}

func TestAFloodOfMildRowsTeachesLittle(t *testing.T) {
	d, rng := detector(t, 3), seeded(9)
	normal(t, d, rng, 3000, 3)
	before := d.Counts().Learned
	for range 5000 {
		next(t, d, 1.9, -1.8, 2)
	}
	if n := d.Counts().Learned - before; n > 150 {
		t.Errorf("%d of 5,000 equal rows were learned", n)
	}
}

// TestAFloodIsHeard floods with a row of which each column is ordinary, and goes
// on for longer than all that was normal.
func TestAFloodIsHeard(t *testing.T) {
	d, rng := detector(t, 3), seeded(11)
	high := quantile(normal(t, d, rng, 4000, 3)[1000:], 0.99)
	learned := d.Counts().Learned
	for i := range 6000 {
		again, err := d.Score([]float64{1.4, -1.4, 1.4})
		if err != nil {
			t.Fatal(err)
		}
		score := next(t, d, 1.4, -1.4, 1.4)
		if again != score {
			t.Fatalf("row %d: Score says %.3f, Next %.3f", i, again, score)
		}
		if i >= 200 && score <= high {
			t.Fatalf("row %d of the flood says %.2f, one of a hundred normal rows %.2f", i, score, high)
		}
	}
	if n := d.Counts().Learned - learned; n > 400 {
		t.Errorf("%d rows of the flood have taught", n)
	}
}

func TestWhatIsMostlyOneRowKeepsItNormal(t *testing.T) {
	d, rng := detector(t, 2), seeded(10)
	var same, other []float64
	for i := range 6000 {
		if rng.IntN(10) > 0 {
			same = append(same, next(t, d, 5, 5))
			continue
		}
		s := next(t, d, 5+float64(rng.IntN(4)), 5+rng.NormFloat64())
		if i > 500 {
			other = append(other, s)
		}
	}
	if a, b := quantile(same[500:], 0.99), quantile(other, 0.1); a >= b {
		t.Errorf("99 of 100 of the usual row score up to %.2f, 9 of 10 others above %.2f", a, b)
	}
}

func TestATrueShiftIsLearned(t *testing.T) {
	d, rng := detector(t, 2), seeded(4)
	normal(t, d, rng, 1000, 2)
	var scores []float64
	for range 20000 {
		scores = append(scores, next(t, d, 10+rng.NormFloat64(), 10+rng.NormFloat64()))
	}
	first, last := quantile(scores[:500], 0.5), quantile(scores[19000:], 0.5)
	if last > first/2 {
		t.Errorf("the median score was %.2f after the shift and is %.2f 20,000 rows later", first, last)
	}
}

func TestADriftIsFollowed(t *testing.T) {
	d, rng := detector(t, 1), seeded(5)
	var usual, odd []float64
	for i := range 6000 {
		level := 30*math.Sin(float64(i)/300) + float64(i)/100
		if i > 1000 && i%50 == 0 {
			odd = append(odd, next(t, d, level+8))
			continue
		}
		s := next(t, d, level+rng.NormFloat64())
		if i > 1000 {
			usual = append(usual, s)
		}
	}
	if got, limit := quantile(odd, 0.1), quantile(usual, 0.95); got <= limit {
		t.Errorf("9 of 10 odd rows score above %.2f, 95 of 100 usual ones below %.2f", got, limit)
	}
}

func TestRestoreGoesOnToTheBit(t *testing.T) {
	whole, rng := detector(t, 4), seeded(6)
	rows := make([][]float64, 4000)
	for i := range rows {
		rows[i] = []float64{rng.NormFloat64(), rng.ExpFloat64(), float64(rng.IntN(3)), float64(i)}
		if i%97 == 0 {
			rows[i][0] = 20
		}
	}
	part := detector(t, 4)
	for i, row := range rows {
		if i%611 == 0 {
			var b bytes.Buffer
			err := part.Snapshot(&b)
			if err != nil {
				t.Fatal(err)
			}
			part, err = forest.Restore(&b)
			if err != nil {
				t.Fatal(err)
			}
		}
		if want, got := next(t, whole, row...), next(t, part, row...); got != want {
			t.Fatalf("row %d: restored detector says %v, want %v", i, got, want)
		}
	}
	if whole.Counts() != part.Counts() {
		t.Errorf("counts %+v and %+v", whole.Counts(), part.Counts())
	}
}

func TestRestoreRefusesWhatIsNoState(t *testing.T) {
	d := detector(t, 2)
	normal(t, d, seeded(7), 300, 2)
	var good bytes.Buffer
	err := d.Snapshot(&good)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		bytes []byte
		want  error
	}{
		"nothing":                       {nil, snapshot.ErrFormat},
		"a torn file":                   {good.Bytes()[:good.Len()/2], snapshot.ErrChecksum},
		"a changed byte":                {append(append(bytes.Clone(good.Bytes()[:40]), good.Bytes()[40]^1), good.Bytes()[41:]...), snapshot.ErrChecksum},
		"the payload of something else": {sealed(t, []byte{3, 2, 3}), snapshot.ErrFormat},
		"a later layout":                {sealed(t, []byte{99, 2, 3}), snapshot.ErrVersion},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := forest.Restore(bytes.NewReader(tt.bytes))
			if !errors.Is(err, tt.want) {
				t.Errorf("Restore error = %v, want %v", err, tt.want)
			}
		})
	}
}

func sealed(tb testing.TB, payload []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	err := snapshot.Seal(&b, payload)
	if err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	d, rng := detector(t, 5), seeded(8)
	normal(t, d, rng, 2000, 5)
	row := []float64{0, 0, 0, 0, 0}
	n := testing.AllocsPerRun(2000, func() {
		row[rng.IntN(5)] = rng.NormFloat64()
		_, err := d.Next(row)
		if err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations a row", n)
	}
}
