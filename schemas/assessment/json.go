package assessment

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// AppendJSON appends an assessment as one line of JSON without its end: proto
// field names, times in RFC 3339, absent fields left out but for the score,
// which is always there. The bytes are those that encoding/json would write. A
// number that JSON cannot hold is written as null.
func AppendJSON(dst []byte, a *Assessment) []byte {
	dst = append(dst, '{')
	dst = appendTime(dst, `"event_time":`, a.EventTime)
	dst = appendTime(dst, `"stream_time":`, a.StreamTime)
	dst = appendNumber(append(dst, `"score":`...), a.Score)
	dst = appendText(dst, `,"event_id":`, a.EventId)
	if a.Offset != 0 {
		dst = strconv.AppendInt(append(dst, `,"offset":`...), a.Offset, 10)
	}
	dst = appendText(dst, `,"tenant":`, a.Tenant)
	dst = appendText(dst, `,"subject":`, a.Subject)
	dst = appendText(dst, `,"session":`, a.Session)
	dst = appendText(dst, `,"address":`, a.Address)
	if a.SessionScore != 0 {
		dst = appendNumber(append(dst, `,"session_score":`...), a.SessionScore)
	}
	for i, e := range a.Evidence {
		if i == 0 {
			dst = append(dst, `,"evidence":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendEvidence(dst, e)
	}
	if len(a.Evidence) > 0 {
		dst = append(dst, ']')
	}
	dst = appendText(dst, `,"action":`, a.Action)
	if a.Shadow {
		dst = append(dst, `,"shadow":true`...)
	}
	dst = appendText(dst, `,"model":`, a.Model)
	if a.SharedEpoch != 0 {
		dst = strconv.AppendUint(append(dst, `,"shared_epoch":`...), a.SharedEpoch, 10)
	}
	dst = appendText(dst, `,"verdict_id":`, a.VerdictId)
	if a.Target != nil {
		dst = append(dst, `,"target":{`...)
		dst = appendText(dst, `,"kind":`, a.Target.Kind)
		dst = appendText(dst, `,"id":`, a.Target.Id)
		dst = append(dst, '}')
	}
	dst = appendText(dst, `,"phase":`, a.Phase)
	return append(dst, '}')
}

func appendEvidence(dst []byte, e *verdict.Evidence) []byte {
	dst = append(dst, '{')
	dst = appendText(dst, `,"signal":`, e.Signal)
	dst = appendText(dst, `,"group":`, e.Group)
	if e.Nats != 0 {
		dst = appendNumber(append(dst, comma(dst, `,"nats":`)...), e.Nats)
	}
	if e.RawNats != 0 {
		dst = appendNumber(append(dst, comma(dst, `,"raw_nats":`)...), e.RawNats)
	}
	dst = appendText(dst, `,"text":`, e.Text)
	if e.Hard {
		dst = append(dst, comma(dst, `,"hard":true`)...)
	}
	dst = appendText(dst, `,"technique":`, e.Technique)
	return append(dst, '}')
}

// comma is a name without its comma where it is the first of an object.
func comma(dst []byte, name string) string {
	if dst[len(dst)-1] == '{' {
		return name[1:]
	}
	return name
}

func appendTime(dst []byte, name string, t *timestamppb.Timestamp) []byte {
	if t == nil {
		return dst
	}
	dst = append(append(dst, name...), '"')
	dst = t.AsTime().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, `",`...)
}

// appendText leaves out what is empty.
func appendText(dst []byte, name, s string) []byte {
	if s == "" {
		return dst
	}
	dst = append(dst, comma(dst, name)...)
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			b, _ := json.Marshal(s) // A text has no error.
			return append(dst, b...)
		}
	}
	dst = append(append(dst, '"'), s...)
	return append(dst, '"')
}

// appendNumber writes a number as ECMAScript does, which encoding/json follows.
func appendNumber(dst []byte, x float64) []byte {
	size := math.Abs(x)
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return append(dst, "null"...)
	case size != 0 && (size < 1e-6 || size >= 1e21):
		b, _ := json.Marshal(x) // Neither infinite nor no number.
		return append(dst, b...)
	}
	return strconv.AppendFloat(dst, x, 'f', -1, 64)
}
