//go:build soak

package poison_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/life/poison"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// TestPoison is the whole table, run by "make bench-poison".
func TestPoison(t *testing.T) {
	r := measure(t, options(80, 14))
	if file := os.Getenv("POISON_JSON"); file != "" {
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		err = os.WriteFile(file, append(b, '\n'), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func options(subjects, settled int) poison.Options {
	return poison.Options{
		Seed: 1, Start: time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC), Subjects: subjects, Settled: settled, Model: model.Default(),
	}
}

func measure(t *testing.T, o poison.Options) *poison.Report {
	t.Helper()
	r, err := poison.Run(o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	err = r.Print(&b)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(b.String())
	return r
}
