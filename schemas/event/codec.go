package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
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
	return decode(record, e, (*RequestEvent).UnmarshalVT)
}

// DecodeLent is [Decode] without a copy of any text: the texts of e are those of
// record, which must stay as it is for as long as anything of e is used, and lists
// use the memory of those that e had. Who keeps something of e clones it.
func DecodeLent(record []byte, e *RequestEvent) error {
	e.ResetVT()
	return decode(record, e, (*RequestEvent).UnmarshalVTUnsafe)
}

func decode(record []byte, e *RequestEvent, unmarshal func(*RequestEvent, []byte) error) error {
	if len(record) > RecordBytesMax {
		return fmt.Errorf("decode record of %d B: %w", len(record), ErrTooLarge)
	}
	err := unmarshal(e, record)
	if err != nil {
		return fmt.Errorf("decode record: %w: %w", ErrMalformed, err)
	}
	if !wireFormat(e.unknownFields) || !wireFormat(e.Time.ProtoReflect().GetUnknown()) || !wireFormat(e.AuthTime.ProtoReflect().GetUnknown()) {
		return fmt.Errorf("decode record: fields of a later version: %w", ErrMalformed)
	}
	return e.Check()
}

// wireFormat reports whether unknown holds whole fields. The fast decoder
// takes groups that never end or end as another; protobuf's own code, which
// may meet the event later, panics on them.
func wireFormat(unknown []byte) bool {
	for len(unknown) > 0 {
		_, _, n := protowire.ConsumeField(unknown)
		if n < 0 {
			return false
		}
		unknown = unknown[n:]
	}
	return true
}

// Check reports why e is not acceptable: no time, a field over its limit, text
// that is not UTF-8, or a number that is none and would make every sum it
// enters none. The error wraps [ErrTooLarge] or [ErrMalformed].
func (x *RequestEvent) Check() error {
	if x.GetTime() == nil || !x.GetTime().IsValid() {
		return fmt.Errorf("time is missing or out of range: %w", ErrMalformed)
	}
	if x.AuthTime != nil && !x.AuthTime.IsValid() {
		return fmt.Errorf("auth_time is out of range: %w", ErrMalformed)
	}
	if len(x.Amr) > ListMax || len(x.NetworkTags) > ListMax || len(x.WafRules) > ListMax || len(x.Attributes) > AttributesMax {
		return fmt.Errorf("a list has more than %d entries, or there are more than %d attributes: %w", ListMax, AttributesMax, ErrTooLarge)
	}
	if !finite(x.AccuracyRadiusKm) || !finite(x.WafScore) || !finite(x.GetLatitude()) || !finite(x.GetLongitude()) {
		return fmt.Errorf("a coordinate or score is not a number: %w", ErrMalformed)
	}
	fields := x.texts()
	for i := range fields {
		err := check(fields[i].name, *fields[i].s)
		if err != nil {
			return err
		}
	}
	for _, list := range [...][]string{x.Amr, x.NetworkTags, x.WafRules} {
		for _, s := range list {
			err := check("list entry", s)
			if err != nil {
				return err
			}
		}
	}
	for k, v := range x.Attributes {
		err := check("attribute name", k)
		if err != nil {
			return err
		}
		err = check("value", v)
		if err != nil {
			return fmt.Errorf("attribute %s: %w", k, err)
		}
	}
	return nil
}

// check reports why a text is not acceptable.
func check(name, s string) error {
	switch {
	case s == "":
	case len(s) > FieldBytesMax:
		return fmt.Errorf("%s has %d B: %w", name, len(s), ErrTooLarge)
	case !utf8.ValidString(s):
		return fmt.Errorf("%s is not UTF-8: %w", name, ErrMalformed)
	}
	return nil
}

