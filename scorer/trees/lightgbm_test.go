package trees_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/trees"
)

// lightGBMText is a model of two trees that a person can evaluate: bytes at
// most 10.5, then country in {1, 33}; and failures at most 2, or missing.
const lightGBMText = `tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=2
objective=binary sigmoid:1
feature_names=bytes country failures
feature_infos=[0:100] -1:1:33:2 [0:9]
tree_sizes=

Tree=0
num_leaves=3
num_cat=1
split_feature=0 1
split_gain=2 1
threshold=10.5 0
decision_type=2 1
left_child=1 -1
right_child=-2 -3
leaf_value=1 2 4
leaf_weight=1 1 1
leaf_count=1 2 1
internal_value=0 0
internal_weight=4 2
internal_count=4 2
cat_boundaries=0 2
cat_threshold=2 2
is_linear=0
shrinkage=1


Tree=1
num_leaves=2
num_cat=0
split_feature=2
split_gain=1
threshold=2
decision_type=10
left_child=-1
right_child=-2
leaf_value=10 20
leaf_weight=1 1
leaf_count=3 1
internal_value=0
internal_weight=4
internal_count=4
is_linear=0
shrinkage=1


end of trees

feature_importances:
bytes=1

parameters:
[boosting: gbdt]
end of parameters

pandas_categorical:null
`

// resize makes tree_sizes say what the trees measure.
func resize(text string) string {
	before, rest, ok := strings.Cut(text, "\ntree_sizes=")
	if !ok {
		return text
	}
	_, body, _ := strings.Cut(rest, "\n")
	var sizes []string
	parts := strings.Split(body, "\nTree=")
	for _, part := range parts[1:] {
		part, _, _ = strings.Cut(part, "\nend of trees")
		sizes = append(sizes, fmt.Sprint(len("\nTree=")+len(part)))
	}
	return before + "\ntree_sizes=" + strings.Join(sizes, " ") + "\n" + body
}

// edit replaces what must be there.
func edit(t *testing.T, text string, edits ...string) string {
	t.Helper()
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			t.Fatalf("the text has no %q to replace", edits[i])
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	return text
}

