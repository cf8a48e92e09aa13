package accesslog

import (
	"errors"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// Reasons why a line is not one of an access log.
var (
	ErrTime    = errors.New("no [day/month/year:hour:minute:second zone] as in the combined format, and neither JSON nor a load balancer's line")
	ErrAddress = errors.New("no client in front of the time")
	ErrRequest = errors.New("no quoted request behind the time")
	ErrStatus  = errors.New("no status behind the request")
)

const (
	timeLayout = "02/Jan/2006:15:04:05 -0700"
	// requestTextMax bounds what is kept of a request that is not HTTP.
	requestTextMax = 256
)

// Parse reads one line into e, which must be empty. Times may step back; the
// scorer's stream clock deals with that.
func Parse(line string, e *event.RequestEvent) error {
	head, stamp, rest, ok := cutTime(line)
	if !ok {
		return parseOther(line, e)
	}
	host, address, user, ok := client(head)
	if !ok {
		return ErrAddress
	}
	request, rest, ok := quoted(rest)
	if !ok {
		return ErrRequest
	}
	status, bytesOut, rest, ok := numbers(rest)
	if !ok {
		return ErrStatus
	}
	referer, rest, _ := quoted(rest)
	agent, _, _ := quoted(rest)

	e.Kind, e.Phase = event.KindRequest, event.PhaseComplete
	e.Time = timestamppb.New(stamp)
	e.Address, e.Host = address, host
	e.Status, e.BytesOut = status, bytesOut
	e.UserAgent = dash(agent)
	setRequest(e, request)
	if ref := dash(referer); ref != "" {
		setAttribute(e, "referer", ref)
	}
	setUser(e, user)
	e.Clamp()
	return e.Check()
}

// parseOther reads the forms that have no time in brackets.
func parseOther(line string, e *event.RequestEvent) error {
	err := parseBalancer(line, e)
	if !errors.Is(err, ErrTime) {
		return err
	}
	e.Reset()
	err = parseErrorLog(line, e)
	if !errors.Is(err, ErrTime) {
		return err
	}
	e.Reset()
	return parseJSON(line, e)
}

// setUser reads who asked. A name with 401 is somebody who tried to be that
// account and was refused; a POST with 401 is a sign-in without a name.
func setUser(e *event.RequestEvent, user string) {
	const unauthorized = 401
	switch {
	case user != "" && e.Status == unauthorized:
		e.Account, e.AuthOutcome = user, event.AuthFailure
	case user != "":
		e.Subject, e.AuthOutcome = user, event.AuthNone
	case e.Status == unauthorized && e.Method == "POST":
		e.AuthOutcome = event.AuthFailure
	}
}

func setAttribute(e *event.RequestEvent, name, value string) {
	if len(value) > event.FieldBytesMax {
		value = value[:event.FieldBytesMax]
	}
	if e.Attributes == nil {
		e.Attributes = make(map[string]string, 1)
	}
	e.Attributes[name] = strings.ToValidUTF8(value, "")
}

// cutTime finds the time in brackets: what is before it names the client, and
// a line of another format has none.
func cutTime(line string) (head string, stamp time.Time, rest string, ok bool) {
	for at := 0; ; {
		open := strings.IndexByte(line[at:], '[')
		if open < 0 {
			return "", time.Time{}, "", false
		}
		open += at
		end := strings.IndexByte(line[open:], ']')
		if end < 0 {
			return "", time.Time{}, "", false
		}
		stamp, err := time.Parse(timeLayout, line[open+1:open+end])
		if err == nil {
			return line[:open], stamp, line[open+end+1:], true
		}
		at = open + 1
	}
}

// client reads what stands before the time: [syslog:] [vhost] address ident user.
func client(head string) (host, address, user string, ok bool) {
	words := strings.Fields(head)
	for i, w := range words {
		if strings.HasSuffix(w, ":") && len(words)-i-1 >= 3 {
			words = words[i+1:] // Up to "nginx[123]:" it is syslog's.
			break
		}
	}
	at := -1
	for i, w := range words {
		a, isAddress := parseAddress(w)
		if isAddress {
			at, address = i, a
			break
		}
	}
	if at < 0 { // With HostnameLookups a name stands there.
		if len(words) < 3 {
			return "", "", "", false
		}
		at, address = len(words)-3, words[len(words)-3]
	}
	if at > 0 {
		host = strings.Trim(words[at-1], `"`)
	}
	after := words[at+1:]
	for len(after) > 0 && strings.HasSuffix(words[at], ",") { // A chain of proxies; the first is the client.
		at, after = at+1, after[1:]
	}
	if len(after) < 2 {
		return "", "", "", false
	}
	user = after[len(after)-1]
	if user != "-" {
		user = strings.Join(after[1:], " ")
	}
	return host, address, dash(user), true
}

// parseAddress reads an address, also with a port or in brackets, and returns
// its canonical form.
func parseAddress(s string) (string, bool) {
	s = strings.TrimSuffix(s, ",")
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err == nil {
		return a.Unmap().WithZone("").String(), true
	}
	p, err := netip.ParseAddrPort(s)
	if err == nil {
		return p.Addr().Unmap().WithZone("").String(), true
	}
	return "", false
}

// quoted takes a quoted text off the front of s and undoes its escapes. A
// quote that is not followed by a space stands for itself, because some
// servers do not escape; a missing last one is taken as read. ok is false
// where s does not begin with a quote.
func quoted(s string) (text, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t")
	if !strings.HasPrefix(s, `"`) {
		return "", s, false
	}
	s = s[1:]
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '"' && (i+1 == len(s) || s[i+1] == ' ' || s[i+1] == '\t'):
			return unescape(s[:i]), s[i+1:], true
		}
	}
	return unescape(s), "", true
}

