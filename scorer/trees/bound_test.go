package trees_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/scorer/trees"
)

// parsed is one of the models that a person can evaluate.
func parsed(tb testing.TB, text string) *trees.Ensemble {
	tb.Helper()
	e, err := trees.Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// TestParseTellsTheFormatsApart reads either format, and says of anything else
// what it is not.
func TestParseTellsTheFormatsApart(t *testing.T) {
	if e := parsed(t, resize(lightGBMText)); e.Library() != "LightGBM" || e.Trees() != 2 || !e.Probabilistic() {
		t.Errorf("library %s, %d trees, probabilistic %v, want LightGBM, 2, true", e.Library(), e.Trees(), e.Probabilistic())
	}
	e := parsed(t, "\n"+edit(t, xgboostText, "binary:logistic", "reg:squarederror"))
	if e.Library() != "XGBoost" || e.Trees() != 2 || e.Probabilistic() {
		t.Errorf("library %s, %d trees, probabilistic %v, want XGBoost, 2, false", e.Library(), e.Trees(), e.Probabilistic())
	}
	if diff := cmp.Diff([]string{"bytes", "country", "failures"}, e.Features()); diff != "" {
		t.Errorf("features (-want +got):\n%s", diff)
	}
	_, err := trees.Parse([]byte("\x80\x04\x95 a pickled Python object, for instance, of whatever length it may be"))
	wantError(t, err, `begins with "\x80\x04\x95 a pickled Python object, for instance, of whatever lengt" …: neither a LightGBM text model nor an XGBoost JSON model; save it with`)
	_, err = trees.Parse(nil)
	wantError(t, err, `begins with "": neither`)
	if a, b := parsed(t, xgboostText), parsed(t, xgboostText+" "); a.Digest() == b.Digest() || len(a.Digest()) != 64 {
		t.Errorf("digests %s and %s of two files", a.Digest(), b.Digest())
	}
}

// TestBindNamesWhatIsWrong offers columns that do not fit.
func TestBindNamesWhatIsWrong(t *testing.T) {
	tests := map[string]struct {
		columns []string
		want    string
	}{
		"a name that was misspelt":       {[]string{"byte", "Country", "failures"}, "bind: feature \"bytes\" of the model is not offered (is \"byte\" meant?)\nfeature \"country\" of the model is not offered (is \"Country\" meant?)"},
		"a name that nothing is like":    {[]string{"x", "country", "failures"}, `feature "bytes" of the model is not offered`},
		"no columns":                     {nil, `feature "bytes" of the model is not offered`},
		"two columns of one name":        {[]string{"bytes", "country", "failures", "bytes"}, `bind: two columns are named "bytes"`},
		"order and others do not matter": {[]string{"other", "failures", "country", "bytes"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b, err := parsed(t, xgboostText).Bind(tt.columns)
			if tt.want != "" {
				wantError(t, err, tt.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := b.Score([]float64{math.NaN(), 5, 1, 0}).Margin; got != 21 || b.Columns() != 4 {
				t.Errorf("margin %g of %d columns, want 21 of 4", got, b.Columns())
			}
		})
	}
}

// TestBindNamesOnlySomeOfMany keeps the error short.
func TestBindNamesOnlySomeOfMany(t *testing.T) {
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("f%d", i))
	}
	text := edit(t, lightGBMText, "bytes country failures", strings.Join(names, " "), "max_feature_idx=2", "max_feature_idx=99")
	_, err := parsed(t, resize(text)).Bind(nil)
	wantError(t, err, "feature \"f19\" of the model is not offered\nand 80 more")
}

// TestContributionsFollowThePath explains rows by hand. The means by cover: of
// the first tree 2.25 at the root and 5/3 at its left child, of the second 12.5.
func TestContributionsFollowThePath(t *testing.T) {
	b, err := parsed(t, xgboostText).Bind([]string{"bytes", "country", "spare", "failures"})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		row     []float64
		want    []float64
		reasons []string
	}{
		"all three speak":             {[]float64{0, 1, 9, 5}, []float64{5./3 - 2.25, 1 - 5./3, 0, 7.5}, []string{"failures = 5 adds 7.5", "country = 1 takes off 0.667"}},
		"a missing value has a share": {[]float64{0.5, math.NaN(), 9, math.NaN()}, []float64{1.75, 0, 0, -2.5}, []string{"failures (missing) takes off 2.5", "bytes = 0.5 adds 1.75"}},
	}
	near := cmp.Comparer(func(x, y float64) bool { return math.Abs(x-y) < 1e-12 })
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := []float64{7, 7, 7, 7}
			score := b.Explain(tt.row, got)
			if score != b.Score(tt.row) {
				t.Errorf("Explain says %v, Score %v", score, b.Score(tt.row))
			}
			if diff := cmp.Diff(tt.want, got, near); diff != "" {
				t.Errorf("contributions (-want +got):\n%s", diff)
			}
			if math.Abs(b.Bias()-14.75) > 1e-12 {
				t.Errorf("bias %g, want 14.75", b.Bias())
			}
			var reasons []string
			for _, r := range b.Reasons(tt.row, got, 2) {
				reasons = append(reasons, r.String())
			}
			if diff := cmp.Diff(tt.reasons, reasons); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
		})
	}
}

// TestResponses maps margins to the scale of the label, also where the logistic
// function saturates.
func TestResponses(t *testing.T) {
	tests := map[string]struct {
		edits []string
		row   []float64
		want  float64
	}{
		"a probability":                        {nil, []float64{0, 1, 0}, 1 / (1 + math.Exp(-11))},
		"a steeper slope":                      {[]string{"sigmoid:1", "sigmoid:0.1"}, []float64{0, 1, 0}, 1 / (1 + math.Exp(-1.1))},
		"cross entropy is logistic":            {[]string{"binary sigmoid:1", "cross_entropy", "leaf_value=1 2 4", "leaf_value=-9 2 4"}, []float64{0, 1, 0}, 1 / (1 + math.Exp(-1))},
		"a regression answers with its margin": {[]string{"binary sigmoid:1", "regression"}, []float64{0, 1, 0}, 11},
		"certainty is one":                     {[]string{"leaf_value=10 20", "leaf_value=1e30 20"}, []float64{0, 1, 0}, 1},
		"impossibility is zero":                {[]string{"leaf_value=10 20", "leaf_value=-1e30 20"}, []float64{0, 1, 0}, 0},
		"the steepest slope of the largest":    {[]string{"sigmoid:1", "sigmoid:1e6", "leaf_value=10 20", "leaf_value=1e30 20"}, []float64{0, 1, 0}, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := parsed(t, resize(edit(t, lightGBMText, tt.edits...)))
			b, err := e.Bind(e.Features())
			if err != nil {
				t.Fatal(err)
			}
			if got := b.Score(tt.row).Response; math.Abs(got-tt.want) > 1e-12 {
				t.Errorf("response = %.17g, want %.17g", got, tt.want)
			}
		})
	}
}

// TestScoringAllocatesNothing counts.
func TestScoringAllocatesNothing(t *testing.T) {
	for _, text := range []string{resize(lightGBMText), xgboostText} {
		e := parsed(t, text)
		b, err := e.Bind(e.Features())
		if err != nil {
			t.Fatal(err)
		}
		row, contributions := []float64{0, 1, math.NaN()}, make([]float64, 3)
		if n := testing.AllocsPerRun(100, func() { b.Score(row); b.Explain(row, contributions) }); n != 0 {
			t.Errorf("%s: %g allocations", e.Library(), n)
		}
	}
}
