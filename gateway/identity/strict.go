package identity

import (
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Errors of parseObject.
var (
	errJSON      = errors.New("not JSON as RFC 8259 has it")
	errDuplicate = errors.New("duplicate member")
	errLimits    = errors.New("too deep or too many members")
)

// member is one member of an object: its decoded name and the text of its value.
type member struct {
	name  string
	value []byte
}

// object is a JSON object whose names are unique at every depth.
type object []member

// get returns the text of a member's value; nil where it is absent.
func (o object) get(name string) []byte {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// parseObject reads one JSON object and nothing behind it. It refuses what
// parsers disagree about: duplicate names at any depth (however they are
// escaped), lone surrogates, text that is not UTF-8, control characters. The
// cost is linear in text, and bounded by [DepthMax] and [MembersMax].
func parseObject(text []byte) (object, error) {
	if !utf8.Valid(text) {
		return nil, errJSON
	}
	p := parser{text: text}
	p.space()
	if p.peek() != '{' {
		return nil, errJSON
	}
	o, err := p.object(1)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.at != len(text) {
		return nil, errJSON
	}
	return o, nil
}

// parser walks over one text once.
type parser struct {
	text    []byte
	at      int
	members int
}

// peek returns the next byte, 0 at the end: no JSON text holds a 0.
func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *parser) space() {
	for {
		switch p.peek() {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *parser) accept(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.at++
	return true
}

// object reads an object from its brace on.
func (p *parser) object(depth int) (object, error) {
	if depth > DepthMax {
		return nil, errLimits
	}
	p.at++
	p.space()
	if p.accept('}') {
		return object{}, nil
	}
	o := make(object, 0, 16)
	var many map[string]struct{} // Only where a linear search would be slow.
	for {
		p.space()
		name, err := p.str()
		if err != nil {
			return nil, err
		}
		p.members++
		if p.members > MembersMax {
			return nil, errLimits
		}
		if len(o) == cap(o) && many == nil {
			many = make(map[string]struct{}, MembersMax)
			for _, m := range o {
				many[m.name] = struct{}{}
			}
		}
		_, dup := many[name]
		if dup || many == nil && o.get(name) != nil {
			return nil, errDuplicate
		}
		if many != nil {
			many[name] = struct{}{}
		}
		p.space()
		if !p.accept(':') {
			return nil, errJSON
		}
		value, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		o = append(o, member{name: name, value: value})
		p.space()
		if p.accept('}') {
			return o, nil
		}
		if !p.accept(',') {
			return nil, errJSON
		}
	}
}

// value reads any value inside of depth objects and arrays and returns its text.
func (p *parser) value(depth int) ([]byte, error) {
	p.space()
	start := p.at
	var err error
	switch c := p.peek(); {
	case c == '{':
		_, err = p.object(depth + 1)
	case c == '[':
		err = p.array(depth+1, nil)
	case c == '"':
		_, err = p.str()
	case c == '-' || '0' <= c && c <= '9':
		err = p.number()
	default:
		err = p.word()
	}
	if err != nil {
		return nil, err
	}
	return p.text[start:p.at:p.at], nil
}

// array reads an array from its bracket on and shows each element's text.
func (p *parser) array(depth int, each func(value []byte)) error {
	if depth > DepthMax {
		return errLimits
	}
	p.at++
	p.space()
	if p.accept(']') {
		return nil
	}
	for {
		v, err := p.value(depth)
		if err != nil {
			return err
		}
		if each != nil {
			each(v)
		}
		p.space()
		if p.accept(']') {
			return nil
		}
		if !p.accept(',') {
			return errJSON
		}
	}
}

func (p *parser) word() error {
	for _, w := range []string{"true", "false", "null"} {
		if len(p.text)-p.at >= len(w) && string(p.text[p.at:p.at+len(w)]) == w {
			p.at += len(w)
			return nil
		}
	}
	return errJSON
}

// number reads a number by the grammar of RFC 8259 section 6.
func (p *parser) number() error {
	p.accept('-')
	if !p.accept('0') && !p.digits() {
		return errJSON
	}
	if p.accept('.') && !p.digits() {
		return errJSON
	}
	if p.accept('e') || p.accept('E') {
		if !p.accept('+') {
			p.accept('-')
		}
		if !p.digits() {
			return errJSON
		}
	}
	return nil
}

func (p *parser) digits() bool {
	start := p.at
	for '0' <= p.peek() && p.peek() <= '9' {
		p.at++
	}
	return p.at > start
}

// str reads a string and decodes it.
func (p *parser) str() (string, error) {
	if !p.accept('"') {
		return "", errJSON
	}
	start := p.at
	for {
		switch c := p.peek(); {
		case c == '"':
			s := string(p.text[start:p.at])
			p.at++
			return s, nil
		case c == '\\':
			return p.escaped(append([]byte(nil), p.text[start:p.at]...))
		case c < ' ':
			return "", errJSON // Also the end of the text.
		}
		p.at++
	}
}

// escaped goes on with a string from its first backslash.
func (p *parser) escaped(out []byte) (string, error) {
	for {
		switch c := p.peek(); {
		case c == '"':
			p.at++
			return string(out), nil
		case c < ' ':
			return "", errJSON
		case c != '\\':
			out = append(out, c)
			p.at++
		default:
			p.at++
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		}
	}
}

// escape reads what stands behind a backslash.
func (p *parser) escape() (rune, error) {
	if p.at == len(p.text) {
		return 0, errJSON
	}
	c := p.text[p.at]
	p.at++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		r, err := p.hex4()
		if err != nil || !utf16.IsSurrogate(r) {
			return r, err
		}
		if !p.accept('\\') || !p.accept('u') {
			return 0, errJSON // A lone surrogate has no meaning that parsers agree on.
		}
		low, err := p.hex4()
		r = utf16.DecodeRune(r, low)
		if err != nil || r == utf8.RuneError {
			return 0, errJSON
		}
		return r, nil
	}
	return 0, errJSON
}

func (p *parser) hex4() (rune, error) {
	if len(p.text)-p.at < 4 {
		return 0, errJSON
	}
	for _, c := range p.text[p.at : p.at+4] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return 0, errJSON
		}
	}
	n, err := strconv.ParseUint(string(p.text[p.at:p.at+4]), 16, 16)
	if err != nil {
		return 0, errJSON
	}
	p.at += 4
	return rune(n), nil
}

// text returns the string that a value's text spells; ok is false where it is
// of another type.
func text(value []byte) (s string, ok bool) {
	if len(value) == 0 || value[0] != '"' {
		return "", false
	}
	p := parser{text: value}
	s, err := p.str()
	return s, err == nil
}

// texts returns the strings of an array; ok is false where the value is none,
// has an element that is no string, or more than [ListMax].
func texts(value []byte) (list []string, ok bool) {
	if len(value) == 0 || value[0] != '[' {
		return nil, false
	}
	ok = true
	p := parser{text: value}
	err := p.array(1, func(v []byte) {
		s, good := text(v)
		ok = ok && good && len(list) < ListMax
		if ok {
			list = append(list, s)
		}
	})
	return list, ok && err == nil
}
