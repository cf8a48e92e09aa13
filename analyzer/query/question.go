package query

import (
	"embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

//go:embed questions/*.sql
var files embed.FS

// ErrUnknown means that no question has the name.
var ErrUnknown = errors.New("no such question")

// Question is one named question.
type Question struct {
	Name string
	// Text is the question in words.
	Text    string
	Params  []Param
	Columns []Column
	// SQL is the whole file, documentation included.
	SQL string
}

// Param is one parameter of a question.
type Param struct {
	Name string
	// Type is ClickHouse's, such as UInt32.
	Type string
	// Default holds where no value is given and Required is false.
	Default  string
	Required bool
	Text     string
}

// Column is one column of an answer.
type Column struct{ Name, Text string }

var (
	paramLine  = regexp.MustCompile(`^(\w+) (\w+)(?: = (\S+))?  (.+)$`)
	columnLine = regexp.MustCompile(`^(\w+)  (.+)$`)
)

// Names returns every question, sorted by name. They are part of the binary: a
// file that is malformed is found by this package's own test.
func Names() []Question {
	entries, err := files.ReadDir("questions")
	if err != nil {
		panic(fmt.Sprintf("embedded questions: %v", err))
	}
	all := make([]Question, 0, len(entries))
	for _, e := range entries {
		text, err := files.ReadFile("questions/" + e.Name())
		if err != nil {
			panic(fmt.Sprintf("embedded question %s: %v", e.Name(), err))
		}
		q, err := parse(strings.TrimSuffix(e.Name(), ".sql"), string(text))
		if err != nil {
			panic(fmt.Sprintf("embedded question %s: %v", e.Name(), err))
		}
		all = append(all, q)
	}
	return all // ReadDir sorts.
}

// Find returns one question. The error wraps [ErrUnknown] and names those there are.
func Find(name string) (Question, error) {
	all := Names()
	i := slices.IndexFunc(all, func(q Question) bool { return q.Name == name })
	if i >= 0 {
		return all[i], nil
	}
	names := make([]string, len(all))
	for i, q := range all {
		names[i] = q.Name
	}
	return Question{}, fmt.Errorf("%q: %w; there are %s", name, ErrUnknown, strings.Join(names, ", "))
}

// parse reads the documentation at a file's head.
func parse(name, text string) (Question, error) {
	q := Question{Name: name, SQL: text}
	for line := range strings.Lines(text) {
		head, isComment := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		if !isComment {
			break
		}
		key, rest, _ := strings.Cut(head, ": ")
		switch key {
		case "question":
			q.Text = rest
		case "param":
			match := paramLine.FindStringSubmatch(rest)
			if match == nil {
				return q, fmt.Errorf("param line %q", rest)
			}
			q.Params = append(q.Params, Param{
				Name: match[1], Type: match[2], Default: strings.Trim(match[3], "'"), Required: match[3] == "", Text: match[4],
			})
		case "column":
			match := columnLine.FindStringSubmatch(rest)
			if match == nil {
				return q, fmt.Errorf("column line %q", rest)
			}
			q.Columns = append(q.Columns, Column{Name: match[1], Text: match[2]})
		default:
			return q, fmt.Errorf("comment %q", head)
		}
	}
	if q.Text == "" || len(q.Columns) == 0 {
		return q, errors.New("question or columns are missing")
	}
	return q, nil
}

// bind returns the value of every parameter. The error joins every fault.
func (q Question) bind(given map[string]string) (map[string]string, error) {
	values := make(map[string]string, len(q.Params))
	var faults []error
	for _, p := range q.Params {
		value, ok := given[p.Name]
		switch {
		case ok && len(value) > ValueBytesMax:
			faults = append(faults, fmt.Errorf("%s: has %d B, at most %d are allowed", p.Name, len(value), ValueBytesMax))
		case !ok && p.Required:
			faults = append(faults, fmt.Errorf("%s: is required (%s)", p.Name, p.Text))
		case !ok:
			value = p.Default
		}
		values[p.Name] = value
	}
	for _, name := range sortedKeys(given) {
		if _, known := values[name]; !known {
			faults = append(faults, fmt.Errorf("%s: question %s has no such parameter", name, q.Name))
		}
	}
	return values, errors.Join(faults...)
}
