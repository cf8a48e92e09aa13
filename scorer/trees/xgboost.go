package trees

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/vigil-gateway/vigil/scorer/exact"
)

// The path of the trees in an XGBoost file, and in one of booster dart.
const (
	xgboostBooster = "learner.gradient_booster"
	gbtreeModel    = xgboostBooster + ".model"
	dartModel      = xgboostBooster + ".gbtree.model"
)

// ParseXGBoost reads a model as XGBoost's Booster.save_model writes it to
// NAME.json: versions 1 to 3, booster gbtree or dart, with one output, and
// objective binary:logistic, reg:logistic or reg:squarederror. Errors begin
// with the JSON path that is at fault. The trees of the file are scored all,
// also those after best_iteration.
func ParseXGBoost(file []byte) (*Ensemble, error) {
	err := sized(file)
	if err != nil {
		return nil, err
	}
	var doc document
	err = decode(file, &doc)
	if err != nil {
		return nil, err
	}
	if len(doc.Version) == 0 {
		return nil, errors.New("version: is missing; not an XGBoost model, or older than version 1: save it with Booster.save_model, to NAME.json")
	}
	if major := doc.Version[0]; major < 1 || major > 3 {
		return nil, fmt.Errorf("version: %d is not known, only 1 to 3; save the model with XGBoost 1, 2 or 3", major)
	}
	e := &Ensemble{library: "XGBoost", digest: digest(file)}
	e.single = true
	err = e.readLearner(&doc.Learner)
	if err != nil {
		return nil, err
	}
	err = e.readBooster(&doc.Learner.Booster)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// readLearner reads the names of the features and the link.
func (e *Ensemble) readLearner(l *learner) error {
	p := &l.Parameters
	const multiple = "; only models with one output are read: train binary:logistic or reg:squarederror"
	if classes := p.Classes.integer(0); classes < 0 || classes > 1 {
		return fmt.Errorf("learner.learner_model_param.num_class: is %s%s", quote(string(p.Classes)), multiple)
	}
	if targets := p.Targets.integer(1); targets < 0 || targets > 1 {
		return fmt.Errorf("learner.learner_model_param.num_target: is %s%s", quote(string(p.Targets)), multiple)
	}
	e.features = l.Features
	if len(e.features) == 0 {
		return errors.New("learner.feature_names: is empty, and features are found by name; name the columns when you train (DMatrix with feature_names, or a data frame), and save the model with XGBoost 1.4 or later")
	}
	err := named(e.features)
	if err != nil {
		return fmt.Errorf("learner.feature_names: %w", err)
	}
	if p.Features.integer(-1) != len(e.features) {
		return fmt.Errorf("learner.learner_model_param.num_feature: is %s, but feature_names has %d; the file is damaged, save the model again", quote(string(p.Features)), len(e.features))
	}
	// Versions from 3.1 write one base score per output, in brackets.
	text := strings.TrimSuffix(strings.TrimPrefix(string(p.Base), "["), "]")
	base, err := strconv.ParseFloat(text, 32)
	if err != nil || !(math.Abs(base) <= LeafMax) {
		return fmt.Errorf("learner.learner_model_param.base_score: %s is not one finite number; the file is damaged, or the model has several outputs, which are not read", quote(string(p.Base)))
	}
	switch l.Objective.Name {
	case "binary:logistic", "reg:logistic":
		if !(base > 0 && base < 1) {
			return fmt.Errorf("learner.learner_model_param.base_score: %g is not a probability between 0 and 1, as objective %s asks", base, l.Objective.Name)
		}
		e.slope = 1
		e.base = float64(float32(-exact.Ln(float64(1/float32(base) - 1))))
	case "reg:squarederror":
		e.base = base
	default:
		return fmt.Errorf("learner.objective.name: %s is not read; train binary:logistic, reg:logistic or reg:squarederror", quote(l.Objective.Name))
	}
	return nil
}

// readBooster reads the trees.
func (e *Ensemble) readBooster(b *booster) error {
	model, path := b.Model, gbtreeModel
	switch b.Name {
	case "gbtree":
	case "dart":
		path = dartModel
		model = nil
		if b.Tree != nil {
			model = b.Tree.Model
		}
	case "gblinear":
		return errors.New(xgboostBooster + ".name: gblinear is a linear model, not trees; train booster gbtree or dart")
	default:
		return fmt.Errorf(xgboostBooster+".name: %s is not known; train booster gbtree or dart", quote(b.Name))
	}
	switch {
	case model == nil:
		return fmt.Errorf("%s: is missing; the file is damaged, save the model again", path)
	case len(model.Trees) == 0:
		return fmt.Errorf("%s.trees: the model has no trees; train it before you save it", path)
	case model.Parameters.Trees.integer(-1) != len(model.Trees):
		return fmt.Errorf("%s.gbtree_model_param.num_trees: is %s, but there are %d trees; the file is damaged, save the model again", path, quote(string(model.Parameters.Trees)), len(model.Trees))
	case len(model.Groups) != len(model.Trees):
		return fmt.Errorf("%s.tree_info: has %d entries for %d trees; the file is damaged, save the model again", path, len(model.Groups), len(model.Trees))
	case b.Name == "dart" && len(b.Weights) != len(model.Trees):
		return fmt.Errorf(xgboostBooster+".weight_drop: has %d entries for %d trees; the file is damaged, save the model again", len(b.Weights), len(model.Trees))
	case !slices.Contains([]string{"", "[]", "null"}, string(model.Categories.Encodings)):
		return fmt.Errorf("%s.cats: the model was trained on categories that the data frame has coded by itself; code them as integers before you train, as the row that is scored does", path)
	}
	for i := range model.Trees {
		at := fmt.Sprintf("%s.trees[%d]", path, i)
		if model.Groups[i] != 0 {
			return fmt.Errorf("%s.tree_info[%d]: is %d, but the model has one output; the file is damaged, save the model again", path, i, model.Groups[i])
		}
		weight := float32(1)
		if b.Name == "dart" {
			weight = b.Weights[i]
		}
		branches, err := model.Trees[i].branches(weight)
		if err != nil {
			return fmt.Errorf("%s%w", at, err)
		}
		err = e.plant(branches, len(e.features), func(n int) string { return fmt.Sprintf("node %d", n) })
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		e.trees++
	}
	return nil
}

// branches reads the nodes of a tree, whose outputs a weight multiplies.
func (t *tree) branches(weight float32) ([]branch, error) {
	err := t.lengths()
	if err != nil {
		return nil, err
	}
	sets, err := t.sets()
	if err != nil {
		return nil, err
	}
	nodes := make([]branch, len(t.Left))
	for i := range nodes {
		b := &nodes[i]
		if t.Left[i] == -1 {
			b.node = node{kind: leaf, at: float64(t.Conditions[i] * weight)}
			b.cover = float64(t.Cover[i])
			continue
		}
		b.left, b.right = int(t.Left[i]), int(t.Right[i])
		b.node = node{
			kind: atMost, at: belowSingle(t.Conditions[i]),
			feature: t.Features[i], missingLeft: t.DefaultLeft[i],
		}
		if len(t.Kinds) == 0 || t.Kinds[i] == 0 {
			continue
		}
		// XGBoost sends the categories of a set right and all else left; here a
		// set goes left, so the children change places.
		b.kind, b.at, b.categories = amongSingle, 0, sets[int32(i)]
		b.left, b.right, b.missingLeft = b.right, b.left, !b.missingLeft
	}
	return nodes, nil
}

// lengths checks that the columns of a tree have one entry per node. Its errors
// begin with the rest of the path.
func (t *tree) lengths() error {
	n := len(t.Left)
	switch {
	case t.Parameters.LeafSize.integer(0) > 1:
		return errors.New(".tree_param.size_leaf_vector: the leaves hold vectors; only models with one output are read, trained with multi_strategy one_output_per_tree")
	case t.Parameters.Nodes.integer(-1) != n || n == 0:
		return fmt.Errorf(".tree_param.num_nodes: is %s, but left_children has %d entries; the file is damaged, save the model again", quote(string(t.Parameters.Nodes)), n)
	case n > 2*LeavesMax:
		return fmt.Errorf(".left_children: %d nodes, at most %d; train smaller trees", n, 2*LeavesMax)
	}
	for _, column := range []struct {
		key string
		n   int
	}{
		{"right_children", len(t.Right)},
		{"split_indices", len(t.Features)},
		{"split_conditions", len(t.Conditions)},
		{"default_left", len(t.DefaultLeft)},
		{"sum_hessian", len(t.Cover)},
	} {
		if column.n != n {
			return fmt.Errorf(".%s: has %d entries for %d nodes; the file is damaged, save the model again", column.key, column.n, n)
		}
	}
	if len(t.Kinds) != 0 && len(t.Kinds) != n { // Versions before 1.3 know no categories.
		return fmt.Errorf(".split_type: has %d entries for %d nodes; the file is damaged, save the model again", len(t.Kinds), n)
	}
	return nil
}

// sets reads the set of categories of each categorical split, by node.
func (t *tree) sets() (map[int32][]int, error) {
	n := len(t.SetNodes)
	if len(t.SetStarts) != n || len(t.SetSizes) != n {
		return nil, fmt.Errorf(".categories_nodes: has %d entries, categories_segments %d and categories_sizes %d; the file is damaged, save the model again", n, len(t.SetStarts), len(t.SetSizes))
	}
	sets := make(map[int32][]int, n)
	for i, at := range t.SetNodes {
		start, size := t.SetStarts[i], t.SetSizes[i]
		if start < 0 || size < 0 || start > len(t.Categories) || size > len(t.Categories)-start {
			return nil, fmt.Errorf(".categories_segments[%d]: %d entries from %d, but categories has %d; the file is damaged, save the model again", i, size, start, len(t.Categories))
		}
		sets[at] = t.Categories[start : start+size]
	}
	for i, kind := range t.Kinds {
		if _, ok := sets[int32(i)]; kind != 0 && !ok && t.Left[i] != -1 {
			return nil, fmt.Errorf(".split_type[%d]: is categorical, but categories_nodes does not list the node; the file is damaged, save the model again", i)
		}
	}
	return sets, nil
}
