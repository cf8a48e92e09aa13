//go:build soak

package ablation_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/vigil-gateway/vigil/cmd/internal/life/ablation"
)

// TestAblation is the whole table, run by "make ablation".
func TestAblation(t *testing.T) {
	_, err := os.Stdout.WriteString(ablation.Head)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := ablation.Run(options(t, 300, 8, 5, 6, "*"), func(r *ablation.Row) {
		err := r.Print(os.Stdout)
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if file := os.Getenv("ABLATION_JSON"); file != "" {
		b, err := json.MarshalIndent(rows, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		err = os.WriteFile(file, append(b, '\n'), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
}
