package config

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// property is one JSON Schema; the order of members is that of the fields here.
type property struct {
	Schema      string               `json:"$schema,omitempty"`
	Title       string               `json:"title,omitempty"`
	Description string               `json:"description,omitempty"`
	Type        any                  `json:"type,omitempty"`
	Pattern     string               `json:"pattern,omitempty"`
	Minimum     *float64             `json:"minimum,omitempty"`
	Default     any                  `json:"default,omitempty"`
	Examples    []any                `json:"examples,omitempty"`
	Items       *property            `json:"items,omitempty"`
	Properties  map[string]*property `json:"properties,omitempty"`
	Additional  *bool                `json:"additionalProperties,omitempty"`
}

// Patterns of values that carry a unit.
const (
	durationPattern = `^-?([0-9]+d|0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$`
	sizePattern     = `^[0-9]+(\.[0-9]+)? ?(B|KiB|MiB|GiB|TiB|kB|KB|MB|GB|TB)?$`
)

// Schema is the JSON Schema (draft 2020-12) of T, for editors. Descriptions
// are the comments of the fields; defaults are those of defaults.
func Schema[T any](title string, defaults T) ([]byte, error) {
	root, err := treeOf(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	docs, err := comments()
	if err != nil {
		return nil, err
	}
	p := describe(root, reflect.ValueOf(defaults), docs)
	p.Schema = "https://json-schema.org/draft/2020-12/schema"
	p.Title = title
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	return append(b, '\n'), nil
}

// describe is the schema of one field; value is its default, invalid where
// there is none, as below an entry of a list.
func describe(f *field, value reflect.Value, docs map[string]string) *property {
	p := &property{Description: docs[commentKey(f.owner, f.goName)]}
	switch f.form {
	case formSection:
		closed := false
		p.Type, p.Additional = "object", &closed
		p.Properties = make(map[string]*property, len(f.children))
		for _, c := range f.children {
			var cv reflect.Value
			if value.IsValid() {
				v, ok := fieldValue(value, c)
				if ok {
					cv = v
				}
			}
			p.Properties[c.name] = describe(c, cv, docs)
		}
		return p
	case formList:
		p.Type = "array"
		p.Items = describe(f.elem, reflect.Value{}, docs)
		p.Items.Description = ""
		return p
	case formScalar:
	}
	p.typed(f)
	if value.IsValid() && !value.IsZero() {
		p.Default = jsonDefault(f, value)
	}
	return p
}

func (p *property) typed(f *field) {
	zero := 0.0
	switch {
	case isDuration(f.typ):
		p.Type, p.Pattern, p.Examples = "string", durationPattern, []any{"5s"}
	case f.isSize():
		p.Type, p.Pattern, p.Examples = []string{"integer", "string"}, sizePattern, []any{"64KiB", 65536}
	case readsText(f.typ), f.typ.Kind() == reflect.String:
		p.Type = "string"
	case f.typ.Kind() == reflect.Bool:
		p.Type = "boolean"
	case f.typ.Kind() == reflect.Float32, f.typ.Kind() == reflect.Float64:
		p.Type = "number"
	default:
		p.Type = "integer"
		if strings.HasPrefix(f.typ.Kind().String(), "uint") {
			p.Minimum = &zero
		}
	}
}

func jsonDefault(f *field, v reflect.Value) any {
	if isDuration(f.typ) || f.isSize() {
		return text(f, v)
	}
	m, ok := reflect.TypeAssert[encoding.TextMarshaler](v)
	if ok {
		b, err := m.MarshalText()
		if err == nil {
			return string(b)
		}
	}
	return v.Interface()
}
