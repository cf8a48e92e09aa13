package route

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrPath means that two parties could read the request's path differently.
// The request is refused with status 400.
var ErrPath = errors.New("ambiguous path")

func pathError(why string) error { return fmt.Errorf("%w: %s", ErrPath, why) }

// normalise returns the one spelling of an escaped path, or an error that
// wraps [ErrPath]. Unreserved characters are plain, everything else is percent
// encoded in upper case (RFC 3986 section 6.2.2); a path that is so already is
// returned as it is, without an allocation.
func normalise(raw string) (string, error) {
	switch {
	case raw == "":
		return "/", nil // RFC 9110 section 4.2.3: the same resource.
	case raw[0] != '/':
		return "", pathError("does not begin with a slash")
	case len(raw) > PathBytesMax:
		return "", pathError("too long")
	}
	path := raw
	if !plain(raw) {
		decoded, err := decode(raw)
		if err != nil {
			return "", err
		}
		path = encode(decoded)
	}
	return path, checkSegments(path)
}

// plain reports whether path consists of characters that are never encoded.
func plain(path string) bool {
	for i := range len(path) {
		if path[i] != '/' && !unreserved(path[i]) {
			return false
		}
	}
	return true
}

// checkSegments refuses empty and dot segments, and too many of them.
func checkSegments(path string) error {
	n := 0
	for rest, more := path[1:], true; more; n++ {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		switch {
		case segment == "" && more:
			return pathError("empty segment")
		case segment == "." || segment == "..":
			return pathError("dot segment")
		case n == SegmentsMax:
			return pathError("too many segments")
		}
	}
	return nil
}

// decode undoes percent encoding once and refuses what must not come out of it.
func decode(raw string) (string, error) {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		escaped := c == '%'
		if escaped {
			if i+2 >= len(raw) || unhex(raw[i+1]) < 0 || unhex(raw[i+2]) < 0 {
				return "", pathError("malformed percent encoding")
			}
			c = byte(unhex(raw[i+1])<<4 | unhex(raw[i+2]))
			i += 2
		}
		switch {
		case c == '/' && escaped:
			return "", pathError("encoded slash")
		case c == '\\':
			return "", pathError("backslash")
		case c == ';':
			return "", pathError("path parameter")
		case !escaped && (c == '?' || c == '#' || c == ' '):
			return "", pathError("unencoded delimiter")
		}
		out = append(out, c)
	}
	for i := range len(out) - 2 {
		if out[i] == '%' && unhex(out[i+1]) >= 0 && unhex(out[i+2]) >= 0 {
			return "", pathError("encoded twice")
		}
	}
	if !utf8.Valid(out) {
		return "", pathError("not UTF-8")
	}
	for _, r := range string(out) {
		if unicode.IsControl(r) {
			return "", pathError("control character")
		}
	}
	return string(out), nil
}

// encode percent-encodes a decoded path.
func encode(path string) string {
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(path)+16)
	for i := range len(path) {
		c := path[i]
		if c == '/' || unreserved(c) || strings.IndexByte("!$&'()*+,=:@", c) >= 0 {
			out = append(out, c)
			continue
		}
		out = append(out, '%', hex[c>>4], hex[c&15])
	}
	return string(out)
}

// unreserved is RFC 3986 section 2.3.
func unreserved(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '-' || c == '.' || c == '_' || c == '~'
}

// unhex returns the value of a hexadecimal digit, or -1.
func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
