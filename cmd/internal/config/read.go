package config

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// place is where a value stands: in a file, a variable or a flag.
type place struct {
	source       string
	line, column int
}

func (p place) fault(key, text string) Fault {
	return Fault{Source: p.source, Line: p.line, Column: p.column, Key: key, Text: text}
}

// String is the place for a person: default, file:line, a variable or a flag.
func (p place) String() string {
	switch {
	case p.source == "":
		return "default"
	case p.line > 0:
		return fmt.Sprintf("%s:%d", p.source, p.line)
	}
	return p.source
}

// reader turns YAML nodes into typed values, and keeps the place of each.
type reader struct {
	root   *field
	source string // Of what is read now.
	inline bool   // It is a variable or a flag: lines mean nothing.
	nodes  int

	places map[string]place // By concrete path; of the value.
	faults Faults
}

func (r *reader) at(n *yaml.Node) place {
	if r.inline || n == nil {
		return place{source: r.source}
	}
	return place{source: r.source, line: n.Line, column: n.Column}
}

func (r *reader) fault(n *yaml.Node, key, format string, args ...any) {
	r.faults = append(r.faults, r.at(n).fault(key, fmt.Sprintf(format, args...)))
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)

// file reads one document. A fault of YAML itself ends the reading, because
// what follows it cannot be trusted.
func (r *reader) file(content []byte) map[string]any {
	if len(content) > FileBytesMax {
		r.fault(nil, "", "has %d B, at most %d are allowed", len(content), FileBytesMax)
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(content))
	var doc yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return map[string]any{} // Empty, or nothing but comments: all defaults.
	}
	if err != nil {
		r.syntax(err)
		return nil
	}
	var second yaml.Node
	err = dec.Decode(&second)
	if err == nil {
		r.fault(&second, "", "a second YAML document begins here; one is allowed")
	} else if !errors.Is(err, io.EOF) {
		r.syntax(err)
	}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return map[string]any{}
	}
	return r.section(doc.Content[0], r.root, "", 0)
}

// syntax reports a YAML parser's error, which says only the line.
func (r *reader) syntax(err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	f := Fault{Source: r.source, Text: "is not YAML: " + text}
	m := yamlLine.FindStringSubmatch(text)
	if m != nil {
		f.Line, _ = strconv.Atoi(m[1])
		f.Column, f.Text = 1, "is not YAML: "+m[2]
	}
	if f.Line == 0 && !r.inline {
		f.Line, f.Column = 1, 1
	}
	r.faults = append(r.faults, f)
}

// resolve follows aliases and counts nodes, so that aliases of aliases end.
func (r *reader) resolve(n *yaml.Node, key string, depth int) *yaml.Node {
	r.nodes++
	if r.nodes > nodesMax || depth > depthMax {
		r.fault(n, key, "is nested or aliased too deeply")
		return nil
	}
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func (r *reader) section(n *yaml.Node, f *field, path string, depth int) map[string]any {
	n = r.resolve(n, path, depth)
	if n == nil {
		return nil
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return map[string]any{} // A section that is only named is an empty one.
	}
	if n.Kind != yaml.MappingNode {
		r.fault(n, path, "needs a section of keys (%s), is %s", strings.Join(firstFew(f.names()), ", "), kindName(n))
		return nil
	}
	out := make(map[string]any, len(n.Content)/2)
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		key := join(path, k.Value)
		if k.Kind != yaml.ScalarNode {
			r.fault(k, path, "a key must be a plain word")
			continue
		}
		if k.Value == "<<" {
			r.fault(k, path, "merge keys (<<) are not supported; write the keys out")
			continue
		}
		before, twice := seen[k.Value]
		if twice {
			r.fault(k, key, "is given twice, first in line %d", before)
			continue
		}
		seen[k.Value] = k.Line
		child := f.child(k.Value)
		if child == nil {
			r.fault(k, key, "unknown key%s", r.guess(f, k.Value))
			continue
		}
		value, ok := r.value(v, child, key, depth+1)
		if ok {
			out[k.Value] = value
		}
	}
	r.places[path] = r.at(n)
	return out
}

// guess looks among the siblings first, then for a key of that name elsewhere.
func (r *reader) guess(f *field, name string) string {
	text := DidYouMean(name, f.names())
	if text != "" {
		return text
	}
	var elsewhere []string
	r.root.leaves(func(leaf *field) {
		if leaf.name == name || leaf.path == name {
			elsewhere = append(elsewhere, leaf.path)
		}
	})
	if len(elsewhere) > 0 {
		return fmt.Sprintf("; did you mean %q?", elsewhere[0])
	}
	return "; known here: " + strings.Join(firstFew(f.names()), ", ")
}

