package trees_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/trees"
)

// seeds adds the golden models whose names match and the one that a person can
// evaluate.
func seeds(f *testing.F, pattern, text string) {
	f.Helper()
	f.Add([]byte(text))
	files, err := filepath.Glob(filepath.Join(golden, pattern))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".rows.json") {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

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
// otherwise stop most of them at the first tree.
func FuzzLightGBM(f *testing.F) {
	seeds(f, "lightgbm-*.txt", resize(lightGBMText))
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
	seeds(f, "xgboost-*.json", xgboostText)
	f.Fuzz(func(t *testing.T, file []byte) {
		e, err := trees.ParseXGBoost(file)
		if err == nil {
			scores(t, e)
		}
	})
}
