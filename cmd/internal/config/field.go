package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// form is the shape that a value has in a file.
type form int

const (
	formScalar form = iota
	formList
	formSection
)

// field is one known key with its type: the tree of them is what a file may hold.
type field struct {
	name string
	path string // With [] for every entry of a list, such as routes[].upstream.
	form form
	typ  reflect.Type // Without pointer.

	owner    reflect.Type // The struct that has the field, for its comment.
	goName   string
	index    []int    // Below the section's struct.
	children []*field // Of a section.
	elem     *field   // Of a list.
}

func isDuration(t reflect.Type) bool { return t == reflect.TypeFor[time.Duration]() }

// readsText reports whether values of t read themselves, as netip.Prefix does.
func readsText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// treeOf walks the fields of T. A type that viper or a file cannot carry is an
// error in the program, not in a configuration.
func treeOf(t reflect.Type) (*field, error) {
	root := &field{form: formSection, typ: t}
	return root, root.fill(0)
}

func (f *field) fill(depth int) error {
	if depth > depthMax {
		return fmt.Errorf("config key %s: nested deeper than %d", f.path, depthMax)
	}
	for f.typ.Kind() == reflect.Pointer {
		f.typ = f.typ.Elem()
	}
	switch {
	case isDuration(f.typ) || readsText(f.typ):
		f.form = formScalar
		return nil
	case f.typ.Kind() == reflect.Struct:
		f.form = formSection
		return f.addFields(f.typ, nil, depth)
	case f.typ.Kind() == reflect.Slice:
		f.form = formList
		f.elem = &field{name: f.name, path: f.path + "[]", typ: f.typ.Elem(), owner: f.owner, goName: f.goName}
		return f.elem.fill(depth + 1)
	}
	switch f.typ.Kind() { //nolint:exhaustive // All other kinds cannot stand in a file.
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		f.form = formScalar
		return nil
	case reflect.Map:
		return fmt.Errorf("config key %s: a map loses the case of its keys in viper; use a list of entries with a name", f.path)
	}
	return fmt.Errorf("config key %s: type %s cannot stand in a file", f.path, f.typ)
}

func (f *field) addFields(t reflect.Type, index []int, depth int) error {
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, _, _ := strings.Cut(sf.Tag.Get("mapstructure"), ",")
		if tag == "-" || !sf.IsExported() {
			continue
		}
		at := append(append([]int(nil), index...), i)
		if strings.Contains(sf.Tag.Get("mapstructure"), ",squash") {
			err := f.addFields(sf.Type, at, depth)
			if err != nil {
				return err
			}
			continue
		}
		if tag == "" {
			return fmt.Errorf("config type %s: field %s has no mapstructure tag", t, sf.Name)
		}
		child := &field{name: tag, path: join(f.path, tag), typ: sf.Type, owner: t, goName: sf.Name, index: at}
		err := child.fill(depth + 1)
		if err != nil {
			return err
		}
		f.children = append(f.children, child)
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func (f *field) child(name string) *field {
	for _, c := range f.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (f *field) names() []string {
	names := make([]string, 0, len(f.children))
	for _, c := range f.children {
		names = append(names, c.name)
	}
	return names
}

// leaves are the scalars and lists that stand in sections: what a variable or
// a flag can name without an index.
func (f *field) leaves(visit func(*field)) {
	for _, c := range f.children {
		if c.form == formSection {
			c.leaves(visit)
			continue
		}
		visit(c)
	}
}

// find follows a concrete path such as routes[2].upstream, nil where it leads
// to no known key.
func (f *field) find(path string) *field {
	at := f
	for step := range strings.SplitSeq(path, ".") {
		name, entries, _ := strings.Cut(step, "[")
		at = at.child(name)
		if at == nil {
			return nil
		}
		for range strings.Count(entries, "]") {
			if at.elem == nil {
				return nil
			}
			at = at.elem
		}
	}
	return at
}

// isPath reports whether the value names files or a folder, as its name says.
// Only databases, the MaxMind-format files of the gateway, and warm_start, the
// analyzer's history, have other names.
func (f *field) isPath() bool {
	switch f.name {
	case "file", "databases", "warm_start":
		return true
	}
	return f.isFolder() || strings.HasSuffix(f.name, "_file") || strings.HasSuffix(f.name, "_files")
}

// isFolder reports whether the value names a folder; it need not be there.
func (f *field) isFolder() bool { return f.name == "dir" || strings.HasSuffix(f.name, "_dir") }

// isSize reports whether the value is a number of bytes: header_bytes,
// header_bytes_max.
func (f *field) isSize() bool {
	return strings.Contains(f.name+"_", "bytes_") && f.typ.Kind() != reflect.String && f.form == formScalar
}
