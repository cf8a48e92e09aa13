package trees

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// document is an XGBoost model file, as far as it is read.
type document struct {
	Learner learner `json:"learner"`
	Version []int   `json:"version"`
}

type learner struct {
	Features   []string `json:"feature_names"`
	Booster    booster  `json:"gradient_booster"`
	Parameters struct {
		Base     scalar `json:"base_score"`
		Classes  scalar `json:"num_class"`
		Features scalar `json:"num_feature"`
		Targets  scalar `json:"num_target"`
	} `json:"learner_model_param"`
	Objective struct {
		Name string `json:"name"`
	} `json:"objective"`
}

// booster is gbtree, or dart, which wraps one and weighs its trees.
type booster struct {
	Name    string    `json:"name"`
	Model   *treeList `json:"model"`
	Tree    *booster  `json:"gbtree"`
	Weights []float32 `json:"weight_drop"`
}

type treeList struct {
	Parameters struct {
		Trees scalar `json:"num_trees"`
	} `json:"gbtree_model_param"`
	Groups     []int32 `json:"tree_info"`
	Trees      grove   `json:"trees"`
	Categories struct {
		Encodings []json.RawMessage `json:"enc"`
	} `json:"cats"`
}

// tree has one entry per node in each column, but for the sets of categories.
type tree struct {
	Parameters struct {
		Nodes    scalar `json:"num_nodes"`
		LeafSize scalar `json:"size_leaf_vector"`
	} `json:"tree_param"`
	Left        []int32   `json:"left_children"` // -1: a leaf.
	Right       []int32   `json:"right_children"`
	Features    []int32   `json:"split_indices"`
	Conditions  []float32 `json:"split_conditions"` // Of a leaf: its output.
	DefaultLeft flags     `json:"default_left"`
	Cover       []float32 `json:"sum_hessian"`
	Kinds       []int8    `json:"split_type"` // 1: categorical.

	Categories []int   `json:"categories"`
	SetNodes   []int32 `json:"categories_nodes"`
	SetStarts  []int   `json:"categories_segments"`
	SetSizes   []int   `json:"categories_sizes"`
}

// grove are the trees, read one by one, so that a small file cannot become a
// large list of empty trees and an error knows its tree.
type grove []tree

// UnmarshalJSON reads a list of at most TreesMax trees.
func (g *grove) UnmarshalJSON(list []byte) error {
	d := json.NewDecoder(bytes.NewReader(list))
	_, err := d.Token()
	if err != nil {
		return err
	}
	for d.More() {
		if len(*g) == TreesMax {
			return fmt.Errorf("trees: more than %d; train fewer", TreesMax)
		}
		var t tree
		err := d.Decode(&t)
		if err != nil {
			return fmt.Errorf("trees[%d]%w", len(*g), located(err))
		}
		*g = append(*g, t)
	}
	return nil
}

// flags are booleans, which XGBoost before 1.6 wrote as true and false, and
// later as 1 and 0.
type flags []bool

// UnmarshalJSON reads either form.
func (f *flags) UnmarshalJSON(list []byte) error {
	if bytes.ContainsAny(list, "tf") {
		var bools []bool
		err := json.Unmarshal(list, &bools)
		*f = bools
		return err
	}
	var numbers []int8
	err := json.Unmarshal(list, &numbers)
	*f = make(flags, len(numbers))
	for i, n := range numbers {
		(*f)[i] = n != 0
	}
	return err
}

// scalar is a parameter. XGBoost writes numbers as strings.
type scalar string

// UnmarshalJSON takes the value as it stands, without quotes.
func (s *scalar) UnmarshalJSON(value []byte) error {
	*s = scalar(strings.Trim(string(value), `"`))
	return nil
}

// integer is the whole number that a scalar stands for, a default where it is
// missing, or -1 where it is something else.
func (s scalar) integer(missing int) int {
	if s == "" {
		return missing
	}
	n, err := strconv.Atoi(string(s))
	if err != nil {
		return -1
	}
	return n
}

// decode reads JSON into a document.
func decode(file []byte, doc *document) error {
	start := bytes.TrimLeft(file, " \t\r\n")
	if len(start) > 1 && start[0] == '{' && !bytes.ContainsAny(start[1:2], "\" \t\r\n}") {
		return errors.New("byte 1: looks like XGBoost's binary form (UBJSON); save the model with Booster.save_model, to NAME.json")
	}
	err := json.Unmarshal(file, doc)
	if err != nil {
		return located(err)
	}
	return nil
}

// located puts the place of a fault of package json in front.
func located(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("byte %d: %w; the file was cut or changed: save the model again, to NAME.json", syntax.Offset, err)
	case errors.As(err, &kind):
		return fmt.Errorf("%s (byte %d): is %s, want %s; the file is damaged, save the model again", kind.Field, kind.Offset, kind.Value, kind.Type)
	}
	return err
}
