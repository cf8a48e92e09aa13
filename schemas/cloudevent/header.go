package cloudevent

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Types of the records that Vigil writes.
const (
	TypeRequest     = "io.vigil.request.v1"
	TypeSession     = "io.vigil.session.v1"
	TypeAssessment  = "io.vigil.assessment.v1"
	TypeFacets      = "io.vigil.facets.v1"
	TypeVerdict     = "io.vigil.verdict.v1"
	TypeHeartbeat   = "io.vigil.heartbeat.v1"
	TypeEnforcement = "io.vigil.enforcement.v1"
	TypeDead        = "io.vigil.dead.v1"
	TypeSummary     = "io.vigil.summary.v1"
	TypeEpoch       = "io.vigil.epoch.v1"
	TypeHeld        = "io.vigil.held.v1"
	TypeActivation  = "io.vigil.activation.v1"
)

// Content types of a record's value.
const (
	Protobuf = "application/protobuf"
	JSON     = "application/json"
	JOSE     = "application/jose"
	Octets   = "application/octet-stream"
)

// ErrStructured means that a record uses structured mode.
var ErrStructured = errors.New("structured mode is not supported: send binary mode")

// Header is one Kafka record header.
type Header struct {
	Key   string
	Value []byte
}

// Attributes are what a record's headers say.
type Attributes struct {
	ID          string
	Source      string
	Type        string
	Time        time.Time
	ContentType string
	// TraceParent and TraceState are W3C trace context, "" where there is none.
	TraceParent string
	TraceState  string
}

const specVersion = "1.0"

// Headers returns a as record headers. Their values share one piece of memory.
func (a Attributes) Headers() []Header {
	text := len(specVersion) + len(a.ID) + len(a.Source) + len(a.Type) + len(time.RFC3339Nano) + len(a.ContentType) + len(a.TraceParent) + len(a.TraceState)
	h, _ := a.AppendHeaders(make([]Header, 0, headersMost), make([]byte, 0, text))
	return h
}

// headersMost is how many headers a record has at most.
const headersMost = 8

// AppendHeaders appends a as record headers to h. Their values are appended to b and
// share its memory, so that a writer of many records needs none for each.
func (a Attributes) AppendHeaders(h []Header, b []byte) ([]Header, []byte) {
	add := func(key, value string) {
		from := len(b)
		b = append(b, value...)
		h = append(h, Header{key, b[from:len(b):len(b)]})
	}
	add("ce_specversion", specVersion)
	add("ce_id", a.ID)
	add("ce_source", a.Source)
	add("ce_type", a.Type)
	from := len(b)
	b = a.Time.UTC().AppendFormat(b, time.RFC3339Nano)
	h = append(h, Header{"ce_time", b[from:len(b):len(b)]})
	add("content-type", a.ContentType)
	if a.TraceParent != "" {
		add("traceparent", a.TraceParent)
	}
	if a.TraceState != "" {
		add("tracestate", a.TraceState)
	}
	return h, b
}

// Read collects the attributes of a record from a look-up of its headers. A
// missing content-type is protobuf. The error wraps [ErrStructured], or says
// which header is malformed.
func Read(header func(name string) (value []byte, ok bool)) (Attributes, error) {
	text := func(name string) string {
		v, _ := header(name)
		return string(v)
	}
	a := Attributes{
		ID: text("ce_id"), Source: text("ce_source"), Type: text("ce_type"),
		TraceParent: text("traceparent"), TraceState: text("tracestate"),
	}
	var err error
	a.ContentType, a.Time, err = encoding(header)
	return a, err
}

// ContentType is the part of [Read] that decoding needs, without a copy of the
// rest. It fails where Read does.
func ContentType(header func(name string) (value []byte, ok bool)) (string, error) {
	contentType, _, err := encoding(header)
	return contentType, err
}

func encoding(header func(name string) (value []byte, ok bool)) (contentType string, at time.Time, err error) {
	v, _ := header("content-type")
	contentType = Protobuf
	if string(v) != Protobuf && len(v) > 0 {
		contentType, _, _ = strings.Cut(strings.ToLower(string(v)), ";")
		contentType = cmp.Or(strings.TrimSpace(contentType), Protobuf)
	}
	if strings.HasPrefix(contentType, "application/cloudevents") {
		return contentType, at, ErrStructured
	}
	v, _ = header("ce_time")
	if len(v) == 0 || at.UnmarshalText(v) == nil {
		return contentType, at, nil
	}
	at, err = time.Parse(time.RFC3339Nano, string(v)) // Takes a few forms more.
	if err != nil {
		return contentType, at, fmt.Errorf("header ce_time: %w", err)
	}
	return contentType, at, nil
}