func firstFew(names []string) []string {
	const few = 12
	if len(names) <= few {
		return names
	}
	return append(slices.Clone(names[:few]), "…")
}

func (r *reader) value(n *yaml.Node, f *field, path string, depth int) (any, bool) {
	n = r.resolve(n, path, depth)
	if n == nil {
		return nil, false
	}
	switch f.form {
	case formSection:
		m := r.section(n, f, path, depth)
		return m, m != nil
	case formList:
		return r.list(n, f, path, depth)
	case formScalar:
	}
	if n.Kind != yaml.ScalarNode {
		r.fault(n, path, "needs one value, is %s", kindName(n))
		return nil, false
	}
	if n.Tag == "!!null" {
		r.fault(n, path, "has no value; leave the key out for the default")
		return nil, false
	}
	v, err := scalar(n.Value, f)
	if err != nil {
		r.fault(n, path, "%s", err)
		return nil, false
	}
	r.places[path] = r.at(n)
	return v, true
}

func (r *reader) list(n *yaml.Node, f *field, path string, depth int) (any, bool) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		r.fault(n, path, "has no value; write [] for an empty list")
		return nil, false
	}
	if n.Kind != yaml.SequenceNode {
		r.fault(n, path, "needs a list (lines that begin with a dash), is %s", kindName(n))
		return nil, false
	}
	r.places[path] = r.at(n)
	out := make([]any, 0, len(n.Content))
	ok := true
	for i, entry := range n.Content {
		v, good := r.value(entry, f.elem, fmt.Sprintf("%s[%d]", path, i), depth+1)
		ok = ok && good
		out = append(out, v)
	}
	return out, ok
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a section"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode, yaml.AliasNode, yaml.DocumentNode:
	}
	return strconv.Quote(n.Value)
}

// scalar reads one value as the type of its field says. The error says what
// is needed and what is there.
func scalar(s string, f *field) (any, error) {
	if isDuration(f.typ) {
		return ParseDuration(s)
	}
	if readsText(f.typ) {
		v := reflect.New(f.typ)
		err := v.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)) //nolint:forcetypeassert // Checked in the line above.
		if err != nil {
			return nil, fmt.Errorf("%q: %w", s, err)
		}
		return v.Elem().Interface(), nil
	}
	if f.isSize() {
		n, err := parseSize(s)
		if err != nil {
			return nil, err
		}
		return fit(reflect.New(f.typ).Elem(), float64(n), func(v reflect.Value) { setInt(v, n) })
	}
	switch {
	case f.typ.Kind() == reflect.String:
		return s, nil
	case f.typ.Kind() == reflect.Bool:
		switch s {
		case "true", "false":
			return s == "true", nil
		}
		return nil, fmt.Errorf("needs true or false, is %q%s", s, DidYouMean(boolWord(s), []string{"true", "false"}))
	case f.typ.Kind() == reflect.Float32 || f.typ.Kind() == reflect.Float64:
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return nil, fmt.Errorf("needs a number, is %q", s)
		}
		return n, nil
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("needs a whole number, is %q", s)
	}
	return fit(reflect.New(f.typ).Elem(), float64(n), func(v reflect.Value) { setInt(v, n) })
}

func boolWord(s string) string {
	switch strings.ToLower(s) {
	case "yes", "on", "1", "y":
		return "True"
	case "no", "off", "0", "n":
		return "False"
	}
	return s
}

// fit checks that a whole number fits into the type of v before it is set.
func fit(v reflect.Value, n float64, set func(reflect.Value)) (any, error) {
	t := v.Type()
	if v.CanUint() {
		if n < 0 {
			return nil, fmt.Errorf("must not be negative, is %.0f", n)
		}
		if t.Bits() < 64 && n >= math.Exp2(float64(t.Bits())) {
			return nil, fmt.Errorf("must be below %.0f, is %.0f", math.Exp2(float64(t.Bits())), n)
		}
	} else if t.Bits() < 64 && math.Abs(n) >= math.Exp2(float64(t.Bits()-1)) {
		return nil, fmt.Errorf("must be within ±%.0f, is %.0f", math.Exp2(float64(t.Bits()-1)), n)
	}
	set(v)
	return v.Interface(), nil
}

func setInt(v reflect.Value, n int64) {
	if v.CanUint() {
		v.SetUint(uint64(n))
		return
	}
	v.SetInt(n)
}