// Clamp cuts every text and list of e to its limit, repairs what is not UTF-8
// and drops numbers and times that are none, so that whatever a client, token
// or database said, the gateway's own event passes Check once it has a time.
// Lists and attributes are replaced and never written to: the events of one
// token share them.
func (x *RequestEvent) Clamp() {
	x.clampAttributes()
	for _, list := range []*[]string{&x.Amr, &x.NetworkTags, &x.WafRules} {
		*list = clampList(*list)
	}
	for _, f := range x.texts() {
		if cut := clampText(*f.s); cut != *f.s {
			*f.s = cut
		}
	}
	if !finite(x.GetLatitude()) || !finite(x.GetLongitude()) {
		x.Latitude, x.Longitude = nil, nil // Missing, never zero: that is a place.
	}
	for _, f := range [...]*float64{&x.AccuracyRadiusKm, &x.WafScore} {
		if !finite(*f) {
			*f = 0
		}
	}
	if x.AuthTime != nil && !x.AuthTime.IsValid() {
		x.AuthTime = nil // A token whose auth_time is in milliseconds, for instance.
	}
	if x.Time != nil && !x.Time.IsValid() {
		x.Time = nil
	}
}

func clampText(s string) string {
	if len(s) > FieldBytesMax {
		s = s[:FieldBytesMax]
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "")
	}
	return s
}

// clampList makes a new list where one entry of the old does not pass.
func clampList(list []string) []string {
	list = list[:min(len(list), ListMax)]
	if !slices.ContainsFunc(list, func(s string) bool { return clampText(s) != s }) {
		return list
	}
	kept := make([]string, len(list))
	for i, s := range list {
		kept[i] = clampText(s)
	}
	return kept
}

// clampAttributes makes a new map where one of the old does not pass; the
// first AttributesMax names in order stay.
func (x *RequestEvent) clampAttributes() {
	fits := len(x.Attributes) <= AttributesMax
	for k, v := range x.Attributes {
		fits = fits && clampText(k) == k && clampText(v) == v
	}
	if fits {
		return
	}
	names := slices.Sorted(maps.Keys(x.Attributes))
	kept := make(map[string]string, AttributesMax)
	for _, k := range names[:min(len(names), AttributesMax)] {
		kept[clampText(k)] = clampText(x.Attributes[k])
	}
	x.Attributes = kept
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// text is a field that holds one.
type text struct {
	name string
	s    *string
}

// texts are the fields that hold a text each.
func (x *RequestEvent) texts() [36]text {
	return [...]text{
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
	if len(line) <= RecordBytesMax {
		var in reader
		if in.event(string(line), e, new(fields)) {
			return nil
		}
	}
	return decodeAny(line, e)
}

// wrongField says of an error of encoding/json which field is wrong, in the words of
// whoever writes events.
func wrongField(err error) error {
	var kind *json.UnmarshalTypeError
	var moment *time.ParseError
	switch {
	case errors.As(err, &moment):
		return fmt.Errorf("%q is no time such as 2026-03-31T18:00:00Z", moment.Value)
	case !errors.As(err, &kind) || kind.Field == "":
		return err
	}
	want := "of another kind"
	switch kind.Type.Kind() { //nolint:exhaustive // An event has no others.
	case reflect.String:
		want = "a text"
	case reflect.Float64:
		want = "a number"
	case reflect.Uint32, reflect.Uint64:
		want = "a whole number that is not negative"
	case reflect.Slice:
		want = "a list of texts"
	case reflect.Map:
		want = "texts by name"
	}
	return fmt.Errorf("%s: must be %s, is %s", kind.Field[strings.LastIndexByte(kind.Field, '.')+1:], want, kind.Value)
}

// decodeAny is DecodeJSON by encoding/json.
func decodeAny(line []byte, e *RequestEvent) error {
	e.Reset()
	if len(line) > RecordBytesMax {
		return fmt.Errorf("decode line of %d B: %w", len(line), ErrTooLarge)
	}
	in := jsonEvent{plain: (*plain)(e)}
	err := json.Unmarshal(line, &in)
	if err != nil {
		return fmt.Errorf("decode line: %w: %w", ErrMalformed, wrongField(err))
	}
	if in.Time != nil {
		e.Time = timestamppb.New(*in.Time)
	}
	if in.AuthTime != nil {
		e.AuthTime = timestamppb.New(*in.AuthTime)
	}
	return e.Check()
}
