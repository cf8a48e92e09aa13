package main

import (
	"strings"

	"github.com/vigil-gateway/vigil/cmd/internal/config"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// unknownFieldsMax bounds the names that are remembered, and so the warnings.
const unknownFieldsMax = 20

// fieldCheck finds names in JSON events that no event has. They are legal, as
// a newer writer may know more, but in a file of one's own mostly a mistake.
type fieldCheck struct {
	names   []string            // In the order of the event.
	known   map[string]struct{} // Lower case: JSON is read without regard to case.
	counted map[string]int      // By unknown name, at most unknownFieldsMax.
	total   int
}

func newFieldCheck() *fieldCheck {
	c := &fieldCheck{known: make(map[string]struct{}), counted: make(map[string]int)}
	fields := new(event.RequestEvent).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		name := string(fields.Get(i).Name())
		c.names = append(c.names, name)
		c.known[name] = struct{}{}
	}
	return c
}

// look calls warn with each unknown name of an event that it has not seen yet,
// and the end of a sentence that says what was probably meant.
func (c *fieldCheck) look(line []byte, warn func(name, guess string)) {
	topNames(line, func(written []byte) {
		_, ok := c.known[string(written)] // No copy is made for the look.
		if !ok {
			_, ok = c.known[strings.ToLower(string(written))]
		}
		if ok {
			return
		}
		name := string(written)
		c.total++
		_, seen := c.counted[name]
		if !seen && len(c.counted) == unknownFieldsMax {
			return
		}
		c.counted[name]++
		if !seen {
			warn(name, config.DidYouMean(name, c.names))
		}
	})
}

// topNames visits the names of the members of a valid JSON object, not of what
// is nested in it, as they are written. It costs less than a second decoding.
func topNames(line []byte, visit func(name []byte)) {
	depth, text := 0, -1 // Where the string begins that is read; -1 outside of one.
	var last []byte
	for i := 0; i < len(line); i++ {
		b := line[i]
		switch {
		case text >= 0 && b == '\\':
			i++ // What is escaped ends no string.
		case text >= 0 && b == '"':
			if depth == 1 {
				last = line[text:i]
			}
			text = -1
		case text >= 0:
		case b == '"':
			text = i + 1
		case b == '{' || b == '[':
			depth++
		case b == '}' || b == ']':
			depth--
		case b == ':' && depth == 1:
			visit(last)
		}
	}
}
