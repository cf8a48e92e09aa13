package listen

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/vigil-gateway/vigil/gateway/problem"
)

// strict refuses and counts what net/http lets through and two servers could understand
// differently, and bounds the pauses in the body of an HTTP/1 request.
//
//   - A target in absolute form: net/http lets it override the Host header.
//   - A Host that is empty in HTTP/1.1, or that holds more than a name and a port.
//   - A Host that is not the name that TLS was asked for (status 421).
//   - A Content-Length or Transfer-Encoding that is still among the headers
//     means a client of another protocol tried to smuggle one.
//   - A method that is no token, or a query with a space, which HTTP/2 can carry and
//     the request line of an HTTP/1 upstream cannot; or a query with a number sign,
//     which some servers take for the end of the target.
//
// A WebSocket over HTTP/2 is made one over HTTP/1.1 for all that follows; an
// extended CONNECT for anything else is refused.
//
// An upgrade to anything but WebSocket is taken out of the request and thereby
// declined, so that nobody talks cleartext HTTP/2 to an upstream past us.
func strict(next http.Handler, bodyIdle time.Duration, now func() time.Time, m metrics) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refused(w, r, m) {
			return
		}
		if r.ProtoMajor == 1 && r.Body != nil && r.Body != http.NoBody {
			b := &movingBody{ReadCloser: r.Body, control: http.NewResponseController(w), idle: bodyIdle, now: now}
			r.Body = b
			defer b.expire()
		}
		next.ServeHTTP(w, r)
	})
}

// refused answers what must not pass.
func refused(w http.ResponseWriter, r *http.Request, m metrics) bool {
	switch {
	case unfold(r):
		m.refuse(w, r, problem.UnknownProtocol())
		return true
	case !wellFormed(r):
		m.refuse(w, r, problem.Framing())
		return true
	case misdirected(r):
		m.refuse(w, r, problem.Misdirected())
		return true
	}
	declineUpgrade(r.Header)
	return false
}

// wellFormed checks what net/http does not.
func wellFormed(r *http.Request) bool {
	if r.URL.Scheme != "" || r.URL.Host != "" && r.Method != http.MethodConnect || r.URL.User != nil || r.URL.Fragment != "" {
		return false
	}
	if r.Host == "" && r.ProtoAtLeast(1, 1) || !hostOnly(r.Host) {
		return false
	}
	if strings.ContainsAny(r.URL.RawQuery, " #") || strings.ContainsFunc(r.Method, func(c rune) bool { return !httpguts.IsTokenRune(c) }) {
		return false
	}
	for _, name := range []string{"Host", "Transfer-Encoding"} {
		if len(r.Header[name]) > 0 {
			return false
		}
	}
	return len(r.Header["Content-Length"]) <= 1
}

// hostOnly reports whether host is a name or address with an optional port.
func hostOnly(host string) bool {
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 || net.ParseIP(host[1:end]) == nil {
			return false
		}
		return port(host[end+1:])
	}
	name, rest, _ := strings.Cut(host, ":")
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return !strings.HasPrefix(name, ".") && !strings.Contains(name, "..") && (len(rest) == 0 && !strings.HasSuffix(host, ":") || port(":"+rest))
}

// port accepts nothing, or a colon and a port number.
func port(s string) bool {
	if s == "" {
		return true
	}
	if s[0] != ':' || len(s) < 2 || len(s) > 6 {
		return false
	}
	n := 0
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n >= 1 && n <= 65535
}

// misdirected reports whether the request is for another host than the TLS
// connection. A client that sends no name, as it does for an address, may ask
// for any.
func misdirected(r *http.Request) bool {
	if r.TLS == nil || r.TLS.ServerName == "" {
		return false
	}
	name, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		name = r.Host
	}
	return !strings.EqualFold(strings.TrimSuffix(name, "."), strings.TrimSuffix(r.TLS.ServerName, "."))
}

// declineUpgrade removes an upgrade that we do not take part in.
func declineUpgrade(h http.Header) {
	h.Del("Http2-Settings")
	for _, protocol := range h["Upgrade"] {
		if !strings.EqualFold(strings.TrimSpace(protocol), "websocket") {
			h.Del("Upgrade")
			return
		}
	}
}

// movingBody gives each read of a body a deadline of its own.
type movingBody struct {
	io.ReadCloser

	control *http.ResponseController
	idle    time.Duration
	now     func() time.Time

	ended atomic.Bool // A transport may still read when the handler has returned.
}

// Read waits for at most the idle time. At the end of the body the deadline is
// taken away: net/http goes on reading to notice that a client leaves, and a
// deadline would look like that to it.
func (b *movingBody) Read(p []byte) (int, error) {
	if b.ended.Load() {
		return b.ReadCloser.Read(p)
	}
	b.deadline(b.now().Add(b.idle))
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.ended.Store(true)
		b.deadline(time.Time{})
	}
	return n, err
}

// expire bounds what net/http reads of the body once the handler has returned,
// which it does before it sends an answer that is still buffered.
func (b *movingBody) expire() {
	if !b.ended.Load() {
		b.deadline(b.now().Add(min(b.idle, bodyDrain)))
	}
}

func (b *movingBody) deadline(t time.Time) {
	_ = b.control.SetReadDeadline(t) // Every HTTP/1 connection of net/http has one.
}
