package benchdata_test

import (
	"math"
	"testing"

	"github.com/vigil-gateway/vigil/cmd/internal/benchdata"
)

func TestJudge(t *testing.T) {
	tests := map[string]struct {
		scores   []float64
		positive []bool
		auc, ap  float64
	}{
		"all right":                   {[]float64{4, 3, 2, 1}, []bool{true, true, false, false}, 1, 1},
		"all wrong":                   {[]float64{1, 2, 3, 4}, []bool{true, false, false, false}, 0, .25},
		"equal scores tell nothing":   {[]float64{1, 1, 1, 1}, []bool{true, false, true, false}, .5, .5},
		"one of two behind one other": {[]float64{4, 3, 2, 1}, []bool{true, false, true, false}, .75, (1 + 2./3) / 2},
		"only one kind of row":        {[]float64{4, 3}, []bool{true, true}, 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := benchdata.Judge(tt.scores, tt.positive)
			if math.Abs(got.AUC-tt.auc) > 1e-12 || math.Abs(got.AP-tt.ap) > 1e-12 {
				t.Errorf("Judge = %+v, want AUC %v, average precision %v", got, tt.auc, tt.ap)
			}
		})
	}
}

func TestRecallAtAFalsePositiveRate(t *testing.T) {
	scores, positive := make([]float64, 1100), make([]bool, 1100)
	for i := range scores {
		scores[i] = float64(-i)
		positive[i] = i >= 5 && i < 105 // Five others before, so .5 % false positives.
	}
	got := benchdata.Judge(scores, positive)
	if got.TPR01 != 0 || got.TPR1 != 1 || got.TPR5 != 1 {
		t.Errorf("Judge = %+v, want no recall at 0.1 %%, all at 1 and 5 %%", got)
	}
}
