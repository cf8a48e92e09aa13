package event_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
)

func minimal() *event.RequestEvent {
	return &event.RequestEvent{Time: timestamppb.New(time.Date(2026, 11, 22, 10, 0, 0, 1, time.UTC))}
}

func TestCheck(t *testing.T) {
	long := strings.Repeat("x", event.FieldBytesMax+1)
	tests := map[string]struct {
		change func(*event.RequestEvent)
		want   error
	}{
		"an event with nothing but its time":      {func(*event.RequestEvent) {}, nil},
		"a text of just the limit":                {func(e *event.RequestEvent) { e.Path = long[1:] }, nil},
		"no time":                                 {func(e *event.RequestEvent) { e.Time = nil }, event.ErrMalformed},
		"a time before year 1":                    {func(e *event.RequestEvent) { e.Time.Seconds = math.MinInt64 }, event.ErrMalformed},
		"an auth_time after year 9999":            {func(e *event.RequestEvent) { e.AuthTime = &timestamppb.Timestamp{Seconds: 1e15} }, event.ErrMalformed},
		"a text over the limit":                   {func(e *event.RequestEvent) { e.Path = long }, event.ErrTooLarge},
		"a text that is not UTF-8":                {func(e *event.RequestEvent) { e.UserAgent = "a\xff" }, event.ErrMalformed},
		"a list over the limit":                   {func(e *event.RequestEvent) { e.WafRules = make([]string, event.ListMax+1) }, event.ErrTooLarge},
		"a list entry over the limit":             {func(e *event.RequestEvent) { e.Amr = []string{long} }, event.ErrTooLarge},
		"an attribute over the limit":             {func(e *event.RequestEvent) { e.Attributes = map[string]string{"k": long} }, event.ErrTooLarge},
		"an attribute's name that is not UTF-8":   {func(e *event.RequestEvent) { e.Attributes = map[string]string{"\xff": ""} }, event.ErrMalformed},
		"a latitude that is not a number":         {func(e *event.RequestEvent) { e.Latitude = new(math.NaN()) }, event.ErrMalformed},
		"an accuracy that is infinite":            {func(e *event.RequestEvent) { e.AccuracyRadiusKm = math.Inf(1) }, event.ErrMalformed},
		"a firewall's score that is not a number": {func(e *event.RequestEvent) { e.WafScore = math.NaN() }, event.ErrMalformed},
		"more attributes than the limit": {func(e *event.RequestEvent) {
			e.Attributes = make(map[string]string)
			for i := range event.AttributesMax + 1 {
				e.Attributes[fmt.Sprint(i)] = ""
			}
		}, event.ErrTooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := minimal()
			tt.change(e)
			err := e.Check()
			if !errors.Is(err, tt.want) {
				t.Errorf("Check() = %v, want %v", err, tt.want)
			}
			if e.Time == nil || !e.Time.IsValid() {
				return // The gateway gives the time itself.
			}
			e.Clamp()
			err = e.Check()
			if err != nil {
				t.Errorf("Check() after Clamp() = %v, want nil", err)
			}
		})
	}
}

func TestClampLeavesWhatPasses(t *testing.T) {
	e := golden(t, "full")
	want := proto.CloneOf(e)
	e.Clamp()
	if diff := cmp.Diff(want, e, protocmp.Transform()); diff != "" {
		t.Errorf("Clamp changed a good event (-want +got):\n%s", diff)
	}
}

// TestClampWritesToNothingThatIsShared lets two requests of one token end at
// once: their events share the token's list and the network's tags.
func TestClampWritesToNothingThatIsShared(t *testing.T) {
	amr, tags := []string{"pwd", "otp\xff"}, []string{"vpn", strings.Repeat("x", event.FieldBytesMax+1)}
	before := fmt.Sprint(amr, tags)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { // The race detector watches.
			e := minimal()
			e.Amr, e.NetworkTags = amr, tags
			e.Clamp()
			err := e.Check()
			if err != nil {
				t.Errorf("Check() after Clamp() = %v, want nil", err)
			}
		})
	}
	both.Wait()
	if fmt.Sprint(amr, tags) != before {
		t.Error("Clamp changed a list that others hold")
	}
}

func TestClampCutsBetweenCharacters(t *testing.T) {
	e := minimal()
	e.Path = strings.Repeat("x", event.FieldBytesMax-1) + "é"
	e.Clamp()
	if want := strings.Repeat("x", event.FieldBytesMax-1); e.Path != want {
		t.Errorf("path has %d B, want %d: half a character is left", len(e.Path), len(want))
	}
}

