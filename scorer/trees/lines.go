package trees

import (
	"fmt"
	"strconv"
	"strings"
)

// line is one line of a text, or the part behind its "key=".
type line struct {
	text   string
	number int // From 1.
	key    string
}

// fault is an error at this line.
func (l line) fault(format string, args ...any) error {
	if l.key != "" {
		format = l.key + ": " + format
	}
	return fmt.Errorf("line %d: "+format, append([]any{l.number}, args...)...)
}

// lineReader reads a text line by line.
type lineReader struct {
	text   string
	offset int // Of the line to come.
	number int // Of the line before.
}

// next is the next line; at the end it is empty.
func (r *lineReader) next() line {
	text, _, _ := strings.Cut(r.text[r.offset:], "\n")
	r.offset = min(len(r.text), r.offset+len(text)+1)
	r.number++
	return line{text: text, number: r.number}
}

// blank skips empty lines.
func (r *lineReader) blank() {
	for strings.HasPrefix(r.text[r.offset:], "\n") {
		r.next()
	}
}

// section is a run of lines "key=value" that an empty line ends.
type section struct {
	fields map[string]line
	last   int // The number of its last line.
}

// section reads the next section and the empty lines behind it. In the header
// a line may be a word alone.
func (r *lineReader) section(header bool) (section, error) {
	s := section{fields: make(map[string]line)}
	for r.offset < len(r.text) && r.text[r.offset] != '\n' {
		l := r.next()
		key, value, ok := strings.Cut(l.text, "=")
		if !ok && !header {
			return s, l.fault("%s is not of the form key=value: the file was cut or changed; save the model again", quote(l.text))
		}
		if _, twice := s.fields[key]; twice {
			return s, l.fault("%s stands here a second time; the file is damaged, save the model again", quote(key))
		}
		if len(s.fields) == fieldsMax {
			return s, l.fault("more than %d lines without an empty one: not a LightGBM text model", fieldsMax)
		}
		s.fields[key] = line{text: value, number: l.number, key: key}
		s.last = l.number
	}
	r.blank()
	return s, nil
}

// fault is an error of the section as a whole.
func (s section) fault(format string, args ...any) error {
	return line{number: s.last}.fault(format, args...)
}

// at is the value of a key that is known to be there.
func (s section) at(key string) line { return s.fields[key] }

// value is the value of a key that has to be there.
func (s section) value(key string) (line, error) {
	l, ok := s.fields[key]
	if !ok {
		return l, s.fault("there is no %s up to this line: the file was cut or changed; save the model again", key)
	}
	return l, nil
}

// number is the whole number of a key.
func (s section) number(key string, least, most int) (int, error) {
	l, err := s.value(key)
	if err != nil {
		return 0, err
	}
	return l.integer(l.text, least, most)
}

// integers are the n whole numbers of a key, of 32 bits, signed or not.
func (s section) integers(key string, n int) ([]int, error) {
	return list(s, key, n, func(l line, word string) (int, error) { return l.integer(word, -1<<31, 1<<32-1) })
}

// numbers are the n numbers of a key. They may be infinite or not a number.
func (s section) numbers(key string, n int) ([]float64, error) {
	return list(s, key, n, func(l line, word string) (float64, error) {
		x, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return 0, l.fault("%s is not a number; the file is damaged, save the model again", quote(word))
		}
		return x, nil
	})
}

// list is what parse makes of the n words of a key.
func list[T any](s section, key string, n int, parse func(l line, word string) (T, error)) ([]T, error) {
	l, err := s.value(key)
	if err != nil {
		return nil, err
	}
	words, err := l.words(n)
	if err != nil {
		return nil, err
	}
	out := make([]T, n)
	for i, word := range words {
		out[i], err = parse(l, word)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// words are the n words of a line.
func (l line) words(n int) ([]string, error) {
	words := make([]string, 0, n)
	for word := range strings.FieldsSeq(l.text) {
		if len(words) == n {
			return nil, l.fault("has more than %d entries; the file is damaged, save the model again", n)
		}
		words = append(words, word)
	}
	if len(words) < n {
		return nil, l.fault("has %d entries, want %d; the file is damaged, save the model again", len(words), n)
	}
	return words, nil
}

// integer reads one word of a line.
func (l line) integer(word string, least, most int) (int, error) {
	n, err := strconv.Atoi(word)
	if err != nil {
		return 0, l.fault("%s is not a whole number; the file is damaged, save the model again", quote(word))
	}
	if n < least || n > most {
		return 0, l.fault("%d is not in %d to %d", n, least, most)
	}
	return n, nil
}