// unescape undoes \" \\ \n \t and \xHH; what it does not know stays as it is.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case '"', '\\':
			b.WriteByte(s[i])
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'x':
			n, err := strconv.ParseUint(s[min(i+1, len(s)):min(i+3, len(s))], 16, 8)
			if err != nil {
				b.WriteString(`\x`)
				continue
			}
			b.WriteByte(byte(n))
			i += 2
		default:
			b.WriteByte('\\')
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// numbers takes status and size off the front of s; "-" is 0.
func numbers(s string) (status uint32, size uint64, rest string, ok bool) {
	word, rest, _ := strings.Cut(strings.TrimLeft(s, " \t"), " ")
	n, err := strconv.ParseUint(word, 10, 32)
	if err != nil && word != "-" || n > 999 {
		return 0, 0, s, false
	}
	word, after, _ := strings.Cut(strings.TrimLeft(rest, " \t"), " ")
	size, err = strconv.ParseUint(word, 10, 64)
	if err != nil && word != "-" {
		return uint32(n), 0, rest, true // The common format may end at the status.
	}
	return uint32(n), size, after, true
}

func dash(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

var methodWord = regexp.MustCompile(`^[A-Z][A-Z_-]{0,31}$`)

// setRequest reads "GET /path?query HTTP/1.1". What is not HTTP leaves the
// method empty.
func setRequest(e *event.RequestEvent, request string) {
	method, target, found := strings.Cut(request, " ")
	at := strings.LastIndex(target, " HTTP/")
	if at >= 0 {
		target = target[:at]
	}
	if !found || !methodWord.MatchString(method) || at < 0 && !strings.HasPrefix(target, "/") {
		if text := dash(request); text != "" {
			setAttribute(e, event.AttributeRequest, text[:min(len(text), requestTextMax)])
		}
		return
	}
	e.Method = method
	path, query, _ := strings.Cut(target, "?")
	path, _, _ = strings.Cut(path, "#")
	if query != "" {
		setAttribute(e, event.AttributeQuery, query)
	}
	_, after, absolute := strings.Cut(path, "://")
	if absolute && !strings.HasPrefix(path, "/") { // A request to a proxy.
		host, inHost, _ := strings.Cut(after, "/")
		e.Host, path = host, "/"+inHost
	}
	e.Path = path
	e.Template, e.Resource = template(path)
}

var idWord = regexp.MustCompile(`^([0-9]+|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|[0-9a-fA-F]*[0-9][0-9a-fA-F]{15,})$`)

// template replaces the ids in a path; resource is the last of them.
func template(path string) (tmpl, resource string) {
	words := strings.Split(path, "/")
	for i, w := range words {
		if idWord.MatchString(w) {
			words[i], resource = "{id}", w
		}
	}
	return strings.Join(words, "/"), resource
}