// TestLightGBMByHand scores rows whose answer a person can read off the model.
func TestLightGBMByHand(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	tests := map[string]struct {
		row   []float64 // bytes, country, failures
		edits []string
		want  float64
	}{
		"at the threshold goes left, a listed category left":     {row: []float64{10.5, 1, 0}, want: 11},
		"a listed category of the second word":                   {row: []float64{0, 33, 0}, want: 11},
		"a category that is not listed goes right":               {row: []float64{0, 2, 0}, want: 14},
		"a category beyond the set goes right":                   {row: []float64{0, 1e9, 0}, want: 14},
		"a negative category goes right":                         {row: []float64{0, -1, 0}, want: 14},
		"a category is cut to a whole number":                    {row: []float64{0, 1.9, 0}, want: 11},
		"a missing category goes right":                          {row: []float64{0, nan, 0}, want: 14},
		"above the threshold goes right":                         {row: []float64{10.6, 1, 3}, want: 22},
		"missing is zero where training saw none missing":        {row: []float64{nan, 1, 0}, want: 11},
		"missing goes where the default says":                    {row: []float64{0, 1, nan}, want: 11},
		"missing goes right where the default is right":          {row: []float64{0, 1, nan}, edits: []string{"decision_type=10", "decision_type=8"}, want: 21},
		"zero is missing where training said so":                 {row: []float64{0, 1, 0}, edits: []string{"decision_type=10", "decision_type=4"}, want: 21},
		"what is nearly zero is zero":                            {row: []float64{0, 1, -1e-36}, edits: []string{"decision_type=10", "decision_type=4"}, want: 21},
		"the largest zero is missing":                            {row: []float64{0, 1, 1.0000000180025095e-35}, edits: []string{"decision_type=10", "decision_type=4"}, want: 21},
		"what is just above it is there":                         {row: []float64{0, 1, math.Nextafter(1.0000000180025095e-35, 1)}, edits: []string{"decision_type=10", "decision_type=4"}, want: 11},
		"a category is cut to zero also from below":              {row: []float64{0, -0.5, 0}, edits: []string{"cat_threshold=2", "cat_threshold=3"}, want: 11},
		"missing as zero goes left at a threshold of zero":       {row: []float64{nan, 1, 0}, edits: []string{"threshold=10.5", "threshold=0"}, want: 11},
		"missing as zero goes right at one below":                {row: []float64{nan, 1, 0}, edits: []string{"threshold=10.5", "threshold=-1"}, want: 12},
		"what is not zero is not missing":                        {row: []float64{0, 1, 1e-34}, edits: []string{"decision_type=10", "decision_type=4"}, want: 11},
		"infinities have their place":                            {row: []float64{-inf, inf, inf}, want: 24},
		"an infinite threshold parts the present from the rest":  {row: []float64{1e300, 1, 0}, edits: []string{"threshold=10.5 0", "threshold=inf 0"}, want: 11},
		"a random forest is a mean":                              {row: []float64{0, 1, 0}, edits: []string{"feature_names", "average_output\nfeature_names"}, want: 5.5},
		"version v3 is read as v4":                               {row: []float64{0, 1, 0}, edits: []string{"version=v4", "version=v3"}, want: 11},
		"a file without the Python package's note is complete":   {row: []float64{0, 1, 0}, edits: []string{"pandas_categorical:null\n", ""}, want: 11},
		"a double space between two values is harmless":          {row: []float64{0, 1, 0}, edits: []string{"leaf_value=1 2", "leaf_value=1  2"}, want: 11},
		"is_linear may be left out, as older versions leave out": {row: []float64{0, 1, 0}, edits: []string{"is_linear=0\n", ""}, want: 11},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e, err := trees.ParseLightGBM([]byte(resize(edit(t, lightGBMText, tt.edits...))))
			if err != nil {
				t.Fatal(err)
			}
			b, err := e.Bind(e.Features())
			if err != nil {
				t.Fatal(err)
			}
			if got := b.Score(tt.row).Margin; got != tt.want {
				t.Errorf("margin = %g, want %g", got, tt.want)
			}
		})
	}
}

