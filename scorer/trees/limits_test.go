package trees_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/trees"
)

// TestDepthIsBounded hangs one split under the other.
func TestDepthIsBounded(t *testing.T) {
	chain := func(splits int) []byte {
		var feature, threshold, decision, left, right, output []string
		for i := range splits {
			feature, threshold, decision = append(feature, "0"), append(threshold, "0"), append(decision, "0")
			left, right, output = append(left, fmt.Sprint(i+1)), append(right, fmt.Sprint(^i)), append(output, "1")
		}
		left[splits-1], output = fmt.Sprint(^splits), append(output, "1")
		join := func(list []string) string { return strings.Join(list, " ") }
		tree := fmt.Sprintf("Tree=0\nnum_leaves=%d\nnum_cat=0\nsplit_feature=%s\nthreshold=%s\ndecision_type=%s\nleft_child=%s\nright_child=%s\nleaf_value=%s\nleaf_count=%s\n\n",
			splits+1, join(feature), join(threshold), join(decision), join(left), join(right), join(output), join(output))
		head, _, _ := strings.Cut(lightGBMText, "Tree=0")
		return []byte(resize(head + tree + "end of trees\n"))
	}
	_, err := trees.ParseLightGBM(chain(trees.DepthMax))
	if err != nil {
		t.Errorf("%d splits deep: %v", trees.DepthMax, err)
	}
	_, err = trees.ParseLightGBM(chain(trees.DepthMax + 1))
	wantError(t, err, "split 512 is more than 512 splits deep; train with a smaller max_depth")
}

// list is value(0) to value(n-1) with something between.
func list(n int, between string, value func(i int) any) string {
	words := make([]string, n)
	for i := range words {
		words[i] = fmt.Sprint(value(i))
	}
	return strings.Join(words, between)
}

// TestNodesAreBounded reads perfect trees, each as large as a tree may be, until
// all together are too many.
func TestNodesAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 25 MB")
	}
	const leaves, splits = trees.LeavesMax, trees.LeavesMax - 1
	child := func(c int) any { // Of a split in heap order: a leaf is the complement of its number.
		if c < splits {
			return c
		}
		return ^(c - splits)
	}
	zero := func(int) any { return 0 }
	body := fmt.Sprintf("num_leaves=%d\nnum_cat=0\nsplit_feature=%[2]s\nthreshold=%[2]s\ndecision_type=%[2]s\nleft_child=%s\nright_child=%s\nleaf_value=%[5]s\nleaf_count=%[5]s\n\n",
		leaves, list(splits, " ", zero),
		list(splits, " ", func(i int) any { return child(2*i + 1) }), list(splits, " ", func(i int) any { return child(2*i + 2) }),
		list(leaves, " ", zero))
	head, _, _ := strings.Cut(lightGBMText, "Tree=0")
	model := func(n int) []byte {
		return []byte(resize(head + list(n, "", func(i int) any { return fmt.Sprintf("Tree=%d\n%s", i, body) }) + "end of trees\n"))
	}
	const fit = trees.NodesMax / (splits + leaves)
	_, err := trees.ParseLightGBM(model(fit))
	if err != nil {
		t.Errorf("%d trees: %v", fit, err)
	}
	_, err = trees.ParseLightGBM(model(fit + 1))
	wantError(t, err, fmt.Sprintf("tree %d: ", fit))
	wantError(t, err, "the model has more than 2097152 splits and leaves; train fewer or smaller trees")
}

// TestCategoriesAreBounded reads a perfect tree all of whose sets are as large
// as a set may be.
func TestCategoriesAreBounded(t *testing.T) {
	model := func(splits int) []byte {
		n := 2*splits + 1
		splitOr := func(split func(i int) any, leaf any) func(int) any {
			return func(i int) any {
				if i < splits {
					return split(i)
				}
				return leaf
			}
		}
		zero := func(int) any { return 0 }
		one := func(int) any { return 1 }
		tree := fmt.Sprintf(`{"left_children": [%s], "right_children": [%s], "split_type": [%s], "split_indices": [%s], "split_conditions": [%[4]s],
			"default_left": [%[4]s], "sum_hessian": [%[4]s], "tree_param": {"num_nodes": "%d"},
			"categories": [%s], "categories_nodes": [%s], "categories_segments": [%[7]s], "categories_sizes": [%[8]s]}`,
			list(n, ",", splitOr(func(i int) any { return 2*i + 1 }, -1)), list(n, ",", splitOr(func(i int) any { return 2*i + 2 }, -1)),
			list(n, ",", splitOr(one, 0)), list(n, ",", zero), n,
			list(splits, ",", func(int) any { return trees.CategoryMax }), list(splits, ",", func(i int) any { return i }), list(splits, ",", one))
		from, to := strings.Index(xgboostText, `"trees": [`), strings.Index(xgboostText, `]}},`)
		return []byte(edit(t, xgboostText[:from]+`"trees": [`+tree+xgboostText[to:], `"tree_info": [0, 0]`, `"tree_info": [0]`, `"num_trees": "2"`, `"num_trees": "1"`))
	}
	const fit = trees.CategoryWordsMax / ((trees.CategoryMax + 1) / 32)
	_, err := trees.ParseXGBoost(model(fit))
	if err != nil {
		t.Errorf("%d sets: %v", fit, err)
	}
	_, err = trees.ParseXGBoost(model(fit + 1))
	wantError(t, err, "the categories of all splits take more than 4194304 words; train on smaller codes")
}

// TestFeaturesAreBounded names one feature too many.
func TestFeaturesAreBounded(t *testing.T) {
	names := func(n int) []byte {
		text := edit(t, xgboostText, `["bytes", "country", "failures"]`, "["+list(n, ",", func(i int) any { return fmt.Sprintf(`"f%d"`, i) })+"]")
		return []byte(edit(t, text, `"num_feature": "3", "num_target"`, fmt.Sprintf(`"num_feature": "%d", "num_target"`, n)))
	}
	_, err := trees.ParseXGBoost(names(trees.FeaturesMax))
	if err != nil {
		t.Errorf("%d features: %v", trees.FeaturesMax, err)
	}
	_, err = trees.ParseXGBoost(names(trees.FeaturesMax + 1))
	wantError(t, err, "learner.feature_names: 4097 features, at most 4096; train on fewer")
}
