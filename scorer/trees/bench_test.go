package trees_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/trees"
)

const benchFeatures = 30

// grown is a LightGBM model of random trees, each grown by splitting a random
// leaf, over features that are uniform in [0, 1).
func grown(count, leaves int) string {
	random := rand.New(rand.NewPCG(1, 2))
	var names []string
	for i := range benchFeatures {
		names = append(names, fmt.Sprintf("feature_%d", i))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=%d\nobjective=binary sigmoid:1\nfeature_names=%s\ntree_sizes=\n\n", benchFeatures-1, strings.Join(names, " "))
	for i := range count {
		left, right := []int{^0}, []int{^1}
		for leaf := 2; leaf < leaves; leaf++ { // Leaf splits in two: itself and a new one.
			old, split := ^random.IntN(leaf), len(left)
			for j := range left {
				if left[j] == old {
					left[j] = split
				} else if right[j] == old {
					right[j] = split
				}
			}
			left, right = append(left, old), append(right, ^leaf)
		}
		column := func(n int, value func() any) string {
			var words []string
			for range n {
				words = append(words, fmt.Sprint(value()))
			}
			return strings.Join(words, " ")
		}
		splits := leaves - 1
		fmt.Fprintf(&b, "Tree=%d\nnum_leaves=%d\nnum_cat=0\n", i, leaves)
		fmt.Fprintf(&b, "split_feature=%s\n", column(splits, func() any { return random.IntN(benchFeatures) }))
		fmt.Fprintf(&b, "threshold=%s\n", column(splits, func() any { return 0.2 + 0.6*random.Float64() }))
		fmt.Fprintf(&b, "decision_type=%s\n", column(splits, func() any { return 10 }))
		fmt.Fprintf(&b, "left_child=%s\nright_child=%s\n", strings.Trim(fmt.Sprint(left), "[]"), strings.Trim(fmt.Sprint(right), "[]"))
		fmt.Fprintf(&b, "leaf_value=%s\n", column(leaves, func() any { return random.NormFloat64() / 10 }))
		fmt.Fprintf(&b, "leaf_count=%s\n\n", column(leaves, func() any { return 1 + random.IntN(100) }))
	}
	return resize(b.String() + "end of trees\n")
}

// benchmark is a model of 100 trees of 31 leaves, and rows for it.
func benchmark(b *testing.B) (*trees.Bound, [][]float64) {
	b.Helper()
	e := parsed(b, grown(100, 31))
	bound, err := e.Bind(e.Features())
	if err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	rows := make([][]float64, 1024)
	for i := range rows {
		rows[i] = make([]float64, benchFeatures)
		for j := range rows[i] {
			rows[i][j] = random.Float64()
		}
	}
	return bound, rows
}

func BenchmarkScore(b *testing.B) {
	bound, rows := benchmark(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		bound.Score(rows[i%len(rows)])
	}
}

func BenchmarkExplain(b *testing.B) {
	bound, rows := benchmark(b)
	contributions := make([]float64, benchFeatures)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		bound.Explain(rows[i%len(rows)], contributions)
	}
}

func BenchmarkParse(b *testing.B) {
	text := []byte(grown(100, 31))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		_, err := trees.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
	}
}
