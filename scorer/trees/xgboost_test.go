package trees_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vigil-gateway/vigil/scorer/trees"
)

// xgboostText is a model of two trees that a person can evaluate: bytes below
// 0.1, then country in {1, 33} goes right; and failures below 2, or missing.
// Node 5 of the first tree was pruned. The base score is worth 0.
const xgboostText = `{"learner": {"attributes": {},
 "feature_names": ["bytes", "country", "failures"], "feature_types": ["q", "c", "q"],
 "gradient_booster": {"name": "gbtree", "model": {
  "cats": {"enc": []}, "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "2"}, "tree_info": [0, 0],
  "trees": [
   {"left_children": [1, 3, -1, -1, -1, -1], "right_children": [2, 4, -1, -1, -1, -1],
    "split_indices": [0, 1, 0, 0, 0, 2147483647], "split_conditions": [0.1, NaN, 4, 2, 1, 7],
    "default_left": [0, 1, 0, 0, 0, 0], "sum_hessian": [4, 2, 1, 2, 1, 0], "split_type": [0, 1, 0, 0, 0, 0],
    "categories": [1, 33], "categories_nodes": [1], "categories_segments": [0], "categories_sizes": [2],
    "tree_param": {"num_deleted": "1", "num_feature": "3", "num_nodes": "6", "size_leaf_vector": "1"}},
   {"left_children": [1, -1, -1], "right_children": [2, -1, -1],
    "split_indices": [2, 0, 0], "split_conditions": [2, 10, 20],
    "default_left": [true, false, false], "sum_hessian": [4, 3, 1],
    "tree_param": {"num_nodes": "3"}}]}},
 "learner_model_param": {"base_score": "[5E-1]", "num_class": "0", "num_feature": "3", "num_target": "1"},
 "objective": {"name": "binary:logistic"}}, "version": [3, 2, 0]}`

// dart makes the model one of booster dart.
var dart = []string{
	`"name": "gbtree", "model": {`, `"name": "dart", "weight_drop": [1, 0.5], "gbtree": {"name": "gbtree", "model": {`,
	`"num_nodes": "3"}}]}},`, `"num_nodes": "3"}}]}}},`,
}

// TestXGBoostByHand scores rows whose answer a person can read off the model.
func TestXGBoostByHand(t *testing.T) {
	nan := math.NaN()
	tests := map[string]struct {
		row   []float64 // bytes, country, failures
		edits []string
		want  float64
	}{
		"a listed category goes right":                       {row: []float64{0, 1, 0}, want: 11},
		"a listed category of the second word goes right":    {row: []float64{0, 33, 0}, want: 11},
		"a category that is not listed goes left":            {row: []float64{0, 2, 0}, want: 12},
		"a category beyond the set goes left":                {row: []float64{0, 1e9, 0}, want: 12},
		"a negative category goes left":                      {row: []float64{0, -0.5, 0}, want: 12},
		"a category is cut to a whole number":                {row: []float64{0, 1.9, 0}, want: 11},
		"a category is rounded to single precision first":    {row: []float64{0, 0.99999999999, 0}, want: 11},
		"a missing category goes where the default says":     {row: []float64{0, nan, 0}, want: 12},
		"the threshold itself goes right":                    {row: []float64{float64(float32(0.1)), 1, 0}, want: 14},
		"what rounds to the threshold goes right":            {row: []float64{0.1, 1, 0}, want: 14},
		"what rounds below the threshold goes left":          {row: []float64{0.09999999, 1, 0}, want: 11},
		"missing goes where the default says":                {row: []float64{nan, 1, nan}, want: 14},
		"infinities have their place":                        {row: []float64{math.Inf(-1), math.Inf(1), math.Inf(1)}, want: 22},
		"the base score is added as a margin":                {row: []float64{0, 1, 0}, edits: []string{"[5E-1]", "[2.689414213699951E-1]"}, want: 10},
		"a base score without brackets, as before 3.1":       {row: []float64{0, 1, 0}, edits: []string{`"[5E-1]"`, `"5E-1"`}, want: 11},
		"a base score of a regression is a margin":           {row: []float64{0, 1, 0}, edits: []string{"binary:logistic", "reg:squarederror"}, want: 11.5},
		"dart weighs its trees":                              {row: []float64{0, 1, 0}, edits: dart, want: 6},
		"version 1, which wrote fewer parameters":            {row: []float64{0, 1, 0}, edits: []string{"[3, 2, 0]", "[1, 4, 0]", `, "num_target": "1"`, "", `"cats": {"enc": []},`, ""}, want: 11},
		"not a number and infinity in what is not read":      {row: []float64{0, 1, 0}, edits: []string{`"attributes"`, `"x": [NaN, Infinity, -Infinity, "NaN \" NaN"], "attributes"`}, want: 11},
		"a model that ends early keeps its name for a class": {row: []float64{0, 1, 0}, edits: []string{`"num_class": "0"`, `"num_class": "1"`}, want: 11},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e, err := trees.ParseXGBoost([]byte(edit(t, xgboostText, tt.edits...)))
			if err != nil {
				t.Fatal(err)
			}
			b, err := e.Bind(e.Features())
			if err != nil {
				t.Fatal(err)
			}
			if got := b.Score(tt.row).Margin; math.Abs(got-tt.want) > 1e-6 {
				t.Errorf("margin = %g, want %g", got, tt.want)
			}
		})
	}
}

