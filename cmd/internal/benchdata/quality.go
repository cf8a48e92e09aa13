package benchdata

import (
	"cmp"
	"slices"
)

// Quality is how well scores tell positive rows from the others, each in [0, 1].
type Quality struct {
	// AUC is the area under the ROC curve: the probability that a positive
	// outscores another row, equal scores counted half.
	AUC float64 `json:"auc"`
	// AP is the average precision, equal scores taken together.
	AP float64 `json:"ap"`
	// TPR01, TPR1 and TPR5 are the recall at false-positive rates of at most
	// 0.1, 1 and 5 %.
	TPR01 float64 `json:"tpr_01"`
	TPR1  float64 `json:"tpr_1"`
	TPR5  float64 `json:"tpr_5"`
}

// Judge compares scores, bigger is stranger, with labels. Without both kinds
// of rows it is zero.
func Judge(scores []float64, positive []bool) Quality {
	order := make([]int, len(scores))
	total := 0.0
	for i := range order {
		order[i] = i
		if positive[i] {
			total++
		}
	}
	others := float64(len(scores)) - total
	if total == 0 || others == 0 {
		return Quality{}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	var q Quality
	hits, misses := 0.0, 0.0
	for i := 0; i < len(order); {
		h, m := 0.0, 0.0
		for s := scores[order[i]]; i < len(order) && scores[order[i]] == s; i++ {
			if positive[order[i]] {
				h++
			} else {
				m++
			}
		}
		q.AUC += m * (hits + h/2)
		hits, misses = hits+h, misses+m
		q.AP += h / total * hits / (hits + misses)
		for _, at := range []struct {
			rate float64
			tpr  *float64
		}{{0.001, &q.TPR01}, {0.01, &q.TPR1}, {0.05, &q.TPR5}} {
			if misses <= at.rate*others {
				*at.tpr = hits / total
			}
		}
	}
	q.AUC /= total * others
	return q
}

// mean of several qualities.
func mean(all []Quality) Quality {
	var m Quality
	n := float64(len(all))
	for _, q := range all {
		m.AUC += q.AUC / n
		m.AP += q.AP / n
		m.TPR01 += q.TPR01 / n
		m.TPR1 += q.TPR1 / n
		m.TPR5 += q.TPR5 / n
	}
	return m
}
