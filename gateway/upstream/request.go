package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// appendRequest appends a request without a body in the form of RFC 9112. The
// error says what of it cannot be sent.
func appendRequest(b []byte, r *http.Request) ([]byte, error) {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	uri := r.URL.RequestURI()
	switch {
	case !httpguts.ValidHostHeader(host) || host == "":
		return b, errors.New("invalid host")
	case r.Method == "" || strings.IndexFunc(r.Method, func(c rune) bool { return !httpguts.IsTokenRune(c) }) >= 0:
		return b, fmt.Errorf("invalid method %q", r.Method)
	case strings.IndexFunc(uri, func(c rune) bool { return c <= ' ' || c == 0x7f }) >= 0:
		return b, errors.New("invalid request target")
	}
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, uri...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	b = append(b, "\r\n"...)
	for name, values := range r.Header {
		if owned(name) {
			continue
		}
		if !httpguts.ValidHeaderFieldName(name) {
			return b, fmt.Errorf("invalid header name %q", name)
		}
		for _, v := range values {
			if v == "" && name == "User-Agent" {
				continue // How a caller says that there shall be none.
			}
			if !plain(v) && !httpguts.ValidHeaderFieldValue(v) {
				return b, fmt.Errorf("invalid value of header %q", name)
			}
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, v...)
			b = append(b, "\r\n"...)
		}
	}
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		b = append(b, "Content-Length: 0\r\n"...) // RFC 9110, section 8.6.
	}
	return append(b, "\r\n"...), nil
}

// plain reports whether a value has none but printable ASCII characters: most are so,
// and a token is long. It looks at eight at a time (Lamport, "Multiple byte processing
// with full-word instructions", 1975).
func plain(s string) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; len(s) >= 8; s = s[8:] {
		w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		del := w ^ 0x7f*ones
		if (w|(w-0x20*ones)|(del-ones))&high != 0 {
			return false
		}
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// owned are the headers that this package writes itself, or never.
func owned(name string) bool {
	switch name {
	case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
		return true
	}
	return false
}
