//go:build soak

package poison_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/vigil-gateway/vigil/cmd/internal/life/poison"
)

// TestPoison is the whole table, run by "make bench-poison".
func TestPoison(t *testing.T) {
	o := options(80, 14)
	o.Each = func(r poison.Row) { t.Log(r.Attack, r.Cells) }
	r := measure(t, o)
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
