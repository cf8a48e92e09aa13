package route

import (
	"errors"
	"fmt"
	"strings"
)

// kinds of segment, most specific first.
type segmentKind int

const (
	literal  segmentKind = iota
	variable             // {id}: exactly one segment, not empty.
	catchAll             // {path...}: the rest, also nothing.
)

// segment is one part of a path template.
type segment struct {
	kind segmentKind
	text string // The literal, in the spelling of normalise.
}

// parseTemplate reads a path template.
func parseTemplate(template string) ([]segment, error) {
	if template == "" {
		return nil, errors.New("is missing")
	}
	if template[0] != '/' {
		return nil, fmt.Errorf("%q does not begin with a slash", template)
	}
	parts := strings.Split(template[1:], "/")
	if len(parts) > SegmentsMax {
		return nil, fmt.Errorf("has more than %d segments", SegmentsMax)
	}
	segments := make([]segment, 0, len(parts))
	names := make(map[string]bool)
	for i, part := range parts {
		s, name, err := parseSegment(part)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", template, err)
		}
		switch {
		case s.kind == catchAll && i != len(parts)-1:
			return nil, fmt.Errorf("%q: %s must be the last segment", template, part)
		case s.kind == literal && part == "" && i != len(parts)-1:
			return nil, fmt.Errorf("%q: has an empty segment, which no request may have", template)
		case name != "" && names[name]:
			return nil, fmt.Errorf("%q: {%s} appears twice", template, name)
		}
		names[name] = true
		segments = append(segments, s)
	}
	return segments, nil
}

// parseSegment reads one segment; name is that of its variable.
func parseSegment(part string) (s segment, name string, err error) {
	if !strings.ContainsAny(part, "{}") {
		path, err := normalise("/" + part)
		if err != nil {
			return segment{}, "", fmt.Errorf("segment %q can never match: %w", part, err)
		}
		return segment{kind: literal, text: path[1:]}, "", nil
	}
	name = strings.TrimSuffix(strings.TrimPrefix(part, "{"), "}")
	s.kind = variable
	rest, all := strings.CutSuffix(name, "...")
	if all {
		s.kind, name = catchAll, rest
	}
	if len(part) < 2 || part[0] != '{' || part[len(part)-1] != '}' || !identifier(name) {
		return segment{}, "", fmt.Errorf("segment %q: write {name}, {name...} or plain text", part)
	}
	return s, name, nil
}

func identifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// shape spells a template without the names of its variables, so that two
// templates that match the same paths have the same shape.
func shape(segments []segment) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		switch s.kind {
		case literal:
			b.WriteString(s.text)
		case variable:
			b.WriteString("{}")
		case catchAll:
			b.WriteString("{...}")
		}
	}
	return b.String()
}

// generalise replaces the segments of rest that look like ids by {id} and
// returns the last of them. Without one it returns rest itself.
func generalise(rest string) (template, resource string) {
	var b strings.Builder
	done := 0
	for at := 0; at <= len(rest); {
		end := strings.IndexByte(rest[at:], '/')
		if end < 0 {
			end = len(rest) - at
		}
		s := rest[at : at+end]
		if looksLikeID(s) {
			b.WriteString(rest[done:at])
			b.WriteString("{id}")
			resource, done = s, at+end
		}
		at += end + 1
	}
	if done == 0 {
		return rest, ""
	}
	b.WriteString(rest[done:])
	return b.String(), resource
}

// looksLikeID recognises numbers, UUIDs, ULIDs and hexadecimal digests.
func looksLikeID(s string) bool {
	if s == "" {
		return false
	}
	digits, hexes, dashes, others := 0, 0, 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits++
		case unhex(c) >= 0:
			hexes++
		case c == '-':
			dashes++
		default:
			others++
		}
	}
	switch {
	case digits == len(s):
		return true
	case len(s) == 36 && dashes == 4 && others == 0:
		return s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-'
	case dashes == 0 && others == 0 && digits > 0:
		return len(s) >= 16
	}
	return ulid(s)
}

// ulid reports whether s is 26 characters of Crockford's base 32 whose first,
// a part of the time, is at most 7.
func ulid(s string) bool {
	if len(s) != 26 || s[0] < '0' || s[0] > '7' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z' || strings.IndexByte("ILOU", c) >= 0) {
			return false
		}
	}
	return true
}
