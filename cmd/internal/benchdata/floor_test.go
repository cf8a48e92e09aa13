package benchdata_test

import (
	"slices"
	"testing"

	"github.com/vigil-gateway/vigil/cmd/internal/benchdata"
)

const shipped = "../../../testdata/bench"

// floors are a little below what was measured when they were last raised: a
// test that turns red has found a regression.
func TestQualityStaysAboveItsFloor(t *testing.T) {
	floors := map[string]benchdata.Quality{
		"smtp":       {AUC: .90, AP: .25},
		"syn":        {AUC: .970, AP: .88},
		"thyroid":    {AUC: .970, AP: .56},
		"cardio":     {AUC: .880, AP: .47},
		"ionosphere": {AUC: .885, AP: .85},
	}
	for name, floor := range floors {
		t.Run(name, func(t *testing.T) {
			row := measure(t, name, func(s *benchdata.Set) *benchdata.Set { return s })
			if row.Now.AUC < floor.AUC || row.Now.AP < floor.AP {
				t.Errorf("AUC %.4f, average precision %.3f; floors %.4f, %.3f", row.Now.AUC, row.Now.AP, floor.AUC, floor.AP)
			}
			if len(row.Hash) != 16 {
				t.Errorf("hash %q", row.Hash)
			}
		})
	}
}

// TestTheOrderOfColumnsMeansNothing turns the columns round: names are not
// even known to a detector.
func TestTheOrderOfColumnsMeansNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("forty orders of three tables")
	}
	for _, name := range []string{"thyroid", "cardio", "ionosphere"} {
		t.Run(name, func(t *testing.T) {
			as := measure(t, name, func(s *benchdata.Set) *benchdata.Set { return s })
			turned := measure(t, name, func(s *benchdata.Set) *benchdata.Set {
				s.Values = slices.Clone(s.Values)
				for i := range s.Rows() {
					slices.Reverse(s.Row(i))
				}
				return s
			})
			if d := as.Now.AUC - turned.Now.AUC; max(d, -d) > 0.005 {
				t.Errorf("AUC %.4f, with the columns turned round %.4f", as.Now.AUC, turned.Now.AUC)
			}
		})
	}
}

func measure(t *testing.T, name string, change func(*benchdata.Set) *benchdata.Set) benchdata.Row {
	t.Helper()
	e, set := load(t, name)
	row, err := benchdata.Run(t.Context(), e, change(set), benchdata.Choice{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func load(t *testing.T, name string) (benchdata.Entry, *benchdata.Set) {
	t.Helper()
	picked, err := benchdata.Pick([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	set, err := picked[0].Load(shipped)
	if err != nil {
		t.Fatal(err)
	}
	return picked[0], set
}
