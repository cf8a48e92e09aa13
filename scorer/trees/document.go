package trees

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// document is an XGBoost model file, as far as it is read.
type document struct {
	Learner learner `json:"learner"`
	Version []int   `json:"version"`
}

type learner struct {
	Features   names   `json:"feature_names"`
	Booster    booster `json:"gradient_booster"`
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
		Encodings json.RawMessage `json:"enc"`
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
	Conditions  singles   `json:"split_conditions"` // Of a leaf: its output.
	DefaultLeft flags     `json:"default_left"`
	Cover       []float32 `json:"sum_hessian"`
	Kinds       []int8    `json:"split_type"` // 1: categorical.

	Categories []int   `json:"categories"`
	SetNodes   []int32 `json:"categories_nodes"`
	SetStarts  []int   `json:"categories_segments"`
	SetSizes   []int   `json:"categories_sizes"`
}

// names are those of the features, of a length that a model may have.
type names []string

// UnmarshalJSON reads a list.
func (n *names) UnmarshalJSON(list []byte) error {
	if len(list) > namesBytesMax {
		return fmt.Errorf("learner.feature_names: has %d bytes, at most %d; train on fewer features or shorten their names", len(list), namesBytesMax)
	}
	return json.Unmarshal(list, (*[]string)(n))
}

// grove are the trees, read one by one, so that a small file cannot become a
// large list of empty trees and an error knows its tree.
type grove []tree

// UnmarshalJSON reads a list of at most TreesMax trees.
func (g *grove) UnmarshalJSON(list []byte) error {
	d := json.NewDecoder(bytes.NewReader(list))
	start, err := d.Token()
	if err != nil {
		return err
	}
	if start != json.Delim('[') {
		return errors.New("trees: is not a list; the file is damaged, save the model again")
	}
	for d.More() {
		if len(*g) == TreesMax {
			return fmt.Errorf("trees: more than %d; train fewer", TreesMax)
		}
		var t tree
		err := d.Decode(&t)
		if err != nil {
			kind, ok := errors.AsType[*json.UnmarshalTypeError](err)
			if ok { // Its offset begins at the tree, which helps nobody.
				path := strings.TrimSuffix(fmt.Sprintf("trees[%d].%s", len(*g), kind.Field), ".")
				return fmt.Errorf("%s: is %s, want %s; the file is damaged, save the model again", path, kind.Value, wanted(kind.Type))
			}
			return fmt.Errorf("trees[%d].%w", len(*g), err)
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

// singles are numbers in single precision. A text in the list is not a number;
// see standard.
type singles []float32

// UnmarshalJSON reads a list.
func (s *singles) UnmarshalJSON(list []byte) error {
	inner := strings.TrimSpace(strings.Trim(string(list), "[]"))
	if inner == "" {
		return nil
	}
	for word := range strings.SplitSeq(inner, ",") {
		word = strings.TrimSpace(word)
		if strings.HasPrefix(word, `"`) {
			word = "NaN"
		}
		number, err := strconv.ParseFloat(word, 32)
		if err != nil {
			return fmt.Errorf("split_conditions[%d]: %s is not a number in single precision; the file is damaged, save the model again", len(*s), quote(word))
		}
		*s = append(*s, float32(number))
	}
	return nil
}

// standard makes JSON of what XGBoost writes: NaN and Infinity, which JSON does
// not have, become texts of the same length, so that the places of faults stay
// right. Version 2 writes them as conditions of categorical splits.
func standard(file []byte) []byte {
	if !bytes.Contains(file, []byte("NaN")) && !bytes.Contains(file, []byte("Infinity")) {
		return file
	}
	file = bytes.Clone(file)
	text := false
	for i := 0; i < len(file); i++ {
		switch {
		case file[i] == '"':
			text = !text
		case text && file[i] == '\\':
			i++
		case text:
		case bytes.HasPrefix(file[i:], []byte("NaN")):
			i += copy(file[i:], `"?"`) - 1
		case bytes.HasPrefix(file[i:], []byte("Infinity")):
			i += copy(file[i:], `"??????"`) - 1
		case bytes.HasPrefix(file[i:], []byte("-Infinity")):
			i += copy(file[i:], `"???????"`) - 1
		}
	}
	return file
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
	err := json.Unmarshal(standard(file), doc)
	if err != nil {
		return located(err)
	}
	return nil
}

// located puts the place of a fault of package json in front.
func located(err error) error {
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	if ok {
		return fmt.Errorf("byte %d: %w; the file was cut or changed: save the model again, to NAME.json", syntax.Offset, err)
	}
	kind, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if ok {
		return fmt.Errorf("%s (byte %d): is %s, want %s; the file is damaged, save the model again", kind.Field, kind.Offset, kind.Value, wanted(kind.Type))
	}
	return err
}

// wanted is what a Go type is called in JSON.
func wanted(t reflect.Type) string {
	names := map[reflect.Kind]string{reflect.Slice: "a list", reflect.Struct: "an object", reflect.String: "a text"}
	return cmp.Or(names[t.Kind()], "a number")
}
