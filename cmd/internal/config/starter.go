package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Starter writes a commented configuration to begin with: every key with its
// comment and its default behind a #; of a list of sections also the keys that an
// entry may have, so that none must be looked up elsewhere. examples are the values,
// as YAML, of what has no default; they stand without #.
func Starter[T any](w io.Writer, head string, defaults T, examples map[string]string) error {
	root, err := treeOf(reflect.TypeFor[T]())
	if err != nil {
		return err
	}
	docs, err := comments()
	if err != nil {
		return err
	}
	s := starter{docs: docs, examples: examples, mark: "#"}
	for line := range strings.SplitSeq(strings.TrimSpace(head), "\n") {
		s.out.WriteString(strings.TrimRight("# "+line, " ") + "\n")
	}
	s.section(root, reflect.ValueOf(defaults), "")
	_, err = io.WriteString(w, s.out.String())
	if err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

type starter struct {
	docs, examples map[string]string
	mark           string // Before each key that has a default.
	out            strings.Builder
}

func (s *starter) section(f *field, value reflect.Value, indent string) {
	for _, c := range f.children {
		if indent == "" {
			s.out.WriteString("\n")
		}
		s.comment(c, indent)
		example, given := s.examples[c.path]
		if given {
			s.out.WriteString(indent + c.name + ":" + shift(example, indent) + "\n")
			s.entry(c, indent)
			continue
		}
		cv, ok := fieldValue(value, c)
		switch c.form {
		case formSection:
			s.out.WriteString(indent + c.name + ":\n")
			if !ok {
				cv = reflect.New(c.typ).Elem()
			}
			s.section(c, cv, indent+"  ")
		case formList:
			s.out.WriteString(indent + s.mark + c.name + ": " + listText(c, cv, ok) + "\n")
			s.entry(c, indent)
		case formScalar:
			s.out.WriteString(indent + s.mark + c.name + ": " + scalarText(c, cv, ok) + "\n")
		}
	}
}

// entry writes the keys that an entry of a list of sections may have, each line behind
// a # whose removal leaves the key where it belongs.
func (s *starter) entry(list *field, indent string) {
	if list.elem == nil || list.elem.form != formSection {
		return
	}
	inner := starter{docs: s.docs}
	inner.section(list.elem, reflect.New(list.elem.typ).Elem(), "    ")
	s.out.WriteString(indent + "# An entry may have:\n")
	for line := range strings.SplitSeq(strings.TrimRight(inner.out.String(), "\n"), "\n") {
		s.out.WriteString(indent + "#" + line + "\n")
	}
}

func (s *starter) comment(f *field, indent string) {
	for _, line := range wrap(s.docs[commentKey(f.owner, f.goName)], 78-len(indent)) {
		s.out.WriteString(indent + "# " + line + "\n")
	}
}

// shift puts a value behind its key: one line as it is, more below it.
func shift(example, indent string) string {
	if !strings.Contains(example, "\n") {
		return " " + example
	}
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(example, "\n"), "\n") {
		b.WriteString("\n" + strings.TrimRight(indent+"  "+line, " "))
	}
	return b.String()
}

func listText(f *field, v reflect.Value, ok bool) string {
	if !ok || v.Len() == 0 {
		return "[]"
	}
	words := make([]string, 0, v.Len())
	for i := range v.Len() {
		words = append(words, scalarText(f.elem, v.Index(i), f.elem.form == formScalar))
	}
	return "[" + strings.Join(words, ", ") + "]"
}

func scalarText(f *field, v reflect.Value, ok bool) string {
	if !ok {
		return ""
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text(f, v)}
	if f.typ.Kind() == reflect.String {
		n.Tag = "!!str"
	}
	b, err := yaml.Marshal(n)
	if err != nil {
		return text(f, v)
	}
	return strings.TrimSpace(string(b))
}

func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
