package panther

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Test is one event of the set, and whether its rule is to speak.
type Test struct {
	Name     string   `json:"test"`
	Family   string   `json:"family"`
	Rule     string   `json:"rule"`
	Expected bool     `json:"expected"`
	Types    []string `json:"logtypes"`
	Log      object   `json:"log"`
}

// File is where the set lies below its folder.
const File = "panther-tests/rule_tests.jsonl.gz"

// lineBytesMax bounds a test.
const lineBytesMax = 4 << 20

// read reads all tests below dir. The error wraps [fs.ErrNotExist] where they
// are not there.
func read(dir string) ([]Test, error) {
	f, err := os.Open(filepath.Join(dir, File)) //nolint:gosec // The operator names the folder.
	if err != nil {
		return nil, fmt.Errorf("read rule tests: %w", err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("read rule tests: %w", err)
	}
	in := bufio.NewScanner(z)
	in.Buffer(nil, lineBytesMax)
	var tests []Test
	for in.Scan() {
		var t Test
		err := json.Unmarshal(in.Bytes(), &t)
		if err != nil {
			return nil, fmt.Errorf("read rule tests, line %d: %w", len(tests)+1, err)
		}
		tests = append(tests, t)
	}
	err = in.Err()
	if err != nil {
		return nil, fmt.Errorf("read rule tests: %w", err)
	}
	return tests, nil
}

// object is a log event as its product writes it. Some of the set's have their
// keys in lower case.
type object map[string]any

// at is the value at a path, "a.b.0.c".
func (o object) at(path string) any {
	var v any = map[string]any(o)
	for name := range strings.SplitSeq(path, ".") {
		switch inner := v.(type) {
		case map[string]any:
			v = member(inner, name)
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(inner) {
				return nil
			}
			v = inner[i]
		default:
			return nil
		}
	}
	return v
}

func member(m map[string]any, name string) any {
	if v, ok := m[name]; ok {
		return v
	}
	return m[strings.ToLower(name)]
}

// text is the first value among the paths that is a text or a number, as text.
func (o object) text(paths ...string) string {
	for _, path := range paths {
		switch v := o.at(path).(type) {
		case string:
			if v != "" {
				return v
			}
		case float64:
			return strconv.FormatFloat(v, 'f', -1, 64)
		case bool:
			return strconv.FormatBool(v)
		}
	}
	return ""
}

// list is the texts of a list at a path.
func (o object) list(path string) []string {
	var texts []string
	items, _ := o.at(path).([]any)
	for _, item := range items {
		if s, ok := item.(string); ok {
			texts = append(texts, s)
		}
	}
	return texts
}

// within is an object at a path, also one that is written as JSON in a text.
func (o object) within(path string) object {
	switch v := o.at(path).(type) {
	case map[string]any:
		return v
	case string:
		var inner object
		if json.Unmarshal([]byte(v), &inner) == nil {
			return inner
		}
	}
	return nil
}
