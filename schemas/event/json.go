package event

import (
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// Decoder reads events in their JSON form, one after the other, and allocates
// nothing for a line in the canonical form: texts are those of the line, and
// lists, times and attributes are used again. What is written otherwise is read
// all the same, at the pace of encoding/json. The zero value is ready to use.
// Not safe for concurrent use.
type Decoder struct {
	in   reader
	mine fields
	// Canonical says that the last line was in the canonical form: every name in
	// it is a field's.
	Canonical bool
}

// Decode is [DecodeJSON] into an event that is valid until the next call, and
// as long as line stays as it is: who keeps something of it clones it.
func (d *Decoder) Decode(line []byte, e *RequestEvent) error {
	d.Canonical = len(line) <= RecordBytesMax && d.in.event(unsafe.String(unsafe.SliceData(line), len(line)), e, &d.mine) //nolint:gosec // The caller leaves line as it is.
	if d.Canonical {
		return nil
	}
	return decodeAny(line, e)
}

// fields is the memory of what an event points to.
type fields struct {
	time, authTime      timestamppb.Timestamp
	latitude, longitude float64
	lists               [3][]string
	attributes          map[string]string
	unescaped           []byte
}

// reader reads the canonical form. It takes only what encoding/json reads the
// same way and what passes Check; for the rest it gives up, and says no more.
type reader struct {
	s      string
	at     int
	failed bool
}

// event reports whether s is an event in the canonical form, which e then is.
func (r *reader) event(s string, e *RequestEvent, m *fields) bool {
	e.Reset()
	*r = reader{s: s}
	m.unescaped = m.unescaped[:0]
	r.take('{')
	for first := true; !r.failed && !r.is('}'); first = false {
		if !first {
			r.take(',')
			r.space()
		}
		name := r.text(m)
		r.take(':')
		r.space()
		r.member(name, e, m)
		r.space()
	}
	r.take('}')
	r.space()
	return !r.failed && r.at == len(s) && e.Time != nil
}

// member reads the value of a name.
func (r *reader) member(name string, e *RequestEvent, m *fields) {
	into := e.textField(name)
	if into != nil {
		*into = r.text(m)
		return
	}
	switch name {
	case "time":
		e.Time = r.time(&m.time, m)
	case "auth_time":
		e.AuthTime = r.time(&m.authTime, m)
	case "epoch":
		e.Epoch = r.whole(64)
	case "lane":
		e.Lane = uint32(r.whole(32))
	case "seq":
		e.Seq = r.whole(64)
	case "seq_end":
		e.SeqEnd = r.whole(64)
	case "asn":
		e.Asn = uint32(r.whole(32))
	case "status":
		e.Status = uint32(r.whole(32))
	case "bytes_in":
		e.BytesIn = r.whole(64)
	case "bytes_out":
		e.BytesOut = r.whole(64)
	case "duration_us":
		e.DurationUs = r.whole(64)
	case "latitude":
		m.latitude = r.number()
		e.Latitude = &m.latitude
	case "longitude":
		m.longitude = r.number()
		e.Longitude = &m.longitude
	case "accuracy_radius_km":
		e.AccuracyRadiusKm = r.number()
	case "waf_score":
		e.WafScore = r.number()
	case "amr":
		e.Amr = r.list(&m.lists[0], m)
	case "network_tags":
		e.NetworkTags = r.list(&m.lists[1], m)
	case "waf_rules":
		e.WafRules = r.list(&m.lists[2], m)
	case "attributes":
		r.failed = r.failed || e.Attributes != nil
		e.Attributes = r.attributes(m)
	default:
		r.failed = true
	}
}

// space skips what may stand between tokens.
func (r *reader) space() {
	for r.at < len(r.s) && (r.s[r.at] == ' ' || r.s[r.at] == '\t' || r.s[r.at] == '\n' || r.s[r.at] == '\r') {
		r.at++
	}
}

// is reports whether the next token is c, after spaces.
func (r *reader) is(c byte) bool {
	r.space()
	return r.at < len(r.s) && r.s[r.at] == c
}

func (r *reader) take(c byte) {
	if !r.is(c) {
		r.failed = true
		return
	}
	r.at++
}

// text reads a string of at most FieldBytesMax.
func (r *reader) text(m *fields) string {
	if r.failed || r.at >= len(r.s) || r.s[r.at] != '"' {
		r.failed = true
		return ""
	}
	s, start, high := r.s, r.at+1, byte(0)
	i := start
	for ; i < len(s); i++ {
		c := s[i]
		if c == '"' || c == '\\' || c < ' ' {
			break
		}
		high |= c
	}
	r.at = i
	switch {
	case i < len(s) && s[i] == '"':
		r.at++
		s = s[start:i]
		r.failed = len(s) > FieldBytesMax || high >= utf8.RuneSelf && !utf8.ValidString(s)
		return s
	case i < len(s) && s[i] == '\\':
		return r.escaped(start, m)
	}
	r.failed = true
	return ""
}

// escaped reads on a string that began at start and has an escape next.
func (r *reader) escaped(start int, m *fields) string {
	begin := len(m.unescaped)
	m.unescaped = append(m.unescaped, r.s[start:r.at]...)
	for r.at < len(r.s) && !r.failed {
		c := r.s[r.at]
		r.at++
		switch {
		case c == '"':
			b := m.unescaped[begin:]
			r.failed = len(b) > FieldBytesMax || !utf8.Valid(b)
			return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // Not written again before the next event.
		case c == '\\':
			r.escape(m)
		case c < ' ':
			r.failed = true
		default:
			m.unescaped = append(m.unescaped, c)
		}
	}
	r.failed = true
	return ""
}

// escape reads what follows a backslash; halves of a pair of surrogates are
// left to encoding/json.
func (r *reader) escape(m *fields) {
	if r.at >= len(r.s) {
		r.failed = true
		return
	}
	c := r.s[r.at]
	r.at++
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		code := rune(0)
		for range 4 {
			digit := 0
			if r.at < len(r.s) {
				digit = hexDigit(r.s[r.at])
			}
			r.failed = r.failed || r.at >= len(r.s) || digit < 0
			r.at++
			code = code<<4 | rune(digit)
		}
		r.failed = r.failed || code >= 0xD800 && code < 0xE000
		m.unescaped = utf8.AppendRune(m.unescaped, code)
		return
	default:
		r.failed = true
	}
	m.unescaped = append(m.unescaped, c)
}

