package model

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Fault is one thing that is wrong with a model file, and where.
type Fault struct { //nolint:errname // As in package config: what is wrong with a file comes first, that it is an error second.
	File string
	// Line and Column count from 1.
	Line, Column int
	// Key is the dotted path of the value, such as rules[2].nats; "" for the file
	// as a whole.
	Key string
	// Text says what is wrong and, where that can be guessed, what was meant.
	Text string
}

// Error implements error.
func (f *Fault) Error() string {
	if f.Key == "" {
		return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Text)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", f.File, f.Line, f.Column, f.Key, f.Text)
}

// reader walks YAML nodes and collects faults with their place.
type reader struct {
	file   string
	lines  []string
	faults []error
	// What can only be read once the whole file is known.
	pending   []ruleNode
	ensembles []ensembleNode
	later     func()
}

// field is one key that a mapping may have; a nil read means that the caller
// has read it already.
type field struct {
	key  string
	read func(n *yaml.Node, key string)
}

func (r *reader) fault(n *yaml.Node, key, what string) {
	r.faults = append(r.faults, &Fault{File: r.file, Line: n.Line, Column: n.Column, Key: key, Text: what})
}

// mapping reads a mapping strictly: unknown and repeated keys are faults, and
// so are required ones that are missing.
func (r *reader) mapping(n *yaml.Node, path string, fields []field, required ...string) {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		r.fault(n, path, "must be a mapping of keys to values")
		return
	}
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.key
	}
	var seen []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		at := slices.Index(known, k.Value)
		switch {
		case at < 0:
			r.fault(k, join(path, k.Value), "unknown key"+didYouMean(k.Value, known))
			continue
		case slices.Contains(seen, k.Value):
			r.fault(k, join(path, k.Value), "is given twice")
			continue
		}
		seen = append(seen, k.Value)
		if fields[at].read != nil {
			fields[at].read(v, join(path, k.Value))
		}
	}
	for _, key := range required {
		if !slices.Contains(seen, key) {
			r.fault(n, join(path, key), "is missing")
		}
	}
}

func (r *reader) sequence(n *yaml.Node, path string, read func(n *yaml.Node, key string)) {
	n = resolve(n)
	if n.Kind != yaml.SequenceNode {
		r.fault(n, path, "must be a list")
		return
	}
	for i, item := range n.Content {
		read(item, fmt.Sprintf("%s[%d]", path, i))
	}
}

// named reads a list whose entries carry a name out of a known set, each once.
func (r *reader) named(n *yaml.Node, path, nameKey string, known []string, read func(n *yaml.Node, key string, i int)) {
	var seen []string
	if resolve(n).Kind != yaml.SequenceNode {
		r.fault(n, path, fmt.Sprintf("must be a list, with entries such as {%s: %s, …}", nameKey, known[0]))
		return
	}
	r.sequence(n, path, func(item *yaml.Node, key string) {
		item = resolve(item)
		if item.Kind != yaml.MappingNode {
			r.fault(item, key, fmt.Sprintf("must be an entry such as {%s: %s, …}", nameKey, known[0]))
			return
		}
		name := child(item, nameKey)
		if name == nil {
			r.fault(item, join(key, nameKey), "is missing")
			return
		}
		i := slices.Index(known, name.Value)
		switch {
		case i < 0:
			r.fault(name, join(key, nameKey), fmt.Sprintf("%q is unknown%s", name.Value, didYouMean(name.Value, known)))
			return
		case slices.Contains(seen, name.Value):
			r.fault(name, join(key, nameKey), fmt.Sprintf("%q is given twice", name.Value))
			return
		}
		seen = append(seen, name.Value)
		read(item, key, i)
	})
}

func (r *reader) text(n *yaml.Node, key string, to *string) bool {
	n = resolve(n)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		r.fault(n, key, "must be text")
		return false
	}
	*to = n.Value
	return true
}

func (r *reader) oneOf(n *yaml.Node, key string, to *string, known []string) bool {
	n = resolve(n)
	if n.Kind != yaml.ScalarNode || !slices.Contains(known, n.Value) {
		r.fault(n, key, fmt.Sprintf("%q must be one of %s%s", n.Value, strings.Join(known, ", "), didYouMean(n.Value, known)))
		return false
	}
	*to = n.Value
	return true
}

func (r *reader) boolean(n *yaml.Node, key string, to *bool) {
	n = resolve(n)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
		r.fault(n, key, fmt.Sprintf("%q must be true or false", n.Value))
		return
	}
	*to = strings.EqualFold(n.Value, "true")
}

// plain writes a bound as people do, up to what nobody writes out.
func plain(f float64) string {
	if math.Abs(f) >= 1e15 {
		return fmt.Sprintf("%g", f)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// number reads a finite number within [least, most].
func (r *reader) number(n *yaml.Node, key string, least, most float64) (float64, bool) {
	n = resolve(n)
	f, err := strconv.ParseFloat(n.Value, 64)
	switch {
	case n.Kind != yaml.ScalarNode || err != nil:
		r.fault(n, key, fmt.Sprintf("%q must be a number", n.Value))
	case math.IsNaN(f) || f < least || f > most:
		r.fault(n, key, fmt.Sprintf("%s must be between %s and %s", n.Value, plain(least), plain(most)))
	default:
		return f, true
	}
	return 0, false
}

func (r *reader) floatField(to *float64, least, most float64) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		if f, ok := r.number(n, key, least, most); ok {
			*to = f
		}
	}
}

// countField reads a whole number of at least one.
func (r *reader) countField(to *int, most float64) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		f, ok := r.number(n, key, 1, most)
		switch {
		case ok && f != math.Trunc(f):
			r.fault(n, key, n.Value+" must be a whole number")
		case ok:
			*to = int(f)
		}
	}
}

// durationField reads a duration such as 90s, 30m, 12h or 30d, at least least
// and at most the duration that most names.
func (r *reader) durationField(to *time.Duration, least time.Duration, most string) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		n = resolve(n)
		d, ok := duration(n.Value)
		limit, _ := duration(most)
		switch {
		case n.Kind != yaml.ScalarNode || !ok:
			what := fmt.Sprintf("%q must be a duration such as 90s, 30m, 12h or 30d", n.Value)
			_, err := strconv.ParseFloat(n.Value, 64)
			if err == nil {
				what += fmt.Sprintf(": a unit is missing (did you mean %ss?)", n.Value)
			}
			r.fault(n, key, what)
		case d < least || d > limit:
			r.fault(n, key, fmt.Sprintf("%s must be between %s and %s", n.Value, least, most))
		default:
			*to = d
		}
	}
}

func duration(s string) (time.Duration, bool) {
	if days, isDays := strings.CutSuffix(s, "d"); isDays {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || !(n >= 0) || n > 36500 {
			return 0, false
		}
		return time.Duration(n * float64(24*time.Hour)), true
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}

func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return resolve(n.Content[i+1])
		}
	}
	return nil
}

// resolve follows an alias. YAML forbids an alias within its own anchor, and
// nothing here expands aliases recursively, so a bomb of them stays small.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// didYouMean names the known word that is closest to a wrong one, if one is
// close enough to be what was meant.
func didYouMean(wrong string, known []string) string {
	best, least := "", max(2, len(wrong)/3)+1
	for _, k := range known {
		d := distance(wrong, k)
		if d < least {
			best, least = k, d
		}
	}
	if best == "" || len(wrong) > 64 {
		return ""
	}
	return " (did you mean " + best + "?)"
}

// distance is the Levenshtein distance; long words are not worth the time.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
