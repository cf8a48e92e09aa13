package proxy

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/route"
)

// hopByHop are the headers of one connection (RFC 9110, section 7.6.1) and
// those that only ever meant the proxy itself. Spelled as spelled does.
func hopByHop(name string) bool {
	switch name {
	case "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-authentication-info",
		"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings":
		return true
	}
	return false
}

// spelled brings every spelling of a header to one: servers that hand headers on
// as variables (CGI and what came after it) make the same underscore of a
// hyphen, a dot and whatever else is neither letter nor digit.
func spelled(name string) string {
	if s, usual := usualNames[name]; usual {
		return s
	}
	return respelled(name)
}

// usualNames are the spellings of the names that most requests and responses have,
// so that those need no memory.
//
//nolint:gochecknoglobals // A table that nobody changes.
var usualNames = func() map[string]string {
	all := make(map[string]string)
	for _, name := range [...]string{
		"Accept", "Accept-Encoding", "Accept-Language", "Accept-Ranges", "Age", "Authorization", "Cache-Control", "Connection",
		"Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Date", "Etag", "Expires", "Host", "If-Modified-Since",
		"If-None-Match", "Keep-Alive", "Last-Modified", "Location", "Origin", "Pragma", "Range", "Referer", "Sec-Fetch-Dest",
		"Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User", "Server", "Set-Cookie", "Strict-Transport-Security", "Te", "Traceparent",
		"Trailer", "Transfer-Encoding", "Upgrade", "Upgrade-Insecure-Requests", "User-Agent", "Vary", "Via", "X-Content-Type-Options",
		"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Frame-Options", "X-Request-Id",
	} {
		all[name] = respelled(name)
	}
	return all
}()

func respelled(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'A' && c <= 'Z':
			return c - 'A' + 'a'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			return c
		}
		return '-'
	}, name)
}

// outgoingHeader is what of a client's header may reach the upstream. The values
// are shared with in and must not be changed; the map may be one that send puts back. A token that was not believed stays
// here: who reads it without checking it would be told a name that nobody proved.
// Any other scheme is between the client and its upstream.
func (p *Proxy) outgoingHeader(in http.Header, unproven bool) http.Header {
	out, ok := p.headers.Get().(http.Header)
	if !ok {
		out = make(http.Header, len(in)+8)
	}
	listed := connectionTokens(in)
	for name, values := range in {
		s := spelled(name)
		if hopByHop(s) || owned(s) || masks(name, s) || slices.Contains(listed, s) {
			continue
		}
		if _, strip := p.strip[s]; strip {
			continue
		}
		if unproven && s == "authorization" && slices.ContainsFunc(values, identity.IsToken) {
			continue
		}
		if s == "cookie" {
			values = withoutOurs(values)
			if len(values) == 0 {
				continue
			}
		}
		out[name] = values
	}
	if httpguts.HeaderValuesContainsToken(in["Te"], "trailers") {
		out["Te"] = []string{"trailers"} // gRPC servers insist on it.
	}
	if _, ok := out["User-Agent"]; !ok {
		out["User-Agent"] = []string{""} // Else the transport would write its own.
	}
	return out
}

// masks reports whether a header is, for a server that makes one of all spellings, one
// that says where the content ends or how it is to be read. Those count as the gateway has
// read them, in their own spelling alone.
func masks(name, spelt string) bool {
	return strings.HasPrefix(spelt, "content-") && !strings.EqualFold(name, spelt)
}

// connectionTokens lists the headers that Connection declares to be hop-by-hop. What
// says how the content is to be read never is: by it the gateway has read the content,
// and the upstream must read it so.
func connectionTokens(h http.Header) []string {
	var names []string
	for _, v := range h["Connection"] {
		for token := range strings.SplitSeq(v, ",") {
			name := spelled(textproto.TrimString(token))
			if !hopByHop(name) && name != "content-type" && name != "content-encoding" { // Else it is that anyway, or cannot be.
				names = append(names, name)
			}
		}
	}
	return names
}

// copyResponseHeader writes what of an upstream's header may reach the client.
// Alt-Svc is not passed on: it would lead clients around the gateway.
func copyResponseHeader(dst, src http.Header) {
	listed := connectionTokens(src)
	for name, values := range src {
		s := spelled(name)
		if hopByHop(s) || strings.HasPrefix(s, "x-vigil-") || s == "alt-svc" || slices.Contains(listed, s) {
			continue
		}
		if s == "set-cookie" {
			dst[name] = append(dst[name], notOurs(values)...)
			continue
		}
		if s == "cache-control" && len(dst["Set-Cookie"]) > 0 && len(dst[name]) > 0 {
			continue // Our own cookie goes with this answer: nobody else may keep it.
		}
		dst[name] = values
	}
}

// mayTrail reports whether a field of an upstream's trailer may reach the client:
// not what would not be passed on as a header, nor what some recipient might merge
// into the header after it was judged: framing, and cookies (RFC 9110, section 6.5.1).
func mayTrail(name string) bool {
	s := spelled(name)
	switch s {
	case "content-length", "set-cookie", "cache-control", "alt-svc":
		return false
	}
	return !hopByHop(s) && !strings.HasPrefix(s, "x-vigil-")
}

// sensitivityHeader is how an upstream labels its response.
const sensitivityHeader = "X-Vigil-Sensitivity"

// sensitivityOf is what an upstream says of its response; empty where it says
// nothing, or nothing that a route could say.
func sensitivityOf(h http.Header) string {
	label := h[sensitivityHeader]
	if len(label) != 1 || !route.IsSensitivity(label[0]) {
		return ""
	}
	return label[0]
}

// asksWebSocket reports whether r wants to become a WebSocket. No other
// upgrade is passed on: a client may ask for one, and nobody has to agree. Over
// HTTP/2 only the listener can have written these headers: net/http refuses a
// client that does.
func asksWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && isWebSocket(r.Header)
}

func isWebSocket(h http.Header) bool {
	return httpguts.HeaderValuesContainsToken(h["Connection"], "upgrade") &&
		len(h["Upgrade"]) == 1 && strings.EqualFold(h["Upgrade"][0], "websocket")
}

// isGRPC reports whether r is a gRPC call. gRPC-Web is ordinary HTTP.
func isGRPC(r *http.Request) bool {
	t := r.Header.Get("Content-Type")
	return r.ProtoMajor == 2 && (t == "application/grpc" || strings.HasPrefix(t, "application/grpc+") || strings.HasPrefix(t, "application/grpc;"))
}

func isEventStream(h http.Header) bool {
	t, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(textproto.TrimString(t), "text/event-stream")
}
