package trees

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The bits of a LightGBM decision_type; see its io/tree.h.
const (
	lightGBMCategorical = 1
	lightGBMDefaultLeft = 2
	lightGBMMissingZero = 1 << 2
	lightGBMMissingNaN  = 2 << 2
	lightGBMMissing     = 3 << 2
)

// ParseLightGBM reads a model as LightGBM's Booster.save_model writes it: text,
// version v3 or v4, with one output, and objective binary, cross_entropy or
// regression. Errors begin with the line that is at fault. The trees of the
// file are scored all: save_model leaves out those after the best iteration.
func ParseLightGBM(file []byte) (*Ensemble, error) {
	err := sized(file)
	if err != nil {
		return nil, err
	}
	r := &lineReader{text: string(file)}
	if first, _, _ := strings.Cut(r.text, "\n"); strings.HasSuffix(first, "\r") {
		return nil, errors.New("line 1: the lines end in carriage return and line feed, so the sizes of the trees are wrong: the file was changed after it was saved; copy it as binary")
	}
	header, err := r.section(true)
	if err != nil {
		return nil, err
	}
	e := &Ensemble{library: "LightGBM", digest: digest(file)}
	sizes, err := e.readHeader(header)
	if err != nil {
		return nil, err
	}
	for i, size := range sizes {
		err := e.readTree(r, i, size)
		if err != nil {
			return nil, err
		}
	}
	err = e.readEnd(r)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// readHeader reads what stands above the first tree and returns the sizes of
// the trees in bytes.
func (e *Ensemble) readHeader(s section) (sizes []int, err error) {
	version, err := s.value("version")
	if err != nil {
		return nil, err
	}
	if version.text != "v3" && version.text != "v4" {
		return nil, version.fault("version %s is not known, only v3 and v4; save the model with LightGBM 3 or 4", quote(version.text))
	}
	for _, key := range []string{"num_class", "num_tree_per_iteration"} {
		n, err := s.number(key, 1, LeavesMax)
		if err != nil {
			return nil, err
		}
		if n != 1 {
			return nil, s.at(key).fault("the model has %d outputs; only models with one are read: train binary, cross_entropy or regression", n)
		}
	}
	e.slope, err = objective(s)
	if err != nil {
		return nil, err
	}
	_, e.average = s.fields["average_output"]
	last, err := s.number("max_feature_idx", 0, FeaturesMax-1)
	if err != nil {
		return nil, err
	}
	names, err := s.value("feature_names")
	if err != nil {
		return nil, err
	}
	words, err := names.words(last + 1)
	if err != nil {
		return nil, err
	}
	for _, word := range words {
		e.features = append(e.features, strings.Clone(word)) // Without the rest of the file.
	}
	err = named(e.features)
	if err != nil {
		return nil, names.fault("%w", err)
	}
	list, err := s.value("tree_sizes")
	if err != nil {
		return nil, err
	}
	for word := range strings.FieldsSeq(list.text) {
		size, err := list.integer(word, 1, FileBytesMax)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, size)
		if len(sizes) > TreesMax {
			return nil, list.fault("more than %d trees; train fewer", TreesMax)
		}
	}
	if len(sizes) == 0 {
		return nil, list.fault("the model has no trees; train it before you save it")
	}
	return sizes, nil
}

// objective reads the slope of the logistic function that makes a margin a
// probability, 0 for a regression.
func objective(s section) (slope float64, err error) {
	const known = "binary, cross_entropy and regression are read"
	if _, ok := s.fields["objective"]; !ok {
		return 0, s.fault("there is no objective, so the meaning of a margin is not known (a loss function of one's own leaves none); " + known)
	}
	o := s.at("objective")
	words := strings.Fields(o.text)
	if len(words) == 0 {
		words = []string{""}
	}
	switch {
	case words[0] == "binary":
		for _, word := range words[1:] {
			value, ok := strings.CutPrefix(word, "sigmoid:")
			if !ok {
				continue // What else stands here has shaped the training alone.
			}
			slope, err = strconv.ParseFloat(value, 64)
			if err != nil || !(slope > 0 && slope <= slopeMax) {
				return 0, o.fault("sigmoid %s is not a number above 0 and at most %g; the file is damaged", quote(value), float64(slopeMax))
			}
			return slope, nil
		}
		return 0, o.fault("objective binary has no sigmoid; the file is damaged, save the model again")
	case o.text == "cross_entropy":
		return 1, nil
	case o.text == "regression":
		return 0, nil
	case o.text == "regression sqrt":
		return 0, o.fault("objective regression with reg_sqrt is not read; train without it")
	}
	return 0, o.fault("objective %s is not read; %s", quote(o.text), known)
}

// readTree reads tree i, whose text has size bytes.
func (e *Ensemble) readTree(r *lineReader, i, size int) error {
	start := r.offset
	if strings.HasPrefix(r.text[start:], "end of trees") {
		return r.next().fault("the trees end before tree %d, which tree_sizes tells of: the file was cut or changed; save the model again", i)
	}
	s, err := r.section(false)
	if err != nil {
		return err
	}
	number, err := s.number("Tree", 0, TreesMax)
	if err != nil {
		return err
	}
	if number != i {
		return s.at("Tree").fault("tree %d stands where tree %d should; the file is damaged, save the model again", number, i)
	}
	if got := r.offset - start; got != size {
		return s.at("Tree").fault("tree %d has %d bytes, but tree_sizes says %d: the file was cut or changed after it was saved (also by other line ends); save the model again", i, got, size)
	}
	leaves, err := s.number("num_leaves", 1, LeavesMax)
	if err != nil {
		return err
	}
	linear := s.fields["is_linear"]
	if linear.text != "" && linear.text != "0" {
		return linear.fault("tree %d has linear models in its leaves, which are not read; train without linear_tree", i)
	}
	tree, err := s.branches(leaves)
	if err != nil {
		return err
	}
	err = e.plant(tree, len(e.features), func(b int) string {
		if b < leaves-1 {
			return fmt.Sprintf("split %d", b)
		}
		return fmt.Sprintf("leaf %d", b-(leaves-1))
	})
	if err != nil {
		return s.at("Tree").fault("tree %d: %w", i, err)
	}
	e.trees++
	return nil
}

