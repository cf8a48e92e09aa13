package upstream

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// errHeaderTooLarge has the words of net/http.
var errHeaderTooLarge = errors.New("response headers exceeded the limit")

// readHead reads lines until an empty one, at most most bytes, and returns them
// without it.
func (c *conn) readHead(most int64) (string, error) {
	c.head = c.head[:0]
	begin := 0 // Of the current line.
	for {
		part, err := c.in.ReadSlice('\n')
		if int64(len(c.head)+len(part)) > most {
			return "", errHeaderTooLarge
		}
		c.head = append(c.head, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return "", errEnded(err)
		}
		switch string(c.head[begin:]) {
		case "\n", "\r\n":
			return string(c.head[:begin]), nil
		}
		begin = len(c.head)
	}
}

// parseHead reads a status line and fields (RFC 9112, sections 4 and 5).
func parseHead(text string) (*http.Response, error) {
	first, rest, _ := strings.Cut(text, "\n")
	first = strings.TrimSuffix(first, "\r")
	if len(first) < len("HTTP/1.1 200") || !strings.HasPrefix(first, version) || first[7] != '0' && first[7] != '1' || first[8] != ' ' ||
		len(first) > 12 && first[12] != ' ' || !httpguts.ValidHeaderFieldValue(first) {
		return nil, fmt.Errorf("malformed HTTP response: status line %.64q", first)
	}
	code := first[9:12]
	status, err := strconv.ParseUint(code, 10, 16)
	if err != nil || status < 100 {
		return nil, fmt.Errorf("malformed HTTP response: status %q", code)
	}
	h, err := parseFields(rest)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: first[9:], StatusCode: int(status), Proto: first[:8], ProtoMajor: 1, ProtoMinor: int(first[7] - '0'), Header: h,
	}, nil
}

// parseFields reads header lines (RFC 9112, section 5). A line may end with LF
// alone; a folded one is refused, and so is a name with a space behind it.
func parseFields(text string) (http.Header, error) {
	lines := strings.Count(text, "\n")
	if lines > headersMax {
		return nil, errHeaderTooLarge
	}
	h := make(http.Header, lines)
	values := make([]string, lines) // Of which each name has its part.
	for text != "" {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		line = strings.TrimSuffix(line, "\r")
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, fmt.Errorf("malformed HTTP response: header line %.64q", line)
		}
		name = http.CanonicalHeaderKey(name)
		have := h[name]
		if have == nil {
			values[0] = value
			h[name], values = values[:1:1], values[1:]
			continue
		}
		h[name] = append(have, value)
	}
	return h, nil
}

// framing returns the length of a response's body, -1 where the header does not
// say, and whether it comes in chunks (RFC 9112, section 6). It takes
// Transfer-Encoding out of the header, as net/http does.
func framing(res *http.Response) (length int64, chunked bool, err error) {
	encodings, lengths := res.Header["Transfer-Encoding"], res.Header["Content-Length"]
	if len(encodings) > 0 {
		switch {
		case res.ProtoMinor == 0 || len(encodings) > 1 || !strings.EqualFold(encodings[0], "chunked"):
			return 0, false, fmt.Errorf("unsupported transfer encoding %.64q in HTTP/1.%d", encodings, res.ProtoMinor)
		case len(lengths) > 0:
			return 0, false, errors.New("malformed HTTP response: both Transfer-Encoding and Content-Length")
		}
		delete(res.Header, "Transfer-Encoding")
		res.TransferEncoding = []string{"chunked"}
		return -1, true, nil
	}
	if len(lengths) == 0 {
		if res.StatusCode == http.StatusNoContent {
			return 0, false, nil
		}
		return -1, false, nil
	}
	for _, other := range lengths[1:] {
		if other != lengths[0] {
			return 0, false, fmt.Errorf("malformed HTTP response: Content-Length is %.64q", lengths)
		}
	}
	if len(lengths) > 1 { // To set what is there already may move the whole map.
		res.Header["Content-Length"] = lengths[:1]
	}
	n, err := strconv.ParseUint(lengths[0], 10, 63)
	if err != nil || lengths[0][0] == '+' {
		return 0, false, fmt.Errorf("malformed HTTP response: Content-Length is %.64q", lengths[0])
	}
	return int64(n), false, nil
}

// announceTrailer lists the fields that the trailer will have, and takes the
// list out of the header, as net/http does.
func announceTrailer(res *http.Response) error {
	lists, ok := res.Header["Trailer"]
	if !ok {
		return nil
	}
	delete(res.Header, "Trailer")
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			name = http.CanonicalHeaderKey(strings.Trim(name, " \t"))
			if name == "" {
				continue
			}
			if forbiddenTrailer(name) || !httpguts.ValidHeaderFieldName(name) {
				return fmt.Errorf("malformed HTTP response: trailer %.64q", name)
			}
			if res.Trailer == nil {
				res.Trailer = make(http.Header)
			}
			res.Trailer[name] = nil
		}
	}
	return nil
}

// forbiddenTrailer are the fields that would change what has been read already.
func forbiddenTrailer(name string) bool {
	switch name {
	case "Transfer-Encoding", "Content-Length", "Trailer":
		return true
	}
	return false
}

// hasToken reports whether a list of values has a token, in any spelling.
func hasToken(values []string, token string) bool {
	return len(values) > 0 && httpguts.HeaderValuesContainsToken(values, token)
}
