package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// validation maps the joined errors of a Validate method back to the places
// that said so.
func (r *reader) validation(err error, config reflect.Value, file string) {
	if err == nil {
		return
	}
	already := make(map[string]bool, len(r.faults))
	for _, f := range r.faults {
		already[f.Key] = true
	}
	for _, line := range flatten(err) {
		key, text := r.splitKey(line)
		if key != "" && already[key] {
			continue // The value could not even be read; its default is not at fault.
		}
		words := offered(text)
		if len(words) > 0 && !strings.Contains(text, "did you mean") {
			text += DidYouMean(r.textOf(key, config), words)
		}
		p := r.placeOf(key)
		if p.source == "" {
			p.source = file
		}
		r.faults = append(r.faults, p.fault(key, text))
	}
}

// flatten returns the messages of the leaves of a tree of errors, each with
// the prefixes that its wrappers put before it.
func flatten(err error) []string {
	many, ok := err.(interface{ Unwrap() []error })
	if ok {
		inner := many.Unwrap()
		if err.Error() == errors.Join(inner...).Error() {
			var lines []string
			for _, one := range inner {
				lines = append(lines, flatten(one)...)
			}
			return lines
		}
		return []string{oneLine(err)} // fmt.Errorf with two %w: one sentence.
	}
	one, ok := err.(interface{ Unwrap() error })
	if !ok || one.Unwrap() == nil {
		return []string{oneLine(err)}
	}
	inner := one.Unwrap()
	prefix, found := strings.CutSuffix(err.Error(), inner.Error())
	lines := flatten(inner)
	if !found {
		return []string{oneLine(err)}
	}
	for i := range lines {
		lines[i] = prefix + lines[i]
	}
	return lines
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

var keyPath = regexp.MustCompile(`^[a-z][a-z0-9_]*(\[\d+\])*(\.[a-z][a-z0-9_]*(\[\d+\])*)*$`)

// splitKey takes the known key off the front of a message, also where it came
// in pieces: "listen: tls: cert_file: …" is listen.tls.cert_file.
func (r *reader) splitKey(line string) (key, text string) {
	text = line
	for {
		head, rest, found := strings.Cut(text, ": ")
		if !found || !keyPath.MatchString(head) || r.root.find(join(key, head)) == nil {
			break
		}
		key, text = join(key, head), rest
	}
	if key == "" {
		// A key that this version does not know is still better than none.
		return "", line
	}
	return key, text
}

// placeOf is where a key was given, else the nearest section or list entry
// around it that was.
func (r *reader) placeOf(key string) place {
	for at := key; at != ""; at = parent(at) {
		p, ok := r.places[at]
		if ok {
			return p
		}
	}
	return r.places[""]
}

func parent(path string) string {
	if strings.HasSuffix(path, "]") {
		return path[:strings.LastIndexByte(path, '[')]
	}
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return ""
	}
	return path[:i]
}

// textOf is the value at a concrete path, "" for none.
func (r *reader) textOf(key string, config reflect.Value) string {
	var text string
	walk(r.root, config, "", func(path string, _ *field, v reflect.Value) {
		if path == key && v.Kind() != reflect.Slice {
			text = fmt.Sprint(v.Interface())
		}
	})
	return text
}
