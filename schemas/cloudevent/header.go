package cloudevent

import (
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

// Headers returns a as record headers.
func (a Attributes) Headers() []Header {
	h := []Header{
		{"ce_specversion", []byte("1.0")},
		{"ce_id", []byte(a.ID)},
		{"ce_source", []byte(a.Source)},
		{"ce_type", []byte(a.Type)},
		{"ce_time", a.Time.UTC().AppendFormat(nil, time.RFC3339Nano)},
		{"content-type", []byte(a.ContentType)},
	}
	if a.TraceParent != "" {
		h = append(h, Header{"traceparent", []byte(a.TraceParent)})
	}
	if a.TraceState != "" {
		h = append(h, Header{"tracestate", []byte(a.TraceState)})
	}
	return h
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
		ID: text("ce_id"), Source: text("ce_source"), Type: text("ce_type"), ContentType: text("content-type"),
		TraceParent: text("traceparent"), TraceState: text("tracestate"),
	}
	a.ContentType, _, _ = strings.Cut(strings.ToLower(a.ContentType), ";")
	a.ContentType = strings.TrimSpace(a.ContentType)
	if a.ContentType == "" {
		a.ContentType = Protobuf
	}
	if strings.HasPrefix(a.ContentType, "application/cloudevents") {
		return a, ErrStructured
	}
	if t := text("ce_time"); t != "" {
		var err error
		a.Time, err = time.Parse(time.RFC3339Nano, t)
		if err != nil {
			return a, fmt.Errorf("header ce_time: %w", err)
		}
	}
	return a, nil
}