// TestXGBoostFaults edits the model and expects the error to say where and what.
func TestXGBoostFaults(t *testing.T) {
	const tree0, tree1 = "learner.gradient_booster.model.trees[0]", "learner.gradient_booster.model.trees[1]"
	tests := map[string]struct {
		edits []string
		want  string
	}{
		"a file that was cut":                      {[]string{xgboostText[600:], ""}, "byte 600: unexpected end of JSON input; the file was cut or changed"},
		"a letter that was changed":                {[]string{`"tree_info": [`, `"tree_info": {`}, "byte 274: invalid character '0' looking for beginning of object key string; the file was cut or changed"},
		"the binary form":                          {[]string{`{"learner"`, "{L\x00\x00\x00\x00\x00\x00\x00\x07learner"}, "byte 1: looks like XGBoost's binary form (UBJSON); save the model with Booster.save_model, to NAME.json"},
		"JSON of something else":                   {[]string{xgboostText, "{}"}, "version: is missing; not an XGBoost model"},
		"a version to come":                        {[]string{"[3, 2, 0]", "[4, 0, 0]"}, "version: 4 is not known, only 1 to 3"},
		"a version that is text":                   {[]string{"[3, 2, 0]", `"3"`}, "version (byte 1197): is string, want a list"},
		"several classes":                          {[]string{`"num_class": "0"`, `"num_class": "3"`}, `learner.learner_model_param.num_class: is "3"; only models with one output are read`},
		"several targets":                          {[]string{`"num_target": "1"`, `"num_target": "2"`}, `learner.learner_model_param.num_target: is "2"; only`},
		"no names":                                 {[]string{`["bytes", "country", "failures"]`, "[]"}, "learner.feature_names: is empty, and features are found by name; name the columns when you train"},
		"names beyond all measure":                 {[]string{`["bytes"`, `["` + strings.Repeat("x", 2<<20) + `"`}, "learner.feature_names: has 2097179 bytes, at most 1064960"},
		"a list of names that is a number":         {[]string{`["bytes", "country", "failures"]`, "7"}, "learner.feature_names"},
		"a name that is empty":                     {[]string{`"bytes"`, `""`}, "learner.feature_names: feature 0 has no name"},
		"two features of one name":                 {[]string{`"bytes"`, `"country"`}, `learner.feature_names: two features are named "country"`},
		"more names than features":                 {[]string{`"num_feature": "3", "num_target"`, `"num_feature": "2", "num_target"`}, `learner.learner_model_param.num_feature: is "2", but feature_names has 3`},
		"no number of features":                    {[]string{`"num_feature": "3", "num_target"`, `"num_target"`}, `learner.learner_model_param.num_feature: is "", but`},
		"an objective that is not read":            {[]string{"binary:logistic", "multi:softprob"}, `learner.objective.name: "multi:softprob" is not read; train binary:logistic`},
		"no objective":                             {[]string{`{"name": "binary:logistic"}`, "{}"}, `learner.objective.name: "" is not read`},
		"no base score":                            {[]string{`"base_score": "[5E-1]", `, ""}, `learner.learner_model_param.base_score: "" is not one finite number`},
		"several base scores":                      {[]string{"[5E-1]", "[5E-1,5E-1]"}, `base_score: "[5E-1,5E-1]" is not one finite number; the file is damaged, or the model has several outputs`},
		"a base score that is not a number":        {[]string{"[5E-1]", "[nan]"}, `base_score: "[nan]" is not one finite number`},
		"a base score that is no probability":      {[]string{"[5E-1]", "[1E0]"}, "base_score: 1 is not a probability between 0 and 1, as objective binary:logistic asks"},
		"a linear model":                           {[]string{`"name": "gbtree"`, `"name": "gblinear"`}, "learner.gradient_booster.name: gblinear is a linear model, not trees"},
		"a booster that is not known":              {[]string{`"name": "gbtree"`, `"name": "forest"`}, `learner.gradient_booster.name: "forest" is not known`},
		"a booster without a model":                {[]string{`"model": {`, `"mode": {`}, "learner.gradient_booster.model: is missing"},
		"dart without its trees":                   {[]string{`"name": "gbtree"`, `"name": "dart"`}, "learner.gradient_booster.gbtree.model: is missing"},
		"dart with fewer weights than trees":       {append([]string{}, dart[0], edit(t, dart[1], "[1, 0.5]", "[1]"), dart[2], dart[3]), "learner.gradient_booster.weight_drop: has 1 entries for 2 trees"},
		"no trees":                                 {[]string{xgboostText[strings.Index(xgboostText, `"trees": [`)+10 : strings.Index(xgboostText, `]}},`)], ""}, "learner.gradient_booster.model.trees: the model has no trees"},
		"fewer trees than it says":                 {[]string{`"num_trees": "2"`, `"num_trees": "3"`}, `gbtree_model_param.num_trees: is "3", but there are 2 trees`},
		"fewer groups than trees":                  {[]string{`"tree_info": [0, 0]`, `"tree_info": [0]`}, "learner.gradient_booster.model.tree_info: has 1 entries for 2 trees"},
		"a group beyond the first":                 {[]string{`"tree_info": [0, 0]`, `"tree_info": [0, 1]`}, "learner.gradient_booster.model.tree_info[1]: is 1, but the model has one output"},
		"more trees than the limit":                {[]string{`"trees": [`, `"trees": [` + strings.Repeat("{},", trees.TreesMax)}, "trees: more than 10000; train fewer"},
		"categories that a data frame has coded":   {[]string{`"enc": []`, `"enc": [{"values": [1]}]`}, "learner.gradient_booster.model.cats: the model was trained on categories that the data frame has coded"},
		"a text where a number should be":          {[]string{`"left_children": [1, 3`, `"left_children": ["1", 3`}, "trees[0].left_children: is string, want a number"},
		"leaves that hold vectors":                 {[]string{`"size_leaf_vector": "1"`, `"size_leaf_vector": "3"`}, tree0 + ".tree_param.size_leaf_vector: the leaves hold vectors"},
		"fewer nodes than it says":                 {[]string{`"num_nodes": "3"`, `"num_nodes": "4"`}, tree1 + `.tree_param.num_nodes: is "4", but left_children has 3 entries`},
		"a tree without nodes":                     {[]string{`"left_children": [1, -1, -1]`, `"left_children": []`, `"num_nodes": "3"`, `"num_nodes": "0"`}, tree1 + `.tree_param.num_nodes: is "0"`},
		"a column that is too short":               {[]string{`"sum_hessian": [4, 3, 1]`, `"sum_hessian": [4, 3]`}, tree1 + ".sum_hessian: has 2 entries for 3 nodes"},
		"a column that is missing":                 {[]string{`"default_left": [true, false, false],`, ""}, tree1 + ".default_left: has 0 entries for 3 nodes"},
		"a column of kinds that is too short":      {[]string{`"split_type": [0, 1, 0, 0, 0, 0]`, `"split_type": [0, 1]`}, tree0 + ".split_type: has 2 entries for 6 nodes"},
		"a condition that is not a number":         {[]string{"[2, 10, 20]", "[NaN, 10, 20]"}, tree1 + ": node 0: the threshold is not a number"},
		"an output that is not a number":           {[]string{"[2, 10, 20]", "[2, 10, -Infinity]"}, tree1 + ": node 2: output NaN is not a number within"},
		"an output beyond all measure":             {[]string{"[2, 10, 20]", "[2, 10, 1e31]"}, tree1 + ": node 2: output 1e+31 is not a number within"},
		"a condition beyond single precision":      {[]string{"[2, 10, 20]", "[2, 10, 1e39]"}, `trees[1].split_conditions[2]: "1e39" is not a number in single precision`},
		"a negative cover":                         {[]string{`"sum_hessian": [4, 3, 1]`, `"sum_hessian": [4, 3, -1]`}, tree1 + ": node 2: cover -1 is not a count"},
		"a split on a feature beyond the names":    {[]string{`"split_indices": [2, 0, 0]`, `"split_indices": [3, 0, 0]`}, tree1 + ": node 0: splits on feature 3, but the model has 3"},
		"a split on a negative feature":            {[]string{`"split_indices": [2, 0, 0]`, `"split_indices": [-1, 0, 0]`}, tree1 + ": node 0: splits on feature -1"},
		"a split that is its own child":            {[]string{`"left_children": [1, -1, -1]`, `"left_children": [0, -1, -1]`}, tree1 + ": node 0 has two parents or is its own ancestor"},
		"a cycle further down":                     {[]string{`"right_children": [2, 4`, `"right_children": [2, 0`}, tree0 + ": node 0 has two parents or is its own ancestor"},
		"a child beyond the nodes":                 {[]string{`"right_children": [2, -1, -1]`, `"right_children": [3, -1, -1]`}, tree1 + ": node 0 has child 3, which is not in the tree"},
		"a child that is negative":                 {[]string{`"left_children": [1, -1, -1]`, `"left_children": [-2, -1, -1]`}, tree1 + ": node 0 has child -2, which is not in the tree"},
		"a set of categories that is missing":      {[]string{`"categories_nodes": [1]`, `"categories_nodes": [2]`}, tree0 + ".split_type[1]: is categorical, but categories_nodes does not list the node"},
		"columns of sets that differ":              {[]string{`"categories_sizes": [2]`, `"categories_sizes": []`}, tree0 + ".categories_nodes: has 1 entries, categories_segments 1 and categories_sizes 0"},
		"a set beyond the categories":              {[]string{`"categories_sizes": [2]`, `"categories_sizes": [3]`}, tree0 + ".categories_segments[0]: 3 entries from 0, but categories has 2"},
		"a set whose size is beyond all integers":  {[]string{`"categories_segments": [0]`, `"categories_segments": [1]`, `"categories_sizes": [2]`, `"categories_sizes": [9223372036854775807]`}, tree0 + ".categories_segments[0]: 9223372036854775807 entries from 1"},
		"a category above the limit":               {[]string{`"categories": [1, 33]`, `"categories": [1, 65536]`}, tree0 + ": node 1: category 65536 is not in 0 to 65535"},
		"a negative category":                      {[]string{`"categories": [1, 33]`, `"categories": [1, -1]`}, tree0 + ": node 1: category -1 is not in 0 to 65535"},
		"nesting without end":                      {[]string{`"attributes": {}`, `"attributes": ` + strings.Repeat("[", 20000)}, "exceeded max depth"},
		"a list of trees that is an object":        {[]string{`"trees": [`, `"trees": {"a": [`, `]}},`, `]}}},`}, "trees: is not a list"},
		"a tree that is a number":                  {[]string{`"trees": [`, `"trees": [5, `}, "trees[0]: is number, want an object"},
		"a default that is neither number nor yes": {[]string{`"default_left": [true, false, false]`, `"default_left": ["x", 1, 1]`}, "trees[1].default_left: is string, want a number"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := trees.ParseXGBoost([]byte(edit(t, xgboostText, tt.edits...)))
			wantError(t, err, tt.want)
		})
	}
}

