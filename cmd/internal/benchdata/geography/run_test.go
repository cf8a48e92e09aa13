package geography_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/vigil-gateway/vigil/cmd/internal/benchdata/geography"
)

const shipped = "../../../../testdata/bench/maxmind-testdata"

func TestTheGatewaySaysWhatTheSourcesSay(t *testing.T) {
	results, err := geography.Run(t.Context(), shipped)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(geography.Names()) {
		t.Fatalf("%d databases, want %d", len(results), len(geography.Names()))
	}
	for _, r := range results {
		if r.Exact != r.Asked || r.Asked < 10 {
			t.Errorf("%s: %d of %d exact\n%s", r.Name, r.Exact, r.Asked, results)
		}
	}
}

func TestAnotherSourceIsNoticed(t *testing.T) {
	dir := t.TempDir()
	err := os.CopyFS(dir, os.DirFS(shipped))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "GeoLite2-ASN-Test.source.json")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(name, bytes.Replace(b, []byte(`"autonomous_system_number": 15169`), []byte(`"autonomous_system_number": 15170`), 1), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	results, err := geography.Run(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if r := results[1]; r.Exact != r.Asked-1 || len(r.Wrong) != 1 {
		t.Errorf("one network of the source is another: %d of %d exact, %v", r.Exact, r.Asked, r.Wrong)
	}
}

func TestNoSet(t *testing.T) {
	_, err := geography.Run(t.Context(), t.TempDir())
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Run without a set = %v, want %v", err, fs.ErrNotExist)
	}
}
