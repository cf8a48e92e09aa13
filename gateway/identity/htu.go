package identity

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// sameURL compares the htu of a proof with the URL that r was sent to, without
// query and fragment, after normalisation by syntax and scheme (RFC 9449 section
// 4.3, RFC 3986 sections 6.2.2 and 6.2.3). Where origins are configured the
// proof must name one of them; else r's own scheme and host count.
func sameURL(htu string, r *http.Request, origins []string) bool {
	u, err := url.Parse(htu)
	if err != nil || u.Opaque != "" || u.User != nil || u.Host == "" || r.URL == nil {
		return false
	}
	want := originOf(u)
	if len(origins) > 0 {
		if !slices.ContainsFunc(origins, func(o string) bool { return sameOrigin(o, want) }) {
			return false
		}
	} else if want != originOf(&url.URL{Scheme: schemeOf(r), Host: r.Host}) {
		return false
	}
	return normalPath(u.EscapedPath()) == normalPath(r.URL.EscapedPath())
}

func schemeOf(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func sameOrigin(configured, origin string) bool {
	u, err := url.Parse(configured)
	return err == nil && originOf(u) == origin
}

// originOf returns scheme and authority in lower case, without a port that the
// scheme implies. The handshake of a WebSocket is plain HTTP (RFC 6455).
func originOf(u *url.URL) string {
	scheme := strings.ToLower(u.Scheme)
	switch scheme {
	case "wss":
		scheme = "https"
	case "ws":
		scheme = "http"
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" && (scheme != "https" || port != "443") && (scheme != "http" || port != "80") {
		host += ":" + port
	}
	return scheme + "://" + host
}

// normalPath gives the spellings of one percent-encoded path one form: escapes
// of unreserved characters decoded, the others in upper case, dot segments
// removed (RFC 3986 section 5.2.4), "/" for an empty path. No escaped slash
// becomes a slash.
func normalPath(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c != '%' || i+2 >= len(path) {
			b.WriteByte(c)
			continue
		}
		plain, err := url.PathUnescape(path[i : i+3])
		if err == nil && unreserved(plain[0]) {
			b.WriteString(plain)
		} else {
			b.WriteString(strings.ToUpper(path[i : i+3]))
		}
		i += 2
	}
	return removeDots(b.String())
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

func removeDots(path string) string {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	kept := make([]string, 0, len(segments))
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		case ".":
		default:
			kept = append(kept, s)
			continue
		}
		if last {
			kept = append(kept, "") // "/a/." names "/a/".
		}
	}
	return "/" + strings.Join(kept, "/")
}
