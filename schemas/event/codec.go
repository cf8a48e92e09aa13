package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// ErrTooLarge means that a record or one of its fields exceeds limits.go.
var ErrTooLarge = errors.New("event too large")

// ErrMalformed means that a record is not an event.
var ErrMalformed = errors.New("malformed event")

// Append appends the protobuf form of e to dst.
func Append(dst []byte, e *RequestEvent) ([]byte, error) {
	size := e.SizeVT()
	if size > RecordBytesMax {
		return dst, fmt.Errorf("encode event of %d B: %w", size, ErrTooLarge)
	}
	at := len(dst)
	dst = append(dst, make([]byte, size)...)
	_, err := e.MarshalToSizedBufferVT(dst[at:])
	if err != nil {
		return dst[:at], fmt.Errorf("encode event: %w", err)
	}
	return dst, nil
}

// Decode reads the protobuf form into e, which it resets first. The error
// wraps [ErrTooLarge] or [ErrMalformed].
func Decode(record []byte, e *RequestEvent) error {
	e.Reset()
	if len(record) > RecordBytesMax {
		return fmt.Errorf("decode record of %d B: %w", len(record), ErrTooLarge)
	}
	err := e.UnmarshalVT(record)
	if err != nil {
		return fmt.Errorf("decode record: %w: %w", ErrMalformed, err)
	}
	return e.Check()
}

// Check reports why e is not acceptable: no time, a field over its limit, or
// text that is not UTF-8. The error wraps [ErrTooLarge] or [ErrMalformed].
func (x *RequestEvent) Check() error {
	if x.GetTime() == nil || !x.GetTime().IsValid() {
		return fmt.Errorf("time is missing or out of range: %w", ErrMalformed)
	}
	if x.AuthTime != nil && !x.AuthTime.IsValid() {
		return fmt.Errorf("auth_time is out of range: %w", ErrMalformed)
	}
	if len(x.Amr) > ListMax || len(x.NetworkTags) > ListMax || len(x.WafRules) > ListMax || len(x.Attributes) > AttributesMax {
		return fmt.Errorf("a list has more than %d entries: %w", ListMax, ErrTooLarge)
	}
	var bad error
	x.eachText(func(name string, s *string) {
		switch {
		case len(*s) > FieldBytesMax:
			bad = fmt.Errorf("%s has %d B: %w", name, len(*s), ErrTooLarge)
		case !utf8.ValidString(*s):
			bad = fmt.Errorf("%s is not UTF-8: %w", name, ErrMalformed)
		}
	})
	return bad
}

// Clamp cuts every text and list of e to its limit and repairs what is not
// UTF-8, so that whatever a client sent, the gateway's own event passes Check.
func (x *RequestEvent) Clamp() {
	x.eachText(func(_ string, s *string) {
		if len(*s) > FieldBytesMax {
			*s = (*s)[:FieldBytesMax]
		}
		if !utf8.ValidString(*s) {
			*s = strings.ToValidUTF8(*s, "")
		}
	})
	x.Amr = x.Amr[:min(len(x.Amr), ListMax)]
	x.NetworkTags = x.NetworkTags[:min(len(x.NetworkTags), ListMax)]
	x.WafRules = x.WafRules[:min(len(x.WafRules), ListMax)]
}

// eachText visits every string of e by address. Attribute keys and values are
// visited as copies: a gateway writes them itself, from constants.
func (x *RequestEvent) eachText(visit func(name string, s *string)) {
	for _, f := range []struct {
		name string
		s    *string
	}{
		{"kind", &x.Kind},
		{"id", &x.Id},
		{"phase", &x.Phase},
		{"request_id", &x.RequestId},
		{"gateway", &x.Gateway},
		{"tenant", &x.Tenant},
		{"subject", &x.Subject},
		{"issuer", &x.Issuer},
		{"session", &x.Session},
		{"token_id", &x.TokenId},
		{"client_id", &x.ClientId},
		{"device", &x.Device},
		{"binding", &x.Binding},
		{"auth_method", &x.AuthMethod},
		{"acr", &x.Acr},
		{"subject_kind", &x.SubjectKind},
		{"address", &x.Address},
		{"as_org", &x.AsOrg},
		{"country", &x.Country},
		{"ja4", &x.Ja4},
		{"user_agent", &x.UserAgent},
		{"method", &x.Method},
		{"host", &x.Host},
		{"path", &x.Path},
		{"route", &x.Route},
		{"template", &x.Template},
		{"resource", &x.Resource},
		{"sensitivity", &x.Sensitivity},
		{"region", &x.Region},
		{"decision", &x.Decision},
		{"reason", &x.Reason},
		{"auth_outcome", &x.AuthOutcome},
		{"account", &x.Account},
		{"trace_id", &x.TraceId},
		{"stream", &x.Stream},
		{"support_code", &x.SupportCode},
	} {
		visit(f.name, f.s)
	}
	for _, list := range [][]string{x.Amr, x.NetworkTags, x.WafRules} {
		for i := range list {
			visit("list entry", &list[i])
		}
	}
	for k, v := range x.Attributes {
		visit("attribute name", &k)
		visit("attribute "+k, &v)
	}
}

// plain is RequestEvent without its methods; jsonEvent gives its two times
// their RFC 3339 form.
type (
	plain     RequestEvent
	jsonEvent struct {
		Time     *time.Time `json:"time,omitempty"`
		AuthTime *time.Time `json:"auth_time,omitempty"`
		*plain
	}
)

// EncodeJSON returns the canonical JSON form: one line, proto field names,
// RFC 3339 times, numbers as numbers, absent fields left out.
func EncodeJSON(e *RequestEvent) ([]byte, error) {
	out := jsonEvent{plain: (*plain)(e)}
	if e.Time != nil {
		t := e.Time.AsTime()
		out.Time = &t
	}
	if e.AuthTime != nil {
		t := e.AuthTime.AsTime()
		out.AuthTime = &t
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encode event as json: %w", err)
	}
	return b, nil
}

// DecodeJSON reads the canonical JSON form into e, which it resets first.
// Unknown names are ignored, as an older reader must. The error wraps
// [ErrTooLarge] or [ErrMalformed].
func DecodeJSON(line []byte, e *RequestEvent) error {
	e.Reset()
	if len(line) > RecordBytesMax {
		return fmt.Errorf("decode line of %d B: %w", len(line), ErrTooLarge)
	}
	in := jsonEvent{plain: (*plain)(e)}
	err := json.Unmarshal(line, &in)
	if err != nil {
		return fmt.Errorf("decode line: %w: %w", ErrMalformed, err)
	}
	if in.Time != nil {
		e.Time = timestamppb.New(*in.Time)
	}
	if in.AuthTime != nil {
		e.AuthTime = timestamppb.New(*in.AuthTime)
	}
	return e.Check()
}