// TestLightGBMFaults edits the model and expects the error to say where and what.
func TestLightGBMFaults(t *testing.T) {
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	tests := map[string]struct {
		edits []string
		want  string
	}{
		"a version that is not known":           {[]string{"version=v4", "version=v2"}, `line 2: version: version "v2" is not known, only v3 and v4`},
		"no version":                            {[]string{"version=v4\n", ""}, "line 9: there is no version"},
		"several classes":                       {[]string{"num_class=1", "num_class=3"}, "line 3: num_class: the model has 3 outputs"},
		"a number of classes that is none":      {[]string{"num_class=1", "num_class=x"}, `line 3: num_class: "x" is not a whole number`},
		"an objective that is not read":         {[]string{"binary sigmoid:1", "lambdarank"}, `line 7: objective: objective "lambdarank" is not read; binary, cross_entropy and regression are`},
		"an empty objective":                    {[]string{"binary sigmoid:1", ""}, `line 7: objective: objective "" is not read`},
		"a loss of one's own":                   {[]string{"objective=binary sigmoid:1\n", ""}, "line 9: there is no objective"},
		"a label that was transformed":          {[]string{"binary sigmoid:1", "regression sqrt"}, "train without it"},
		"no sigmoid":                            {[]string{" sigmoid:1", ""}, "line 7: objective: objective binary has no sigmoid"},
		"a sigmoid of zero":                     {[]string{"sigmoid:1", "sigmoid:0"}, `line 7: objective: sigmoid "0" is not a number above 0`},
		"a sigmoid that is not a number":        {[]string{"sigmoid:1", "sigmoid:nan"}, `line 7: objective: sigmoid "nan" is not a number above 0`},
		"fewer names than features":             {[]string{"max_feature_idx=2", "max_feature_idx=3"}, "line 8: feature_names: has 3 entries, want 4"},
		"more names than features":              {[]string{"max_feature_idx=2", "max_feature_idx=1"}, "line 8: feature_names: has more than 2 entries"},
		"more features than the limit":          {[]string{"max_feature_idx=2", "max_feature_idx=4096"}, "line 6: max_feature_idx: 4096 is not in 0 to 4095"},
		"two features of one name":              {[]string{"bytes country failures", "bytes bytes failures"}, `line 8: feature_names: two features are named "bytes"`},
		"a name that is too long":               {[]string{"bytes country", strings.Repeat("x", 300) + " country"}, "line 8: feature_names: the name of feature 0 has 300 bytes, at most 256"},
		"a header that never ends":              {[]string{"label_index", many(300, "k%d=1\n") + "label_index"}, "more than 256 lines without an empty one"},
		"a key that stands twice":               {[]string{"label_index=0", "num_class=1"}, `line 5: "num_class" stands here a second time`},
		"no trees":                              {[]string{lightGBMText[strings.Index(lightGBMText, "Tree=0"):strings.Index(lightGBMText, "end of")], ""}, "line 10: tree_sizes: the model has no trees"},
		"a tree that is missing":                {[]string{"Tree=0", "Tree=1"}, "line 12: Tree: tree 1 stands where tree 0 should"},
		"a tree without leaves":                 {[]string{"num_leaves=3", "num_leaves=0"}, "line 13: num_leaves: 0 is not in 1 to 131072"},
		"a tree with too many leaves":           {[]string{"num_leaves=3", "num_leaves=131073"}, "line 13: num_leaves: 131073 is not in 1 to 131072"},
		"linear leaves":                         {[]string{"is_linear=0", "is_linear=1"}, "is_linear: tree 0 has linear models in its leaves"},
		"a column that is too short":            {[]string{"leaf_value=1 2 4", "leaf_value=1 2"}, "line 21: leaf_value: has 2 entries, want 3"},
		"a column that is too long":             {[]string{"split_feature=0 1", "split_feature=0 1 1"}, "line 15: split_feature: has more than 2 entries"},
		"a column that is missing":              {[]string{"threshold=10.5 0\n", ""}, "line 29: there is no threshold up to this line"},
		"a line without a key":                  {[]string{"shrinkage=1", "shrinkage"}, `line 30: "shrinkage" is not of the form key=value`},
		"an output that is no number":           {[]string{"leaf_value=1 2 4", "leaf_value=1 2 four"}, `line 21: leaf_value: "four" is not a number`},
		"a threshold that is not a number":      {[]string{"threshold=10.5", "threshold=nan"}, "line 12: Tree: tree 0: split 0: the threshold is not a number"},
		"an output that is not a number":        {[]string{"leaf_value=1", "leaf_value=nan"}, "tree 0: leaf 0: output NaN is not a number within"},
		"an infinite output":                    {[]string{"leaf_value=1", "leaf_value=-inf"}, "tree 0: leaf 0: output -Inf is not a number within"},
		"an output beyond all measure":          {[]string{"leaf_value=1", "leaf_value=1e31"}, "tree 0: leaf 0: output 1e+31 is not a number within ±1e+30"},
		"a negative count":                      {[]string{"leaf_count=1 2", "leaf_count=1 -2"}, "tree 0: leaf 1: cover -2 is not a count"},
		"a split on a feature beyond the names": {[]string{"split_feature=0 1", "split_feature=0 3"}, "tree 0: split 1: splits on feature 3, but the model has 3"},
		"a split on a negative feature":         {[]string{"split_feature=0 1", "split_feature=0 -1"}, "tree 0: split 1: splits on feature -1"},
		"a split that is its own child":         {[]string{"left_child=1 -1", "left_child=0 -1"}, "tree 0: split 0 has two parents or is its own ancestor"},
		"a leaf with two parents":               {[]string{"right_child=-2 -3", "right_child=-2 -1"}, "tree 0: leaf 0 has two parents"},
		"a child beyond the splits":             {[]string{"left_child=1 -1", "left_child=2 -1"}, "line 19: left_child: split 0 has children 2 and -2, but the splits are 0 to 1"},
		"a child beyond the leaves":             {[]string{"right_child=-2 -3", "right_child=-2 -4"}, "tree 0: split 1 has child 5, which is not in the tree"},
		"a decision that is not known":          {[]string{"decision_type=2 1", "decision_type=16 1"}, "line 18: decision_type: split 0: decision_type 16 is not known"},
		"a missing type that is not known":      {[]string{"decision_type=2 1", "decision_type=12 1"}, "line 18: decision_type: split 0: decision_type 12 is not known"},
		"a set of categories that is not there": {[]string{"threshold=10.5 0", "threshold=10.5 1"}, "line 18: decision_type: split 1: threshold 1 does not number one of the tree's 1 sets"},
		"half a set of categories":              {[]string{"threshold=10.5 0", "threshold=10.5 0.5"}, "threshold 0.5 does not number one of"},
		"sets that run backwards":               {[]string{"num_cat=1", "num_cat=2", "cat_boundaries=0 2", "cat_boundaries=0 3 2"}, "cat_boundaries: boundary 3 does not follow 0"},
		"sets of too many words":                {[]string{"cat_boundaries=0 2", "cat_boundaries=0 4194305"}, "cat_boundaries: 4194305 words of categories, at most 4194304"},
		"a category above the limit":            {[]string{"cat_boundaries=0 2", "cat_boundaries=0 2049", "cat_threshold=2 2", "cat_threshold=" + many(2049, "%d ")}, "tree 0: split 1: category 65547 is not in 0 to 65535"},
		"a word that has more than 32 bits":     {[]string{"cat_threshold=2 2", "cat_threshold=2 4294967296"}, "cat_threshold: 4294967296 is not in -2147483648 to 4294967295"},
		"no end of the trees":                   {[]string{"end of trees\n", "end of trees \n"}, `line 52: "end of trees " stands where "end of trees" should`},
		"categories that pandas has coded":      {[]string{"pandas_categorical:null", `pandas_categorical:[["DE","NO"]]`}, "the model was trained on categories that pandas has coded"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := trees.ParseLightGBM([]byte(resize(edit(t, lightGBMText, tt.edits...))))
			wantError(t, err, tt.want)
		})
	}
}