func TestDecodeResetsFirst(t *testing.T) {
	e := golden(t, "full")
	record, err := event.Append(nil, minimal())
	if err != nil {
		t.Fatal(err)
	}
	err = event.Decode(record, e)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(minimal(), e, protocmp.Transform()); diff != "" {
		t.Errorf("fields of the event before (-want +got):\n%s", diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := map[string]struct {
		record []byte
		want   error
	}{
		"nothing":                      {nil, event.ErrMalformed},
		"text":                         {[]byte("GET / HTTP/1.1"), event.ErrMalformed},
		"a group that ends as another": {[]byte{0x0a, 0, 0xfb, 0xff, 0x03, 0x24}, event.ErrMalformed},
		"more than the limit":          {make([]byte, event.RecordBytesMax+1), event.ErrTooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := event.Decode(tt.record, new(event.RequestEvent))
			if !errors.Is(err, tt.want) {
				t.Errorf("Decode() = %v, want %v", err, tt.want)
			}
			err = event.DecodeJSON(tt.record, new(event.RequestEvent))
			if !errors.Is(err, tt.want) {
				t.Errorf("DecodeJSON() = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestDecodeJSONSaysWhichFieldIsWrong(t *testing.T) {
	tests := map[string]string{
		`{"time":"2026-01-01T00:00:00Z","status":"abc"}`:    "status: must be a whole number that is not negative, is string",
		`{"time":"2026-01-01T00:00:00Z","bytes_out":-5}`:    "bytes_out: must be a whole number that is not negative, is number -5",
		`{"time":"2026-01-01T00:00:00Z","waf_score":"NaN"}`: "waf_score: must be a number, is string",
		`{"time":"2026-01-01T00:00:00Z","path":7}`:          "path: must be a text, is number",
		`{"time":"2026-01-01T00:00:00Z","amr":"pwd"}`:       "amr: must be a list of texts, is string",
		`{"time":"2026-01-01T00:00:00Z","attributes":[]}`:   "attributes: must be texts by name, is array",
		`{"time":"yesterday"}`:                              `"yesterday" is no time such as 2026-03-31T18:00:00Z`,
	}
	for line, want := range tests {
		err := event.DecodeJSON([]byte(line), new(event.RequestEvent))
		if !errors.Is(err, event.ErrMalformed) || err.Error() != "decode line: malformed event: "+want {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}

func TestAppendRefusesWhatNobodyWouldRead(t *testing.T) {
	e := minimal()
	for range event.ListMax {
		e.WafRules = append(e.WafRules, strings.Repeat("x", event.FieldBytesMax))
	}
	got, err := event.Append([]byte("before"), e)
	if !errors.Is(err, event.ErrTooLarge) || string(got) != "before" {
		t.Errorf("Append() = %q, %v; want what was there and ErrTooLarge", got, err)
	}
}

func TestAppendAppends(t *testing.T) {
	got, err := event.Append([]byte("before"), minimal())
	if err != nil || !strings.HasPrefix(string(got), "before") {
		t.Fatalf("Append() = %q, %v", got, err)
	}
	e := new(event.RequestEvent)
	err = event.Decode(got[len("before"):], e)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(minimal(), e, protocmp.Transform()); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
}

func TestJSONAsPeopleWriteIt(t *testing.T) {
	tests := map[string]struct {
		line string
		want *event.RequestEvent
		err  error
	}{
		"a time with an offset":        {`{"time":"2026-11-22T11:00:00.000000001+01:00"}`, minimal(), nil},
		"names of a later version":     {`{"time":"2026-11-22T10:00:00.000000001Z","mood":{"a":[1]}}`, minimal(), nil},
		"null for what is not known":   {`{"time":"2026-11-22T10:00:00.000000001Z","latitude":null,"amr":null}`, minimal(), nil},
		"a time that is no RFC 3339":   {`{"time":"22/Nov/2026:10:00:00"}`, nil, event.ErrMalformed},
		"a number where a text is due": {`{"time":"2026-11-22T10:00:00Z","path":1}`, nil, event.ErrMalformed},
		"a negative count":             {`{"time":"2026-11-22T10:00:00Z","bytes_in":-1}`, nil, event.ErrMalformed},
		"null":                         {`null`, nil, event.ErrMalformed},
		"a list":                       {`[]`, nil, event.ErrMalformed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := new(event.RequestEvent)
			err := event.DecodeJSON([]byte(tt.line), got)
			if !errors.Is(err, tt.err) {
				t.Fatalf("DecodeJSON() = %v, want %v", err, tt.err)
			}
			if tt.want == nil {
				return
			}
			if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTerminalIsOncePerRequest(t *testing.T) {
	tests := map[string]struct {
		event *event.RequestEvent
		want  bool
	}{
		"a finished request":       {&event.RequestEvent{Kind: event.KindRequest, Phase: event.PhaseComplete}, true},
		"a line of a plain log":    {&event.RequestEvent{}, true},
		"the end of a stream":      {&event.RequestEvent{Kind: event.KindRequest, Phase: event.PhaseClose}, true},
		"the beginning of one":     {&event.RequestEvent{Kind: event.KindRequest, Phase: event.PhaseOpen}, false},
		"the middle of one":        {&event.RequestEvent{Kind: event.KindRequest, Phase: event.PhaseTick}, false},
		"a lane's tick":            {&event.RequestEvent{Kind: event.KindTick}, false},
		"a tombstone":              {&event.RequestEvent{Kind: event.KindTombstone}, false},
		"a sign-in seen elsewhere": {&event.RequestEvent{Kind: event.KindSession}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.event.Terminal(); got != tt.want {
				t.Errorf("Terminal() = %v, want %v", got, tt.want)
			}
		})
	}
}