// TestXGBoostComparesInSinglePrecision compares a split with the comparison
// itself, around thresholds where rounding decides.
func TestXGBoostComparesInSinglePrecision(t *testing.T) {
	least, most := math.Inf(-1), math.Inf(1)
	around := func(t interface{ Fatalf(string, ...any) }, threshold float32) {
		e, err := trees.ParseXGBoost([]byte(strings.Replace(xgboostText, "[2, 10, 20]", fmt.Sprintf("[%g, 10, 20]", threshold), 1)))
		if err != nil {
			t.Fatalf("%v", err)
		}
		b, err := e.Bind(e.Features())
		if err != nil {
			t.Fatalf("%v", err)
		}
		below := math.Nextafter32(threshold, float32(least))
		for _, middle := range []float64{
			float64(threshold), float64(below), (float64(threshold) + float64(below)) / 2,
			math.MaxFloat32 + 1<<103, -math.MaxFloat32 - 1<<103, 0, most, least,
		} {
			for _, x := range []float64{math.Nextafter(middle, least), middle, math.Nextafter(middle, most)} {
				want := 24.0
				if float32(x) < threshold {
					want = 14
				}
				if got := b.Score([]float64{1, 1, x}).Margin; got != want {
					t.Fatalf("%.17g (single %g) < %g: margin %g, want %g", x, float32(x), threshold, got, want)
				}
			}
		}
	}
	for _, threshold := range []float32{0, math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, 1, -1, 0.1, 1 << 24} {
		around(t, threshold)
	}
	rapid.Check(t, func(t *rapid.T) {
		around(t, rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32).Draw(t, "threshold"))
	})
}