// hexDigit is the value of a hexadecimal digit, -1 for what is none.
func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// whole reads a whole number of so many bits.
func (r *reader) whole(bits int) uint64 {
	start := r.at
	for r.at < len(r.s) && r.s[r.at] >= '0' && r.s[r.at] <= '9' {
		r.at++
	}
	n, err := strconv.ParseUint(r.s[start:r.at], 10, bits)
	if err != nil || r.s[start] == '0' && r.at > start+1 || r.at < len(r.s) && (r.s[r.at] == '.' || r.s[r.at]|0x20 == 'e') {
		r.failed = true
		return 0
	}
	return n
}

// number reads a number as JSON writes it: -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?
func (r *reader) number() float64 {
	start := r.at
	if r.at < len(r.s) && r.s[r.at] == '-' {
		r.at++
	}
	zero := r.at < len(r.s) && r.s[r.at] == '0'
	if n := r.digits(); n == 0 || zero && n > 1 {
		r.failed = true
	}
	if r.at < len(r.s) && r.s[r.at] == '.' {
		r.at++
		r.failed = r.failed || r.digits() == 0
	}
	if r.at < len(r.s) && r.s[r.at]|0x20 == 'e' {
		r.at++
		if r.at < len(r.s) && (r.s[r.at] == '+' || r.s[r.at] == '-') {
			r.at++
		}
		r.failed = r.failed || r.digits() == 0
	}
	x, err := strconv.ParseFloat(r.s[start:r.at], 64)
	r.failed = r.failed || err != nil
	return x
}

// digits skips digits and returns how many there were.
func (r *reader) digits() int {
	start := r.at
	for r.at < len(r.s) && r.s[r.at] >= '0' && r.s[r.at] <= '9' {
		r.at++
	}
	return r.at - start
}

// time reads a time of RFC 3339.
func (r *reader) time(into *timestamppb.Timestamp, m *fields) *timestamppb.Timestamp {
	s := r.text(m)
	var t time.Time
	err := t.UnmarshalText(unsafe.Slice(unsafe.StringData(s), len(s))) //nolint:gosec // Only read.
	into.Seconds, into.Nanos = t.Unix(), int32(t.Nanosecond())
	if err != nil || !into.IsValid() {
		r.failed = true
	}
	return into
}

// list reads a list of at most ListMax texts.
func (r *reader) list(into *[]string, m *fields) []string {
	list := (*into)[:0]
	r.take('[')
	for !r.failed && !r.is(']') {
		if len(list) > 0 {
			r.take(',')
			r.space()
		}
		list = append(list, r.text(m))
	}
	r.take(']')
	r.failed = r.failed || len(list) > ListMax
	*into = list
	return list
}

// attributes reads a map of at most AttributesMax texts.
func (r *reader) attributes(m *fields) map[string]string {
	if m.attributes == nil {
		m.attributes = make(map[string]string)
	}
	clear(m.attributes)
	r.take('{')
	for first := true; !r.failed && !r.is('}'); first = false {
		if !first {
			r.take(',')
			r.space()
		}
		name := r.text(m)
		r.take(':')
		r.space()
		m.attributes[name] = r.text(m)
	}
	r.take('}')
	r.failed = r.failed || len(m.attributes) > AttributesMax
	return m.attributes
}

// textField is the text of a name, nil where there is none.
func (x *RequestEvent) textField(name string) *string {
	switch name {
	case "kind":
		return &x.Kind
	case "id":
		return &x.Id
	case "phase":
		return &x.Phase
	case "request_id":
		return &x.RequestId
	case "gateway":
		return &x.Gateway
	case "tenant":
		return &x.Tenant
	case "subject":
		return &x.Subject
	case "issuer":
		return &x.Issuer
	case "session":
		return &x.Session
	case "token_id":
		return &x.TokenId
	case "client_id":
		return &x.ClientId
	case "device":
		return &x.Device
	case "binding":
		return &x.Binding
	case "auth_method":
		return &x.AuthMethod
	case "acr":
		return &x.Acr
	case "subject_kind":
		return &x.SubjectKind
	case "address":
		return &x.Address
	case "as_org":
		return &x.AsOrg
	case "country":
		return &x.Country
	case "ja4":
		return &x.Ja4
	case "user_agent":
		return &x.UserAgent
	case "method":
		return &x.Method
	case "host":
		return &x.Host
	case "path":
		return &x.Path
	case "route":
		return &x.Route
	case "template":
		return &x.Template
	}
	return x.lateTextField(name)
}

// lateTextField are the texts that come after the template, in order.
func (x *RequestEvent) lateTextField(name string) *string {
	switch name {
	case "resource":
		return &x.Resource
	case "sensitivity":
		return &x.Sensitivity
	case "region":
		return &x.Region
	case "decision":
		return &x.Decision
	case "reason":
		return &x.Reason
	case "auth_outcome":
		return &x.AuthOutcome
	case "account":
		return &x.Account
	case "trace_id":
		return &x.TraceId
	case "stream":
		return &x.Stream
	case "support_code":
		return &x.SupportCode
	}
	return nil
}
