//go:build soak

package poison_test

import (
	"encoding/json"
	"os"
	"testing"
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
