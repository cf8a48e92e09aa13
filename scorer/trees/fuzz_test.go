package trees_test

import (
	"math"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/trees"
)

// scores scores odd rows with a model that was read and expects finite numbers.
func scores(t *testing.T, e *trees.Ensemble) {
	t.Helper()
	features := e.Features()
	b, err := e.Bind(features)
	if err != nil {
		t.Fatalf("a model that was read does not bind to its own features: %v", err)
	}
	row, contributions := make([]float64, len(features)), make([]float64, len(features))
	for _, v := range []float64{0, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, 1e-40, 33, -0.5, 1 << 31, 70000} {
		for i := range row {
			row[i] = v
		}
		got := b.Explain(row, contributions)
		sum := b.Bias()
		for _, c := range contributions {
			sum += c
		}
		for _, x := range []float64{got.Margin, got.Response, sum} {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Fatalf("a row of %g: margin %g, response %g, bias and contributions %g", v, got.Margin, got.Response, sum)
			}
		}
		if e.Probabilistic() && (got.Response < 0 || got.Response > 1) {
			t.Fatalf("probability %g", got.Response)
		}
	}
}

// FuzzLightGBM reads files as they come, and again with sizes that fit, which
// otherwise stop most of them at the first tree. The seeds are small: a large
// one takes the whole time to be made smaller.
func FuzzLightGBM(f *testing.F) {
	tree := lightGBMText[strings.Index(lightGBMText, "Tree=1"):strings.Index(lightGBMText, "end of")]
	for _, edits := range [][2]string{
		{"", ""},
		{tree, ""},
		{"binary sigmoid:1", "regression"},
		{"feature_names", "average_output\nfeature_names"},
		{"decision_type=10", "decision_type=4"},
	} {
		f.Add([]byte(resize(strings.Replace(lightGBMText, edits[0], edits[1], 1))))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, text := range []string{string(file), resize(string(file))} {
			e, err := trees.ParseLightGBM([]byte(text))
			if err == nil {
				scores(t, e)
			}
		}
	})
}

// FuzzXGBoost reads files as they come.
func FuzzXGBoost(f *testing.F) {
	for _, edits := range [][]string{
		{"", ""},
		dart,
		{"binary:logistic", "reg:squarederror"},
		{"[5E-1]", "2E-1"},
	} {
		f.Add([]byte(strings.NewReplacer(edits...).Replace(xgboostText)))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		e, err := trees.ParseXGBoost(file)
		if err == nil {
			scores(t, e)
		}
	})
}
