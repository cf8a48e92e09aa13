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
			if !httpguts.ValidHeaderFieldValue(v) {
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

// owned are the headers that this package writes itself, or never.
func owned(name string) bool {
	switch name {
	case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
		return true
	}
	return false
}
