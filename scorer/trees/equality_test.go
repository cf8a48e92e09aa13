package trees_test

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/trees"
)

const (
	root   = "../.."
	golden = root + "/testdata/trees"
	python = root + "/.cache/python/bin/python"
	script = root + "/.tools/python/trees.py"
)

// fixture is a model as a library saved it, and what the library itself makes
// of some rows; see .tools/python/trees.py.
type fixture struct {
	Features      []string    `json:"features"`
	Rows          []string    `json:"rows"`
	Margins       []float64   `json:"margins"`
	Responses     []float64   `json:"responses"`
	Contributions [][]float64 `json:"contributions"` // XGBoost alone: with the bias, per row.
	Bias          *float64    `json:"bias"`          // LightGBM alone.

	model []byte
}

// TestGoldenModels compares with models and scores that were written down.
func TestGoldenModels(t *testing.T) {
	compare(t, golden, 20)
}

// TestLibraries trains models with the libraries themselves, now, and compares.
func TestLibraries(t *testing.T) {
	if testing.Short() {
		t.Skip("trains models with LightGBM and XGBoost")
	}
	dir := t.TempDir()
	train(t, dir)
	compare(t, dir, 20)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		train(t, golden, "--small")
	}
}

// train runs the libraries.
func train(t *testing.T, dir string, args ...string) {
	t.Helper()
	_, err := os.Stat(python)
	if err != nil {
		t.Fatalf("LightGBM and XGBoost are not installed; run: make python (%v)", err)
	}
	out, err := exec.CommandContext(t.Context(), python, append([]string{script, dir}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// compare scores every model of a folder, of which there are at least atLeast.
func compare(t *testing.T, dir string, atLeast int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.rows.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < atLeast {
		t.Fatalf("%s has %d models, want at least %d", dir, len(files), atLeast)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".rows.json")
		t.Run(name, func(t *testing.T) { load(t, dir, name).compare(t) })
	}
}

func load(t *testing.T, dir, name string) fixture {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name+".rows.json"))
	if err != nil {
		t.Fatal(err)
	}
	var f fixture
	err = json.Unmarshal(b, &f)
	if err != nil {
		t.Fatal(err)
	}
	suffix := ".json"
	if strings.HasPrefix(name, "lightgbm") {
		suffix = ".txt"
	}
	f.model, err = os.ReadFile(filepath.Join(dir, name+suffix))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// bind lays the model over columns in another order than the file's, with one
// that the model does not know. place maps a feature to its column.
func (f fixture) bind(t *testing.T) (b *trees.Bound, place []int) {
	t.Helper()
	e, err := trees.Parse(f.model)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	columns := append([]string{"not_of_the_model"}, f.Features...)
	slices.Reverse(columns)
	b, err = e.Bind(columns)
	if err != nil {
		t.Fatalf("Bind: %v", err)
	}
	for i := range f.Features {
		place = append(place, len(f.Features)-1-i)
	}
	return b, place
}

func (f fixture) row(t *testing.T, i int, place []int) []float64 {
	t.Helper()
	row := make([]float64, len(place)+1)
	for j, word := range strings.Fields(f.Rows[i]) {
		v, err := strconv.ParseFloat(word, 64)
		if err != nil {
			t.Fatal(err)
		}
		row[place[j]] = v
	}
	return row
}

// tolerance is the difference to the library that is allowed, relative to the
// size of the score where that is above 1.
const tolerance = 1e-6

func differ(got, want float64) bool {
	return !(math.Abs(got-want) <= tolerance*max(1, math.Abs(want)))
}

func (f fixture) compare(t *testing.T) {
	t.Helper()
	b, place := f.bind(t)
	if len(f.Rows) == 0 || len(f.Rows) != len(f.Margins) || len(f.Rows) != len(f.Responses) {
		t.Fatalf("%d rows, %d margins, %d responses", len(f.Rows), len(f.Margins), len(f.Responses))
	}
	worst := 0.0
	for i := range f.Rows {
		row := f.row(t, i, place)
		got := b.Score(row)
		worst = max(worst, math.Abs(got.Margin-f.Margins[i]), math.Abs(got.Response-f.Responses[i]))
		if differ(got.Margin, f.Margins[i]) || differ(got.Response, f.Responses[i]) {
			t.Errorf("row %d [%s]: margin %.9g response %.9g, the library says %.9g and %.9g", i, f.Rows[i], got.Margin, got.Response, f.Margins[i], f.Responses[i])
		}
		contributions := make([]float64, len(row))
		if explained := b.Explain(row, contributions); explained != got {
			t.Errorf("row %d: Explain says %v, Score %v", i, explained, got)
		}
		sum := b.Bias()
		for _, c := range contributions {
			sum += c
		}
		if math.Abs(sum-got.Margin) > sumTolerance {
			t.Errorf("row %d: bias and contributions sum to %.9g, margin %.9g", i, sum, got.Margin)
		}
		if f.Contributions == nil {
			continue
		}
		for j, want := range f.Contributions[i] {
			got := b.Bias()
			if j < len(place) {
				got = contributions[place[j]]
			}
			if math.Abs(got-want) > contributionTolerance {
				t.Errorf("row %d: feature %d contributes %.9g, the library says %.9g", i, j, got, want)
			}
		}
	}
	if f.Bias != nil && differ(b.Bias(), *f.Bias) {
		t.Errorf("bias %.9g, the library says %.9g", b.Bias(), *f.Bias)
	}
	t.Logf("%d rows, largest difference %.2g", len(f.Rows), worst)
}

const (
	// contributionTolerance is wider: XGBoost sums means of single precision.
	contributionTolerance = 2e-5
	// sumTolerance allows for a margin that was summed in single precision.
	sumTolerance = 1e-5
)