// readEnd reads what follows the trees: their end, and the note by which the
// Python package tells how pandas coded its categories.
func (e *Ensemble) readEnd(r *lineReader) error {
	end := r.next()
	if end.text != "end of trees" {
		return end.fault("%s stands where \"end of trees\" should: the file was cut or changed; save the model again", quote(end.text))
	}
	for r.offset < len(r.text) {
		line := r.next()
		codes, ok := strings.CutPrefix(line.text, "pandas_categorical:")
		if ok && codes != "null" && codes != "[]" {
			return line.fault("the model was trained on categories that pandas has coded by itself, as %s; code them as integers before you train, as the row that is scored does", quote(codes))
		}
	}
	return nil
}

// branches reads the splits, then the leaves, of a tree.
func (s section) branches(leaves int) ([]branch, error) {
	splits := leaves - 1
	tree := make([]branch, splits+leaves)
	output, err := s.numbers("leaf_value", leaves)
	if err != nil {
		return nil, err
	}
	cover := make([]float64, leaves)
	if leaves > 1 { // The one leaf of a tree that found no split needs no weight.
		cover, err = s.numbers("leaf_count", leaves)
		if err != nil {
			return nil, err
		}
	}
	for i := range leaves {
		tree[splits+i] = branch{node: node{kind: leaf, at: output[i]}, cover: cover[i]}
	}
	if splits == 0 {
		return tree, nil
	}
	threshold, err := s.numbers("threshold", splits)
	if err != nil {
		return nil, err
	}
	var columns [4][]int
	for i, key := range []string{"split_feature", "decision_type", "left_child", "right_child"} {
		columns[i], err = s.integers(key, splits)
		if err != nil {
			return nil, err
		}
	}
	sets, err := s.sets()
	if err != nil {
		return nil, err
	}
	index := func(child int) int { // A leaf is written as the complement of its number.
		if child < 0 {
			return splits + ^child
		}
		return child
	}
	for i := range splits {
		left, right := columns[2][i], columns[3][i]
		if max(left, right) >= splits { // The number of a split, which is not to be taken for a leaf's.
			return nil, s.at("left_child").fault("split %d has children %d and %d, but the splits are 0 to %d; the file is damaged, save the model again", i, left, right, splits-1)
		}
		b := &tree[i]
		b.left, b.right = index(left), index(right)
		b.node = node{at: threshold[i], feature: int32(columns[0][i])}
		err := b.decide(columns[1][i], sets)
		if err != nil {
			return nil, s.at("decision_type").fault("split %d: %w", i, err)
		}
	}
	return tree, nil
}

// decide sets how a split decides, from its LightGBM decision_type and, where
// it is categorical, its set.
func (b *branch) decide(decision int, sets [][]int) error {
	defaultLeft := decision&lightGBMDefaultLeft != 0
	switch {
	case decision&^(lightGBMCategorical|lightGBMDefaultLeft|lightGBMMissing) != 0 || decision&lightGBMMissing == lightGBMMissing:
		return fmt.Errorf("decision_type %d is not known; the file is damaged, save the model again", decision)
	case decision&lightGBMCategorical != 0:
		// A missing category goes right, whatever else the bits say.
		i := int(b.at)
		if float64(i) != b.at || i < 0 || i >= len(sets) {
			return fmt.Errorf("threshold %g does not number one of the tree's %d sets of categories; the file is damaged, save the model again", b.at, len(sets))
		}
		b.kind, b.categories = among, sets[i]
	case decision&lightGBMMissing == lightGBMMissingZero:
		b.kind, b.missingLeft = atMostOrZero, defaultLeft
	case decision&lightGBMMissing == lightGBMMissingNaN:
		b.kind, b.missingLeft = atMost, defaultLeft
	default:
		// Training saw no missing value, so LightGBM takes one for zero.
		b.kind, b.missingLeft = atMost, 0 <= b.at
	}
	return nil
}

// sets reads the sets of categories of a tree: bitsets of 32-bit words, cut by
// cat_boundaries.
func (s section) sets() ([][]int, error) {
	n, err := s.number("num_cat", 0, LeavesMax)
	if err != nil || n == 0 {
		return nil, err
	}
	bounds, err := s.integers("cat_boundaries", n+1)
	if err != nil {
		return nil, err
	}
	words := bounds[n]
	if words < 0 || words > CategoryWordsMax {
		return nil, s.at("cat_boundaries").fault("%d words of categories, at most %d; train on smaller codes", words, CategoryWordsMax)
	}
	bits, err := s.integers("cat_threshold", words)
	if err != nil {
		return nil, err
	}
	sets := make([][]int, n)
	for i := range n {
		if bounds[i] < 0 || bounds[i] > bounds[i+1] || bounds[i+1] > words {
			return nil, s.at("cat_boundaries").fault("boundary %d does not follow %d; the file is damaged, save the model again", bounds[i+1], bounds[i])
		}
		for w, word := range bits[bounds[i]:bounds[i+1]] {
			for c := range 32 {
				if uint32(word)>>c&1 != 0 {
					sets[i] = append(sets[i], w*32+c)
				}
			}
		}
	}
	return sets, nil
}