// TestLightGBMDamage changes the file behind the back of its sizes.
func TestLightGBMDamage(t *testing.T) {
	whole := resize(lightGBMText)
	tests := map[string]struct{ text, want string }{
		"an empty file":                   {"", "the file is empty"},
		"a file beyond the limit":         {strings.Repeat("x", trees.FileBytesMax+1), "the file has 67108865 bytes, at most 67108864"},
		"a digit that was lost":           {edit(t, whole, "threshold=10.5", "threshold=1.5"), "line 12: Tree: tree 0 has 304 bytes, but tree_sizes says 305: the file was cut or changed"},
		"line ends of another system":     {strings.ReplaceAll(whole, "\n", "\r\n"), "line 1: the lines end in carriage return and line feed"},
		"a file cut in a tree":            {whole[:strings.Index(whole, "leaf_weight")], "Tree: tree 0 has 149 bytes, but tree_sizes says 305"},
		"a file cut between the trees":    {whole[:strings.Index(whole, "Tree=1")], "there is no Tree up to this line"},
		"a file cut in the header":        {whole[:strings.Index(whole, "feature_infos")], "line 8: there is no tree_sizes up to this line"},
		"a size that is no number":        {edit(t, whole, "tree_sizes=305", "tree_sizes=-305"), "line 10: tree_sizes: -305 is not in 1 to 67108864"},
		"more trees than the limit":       {edit(t, whole, "tree_sizes=305", "tree_sizes="+strings.Repeat("1 ", trees.TreesMax+1)), "line 10: tree_sizes: more than 10000 trees"},
		"a tree more than sizes tell of":  {edit(t, whole, "tree_sizes=305 243", "tree_sizes=305"), `line 33: "Tree=1" stands where "end of trees" should`},
		"a tree fewer than sizes tell of": {edit(t, whole, "tree_sizes=305 243", "tree_sizes=305 243 243"), "line 52: the trees end before tree 2, which tree_sizes tells of"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := trees.ParseLightGBM([]byte(tt.text))
			wantError(t, err, tt.want)
		})
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error = %v\nwant … %s …", err, want)
	}
}
