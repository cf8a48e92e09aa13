package config

import (
	"encoding"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Value is one value of a configuration and where it came from.
type Value struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	// Origin is default, file:line, "env NAME" or "--set key".
	Origin string `json:"origin"`
}

// Values are all values in the order of the configuration's fields; with
// effective false only those that a source gave.
func (l Loaded[T]) Values(effective bool) []Value {
	var out []Value
	walk(l.root, reflect.ValueOf(l.Config), "", func(path string, f *field, v reflect.Value) {
		p, given := l.origin(path)
		if given || effective {
			out = append(out, Value{Key: path, Value: text(f, v), Origin: p.String()})
		}
	})
	return out
}

// origin is the place of a value; a value below a list that was given comes
// from there, unless it has a place of its own.
func (l Loaded[T]) origin(path string) (place, bool) {
	for at := path; at != ""; at = parent(at) {
		p, ok := l.places[at]
		if !ok {
			continue
		}
		// A section that is named in the file gives no value to what it leaves out.
		if at == path || strings.HasPrefix(p.source, "env ") || strings.HasPrefix(p.source, "--set") {
			return p, true
		}
		return place{}, false
	}
	return place{}, false
}

// Print writes the configuration as YAML that Load reads back. Secrets do not
// appear, because a configuration holds only the paths of their files.
func (l Loaded[T]) Print(w io.Writer, effective, origin bool) error {
	doc := l.node(l.root, reflect.ValueOf(l.Config), "", effective, origin)
	if doc == nil || len(doc.Content) == 0 {
		_, err := fmt.Fprintln(w, "{} # everything is as by default")
		return err
	}
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	err := enc.Encode(doc)
	if err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return enc.Close()
}

// Dump writes a whole configuration, from wherever it came, as YAML that Load
// reads back.
func Dump[T any](w io.Writer, c T) error {
	root, err := treeOf(reflect.TypeFor[T]())
	if err != nil {
		return err
	}
	return Loaded[T]{Config: c, root: root}.Print(w, true, false)
}

// node is the YAML of a value, nil where nothing of it was given and only
// what was given is wanted.
func (l Loaded[T]) node(f *field, v reflect.Value, path string, effective, origin bool) *yaml.Node {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch f.form {
	case formSection:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, c := range f.children {
			cv, ok := fieldValue(v, c)
			if !ok {
				continue
			}
			value := l.node(c, cv, join(path, c.name), effective, origin)
			if value != nil {
				n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: c.name}, value)
			}
		}
		if len(n.Content) == 0 && path != "" {
			return nil
		}
		return n
	case formList:
		p, given := l.origin(path)
		if !given && !effective && !l.below(path) {
			return nil
		}
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			entry := l.node(f.elem, v.Index(i), fmt.Sprintf("%s[%d]", path, i), effective || given, origin)
			if entry != nil {
				n.Content = append(n.Content, entry)
			}
		}
		if v.Len() == 0 {
			n.Style = yaml.FlowStyle
			n.LineComment = comment(p, origin)
		}
		return n
	case formScalar:
	}
	p, given := l.origin(path)
	if !given && !effective {
		return nil
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text(f, v), LineComment: comment(p, origin)}
	if f.typ.Kind() == reflect.String {
		n.Tag = "!!str" // Quotes what YAML would read as something else.
	}
	return n
}

// below reports whether a source gave anything inside path.
func (l Loaded[T]) below(path string) bool {
	for at := range l.places {
		if strings.HasPrefix(at, path+"[") {
			return true
		}
	}
	return false
}

func comment(p place, wanted bool) string {
	if !wanted {
		return ""
	}
	return p.String()
}

// text is a value as a file would write it.
func text(f *field, v reflect.Value) string {
	if f.form == formList {
		return "[]"
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		return durationText(x)
	case encoding.TextMarshaler:
		b, err := x.MarshalText()
		if err == nil {
			return string(b)
		}
	}
	switch {
	case v.CanInt() && f.isSize():
		return sizeText(v.Int())
	case v.CanFloat():
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	}
	return fmt.Sprint(v.Interface())
}

// durationText leaves out the zero parts that time.Duration writes: 5m, not 5m0s.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// sizeText writes whole binary multiples with their unit.
func sizeText(n int64) string {
	if n == 0 {
		return "0"
	}
	for _, u := range []struct {
		suffix string
		bytes  int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}
