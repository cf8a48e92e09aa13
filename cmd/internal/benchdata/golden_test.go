package benchdata_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/cmd/internal/benchdata"
)

// TestScoresAreThoseOfTheGolden compares the raw scores of the tables that ship, bit
// for bit, as they are stored and in one other order. A new line in the golden is
// another detector: its figures are to be measured and looked at anew.
func TestScoresAreThoseOfTheGolden(t *testing.T) {
	const golden = shipped + "/scores.golden"
	var b strings.Builder
	for _, name := range []string{"smtp", "syn", "thyroid", "cardio", "ionosphere"} {
		e, set := load(t, name)
		e.Ordered = true
		for _, c := range []benchdata.Choice{{Seed: 1}, {Seed: 1, Shuffle: 1}} {
			r, err := benchdata.Run(t.Context(), e, set, c)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s %s %d rows %s\n", r.Set, r.Order, r.Rows, r.Hash)
		}
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		err := os.WriteFile(golden, []byte(b.String()), 0o644)
		if err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("the detector scores otherwise (-want +got); UPDATE_GOLDEN=1 accepts it:\n%s", diff)
	}
}

// TestOrders measures a small table in both orders.
func TestOrders(t *testing.T) {
	set := &benchdata.Set{Columns: 1}
	for i := range 300 {
		set.Values, set.Positive = append(set.Values, float64(i%7+100*(i%50/49))), append(set.Positive, i%50 == 49)
	}
	tests := map[string]struct {
		entry benchdata.Entry
		other bool
		want  string
	}{
		"what has a time is judged as stored":          {benchdata.Entry{Ordered: true}, false, "stored"},
		"and can be shuffled":                          {benchdata.Entry{Ordered: true}, true, "mean of 10"},
		"what has none is judged by ten shuffles":      {benchdata.Entry{}, false, "mean of 10"},
		"and can be measured as it happens to be kept": {benchdata.Entry{}, true, "stored"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.entry.Asked = benchdata.Quality{AUC: .9}
			r, err := benchdata.Run(t.Context(), tt.entry, set, benchdata.Choice{Seed: 1, Other: tt.other})
			if err != nil {
				t.Fatal(err)
			}
			if r.Order != tt.want || (r.Asked.AUC == 0) != tt.other {
				t.Errorf("measured as %q, asked %+v", r.Order, r.Asked)
			}
		})
	}
}
