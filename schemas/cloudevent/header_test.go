package cloudevent_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/schemas/cloudevent"
)

// lookup reads headers as a consumer does: the last of a name counts.
func lookup(headers []cloudevent.Header) func(string) ([]byte, bool) {
	return func(name string) (value []byte, ok bool) {
		for _, h := range headers {
			if h.Key == name {
				value, ok = h.Value, true
			}
		}
		return value, ok
	}
}

func TestRoundTrip(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 123456789, time.UTC)
	tests := map[string]cloudevent.Attributes{
		"with a trace": {
			ID: "id", Source: "vigil://gateway/gw-1", Type: cloudevent.TypeRequest, Time: at, ContentType: cloudevent.Protobuf,
			TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", TraceState: "a=b",
		},
		"without one": {ID: "id", Source: "s", Type: cloudevent.TypeVerdict, Time: at, ContentType: cloudevent.JOSE},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			headers := want.Headers()
			got, err := cloudevent.Read(lookup(headers))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
			for _, required := range []string{"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type"} {
				if _, ok := lookup(headers)(required); !ok {
					t.Errorf("no header %s", required)
				}
			}
		})
	}
}

func TestTimeIsWrittenInUTC(t *testing.T) {
	at := time.Date(2026, 11, 22, 11, 0, 0, 0, time.FixedZone("CET", 3600))
	v, _ := lookup(cloudevent.Attributes{Time: at}.Headers())("ce_time")
	if string(v) != "2026-11-22T10:00:00Z" {
		t.Errorf("ce_time = %s", v)
	}
}

func TestReadWhatOthersWrite(t *testing.T) {
	tests := map[string]struct {
		headers []cloudevent.Header
		want    cloudevent.Attributes
		fails   string
	}{
		"a plain producer":       {nil, cloudevent.Attributes{ContentType: cloudevent.Protobuf}, ""},
		"a charset and a space":  {[]cloudevent.Header{{Key: "content-type", Value: []byte("Application/JSON ; charset=utf-8")}}, cloudevent.Attributes{ContentType: cloudevent.JSON}, ""},
		"structured mode":        {[]cloudevent.Header{{Key: "content-type", Value: []byte("application/cloudevents+json; charset=utf-8")}}, cloudevent.Attributes{}, cloudevent.ErrStructured.Error()},
		"a batch of them":        {[]cloudevent.Header{{Key: "content-type", Value: []byte("application/cloudevents-batch+json")}}, cloudevent.Attributes{}, cloudevent.ErrStructured.Error()},
		"a time that is no time": {[]cloudevent.Header{{Key: "ce_time", Value: []byte("yesterday")}}, cloudevent.Attributes{}, "header ce_time"},
		"a comma in a time":      {[]cloudevent.Header{{Key: "ce_time", Value: []byte("2026-11-22T10:00:00,5Z")}}, cloudevent.Attributes{ContentType: cloudevent.Protobuf, Time: time.Date(2026, 11, 22, 10, 0, 0, 5e8, time.UTC)}, ""},
		"an empty time":          {[]cloudevent.Header{{Key: "ce_time"}}, cloudevent.Attributes{ContentType: cloudevent.Protobuf}, ""},
		"attributes of somebody": {[]cloudevent.Header{{Key: "ce_partitionkey", Value: []byte("x")}, {Key: "ce_id", Value: []byte("7")}}, cloudevent.Attributes{ID: "7", ContentType: cloudevent.Protobuf}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := cloudevent.Read(lookup(tt.headers))
			contentType, alone := cloudevent.ContentType(lookup(tt.headers))
			if contentType != got.ContentType || fmt.Sprint(alone) != fmt.Sprint(err) {
				t.Errorf("ContentType() = %q, %v, and Read() %q, %v", contentType, alone, got.ContentType, err)
			}
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("Read() = %v, want an error with %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add("application/protobuf", "2026-11-22T10:00:00Z", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("application/cloudevents+json", "", "")
	f.Add(";", "0000-00-00T00:00:00Z", "\xff")
	f.Fuzz(func(t *testing.T, contentType, at, parent string) {
		a, err := cloudevent.Read(lookup([]cloudevent.Header{
			{Key: "content-type", Value: []byte(contentType)}, {Key: "ce_time", Value: []byte(at)}, {Key: "traceparent", Value: []byte(parent)},
		}))
		if err != nil {
			if strings.HasPrefix(strings.TrimSpace(strings.ToLower(contentType)), "application/cloudevents") && !errors.Is(err, cloudevent.ErrStructured) {
				t.Fatalf("Read() = %v, want ErrStructured", err)
			}
			return
		}
		again, err := cloudevent.Read(lookup(a.Headers()))
		if err != nil {
			t.Fatalf("own headers do not read: %v", err)
		}
		if a.Time.IsZero() {
			return // Written as year 1.
		}
		again.Time, a.Time = again.Time.UTC(), a.Time.UTC()
		if diff := cmp.Diff(a, again); diff != "" {
			t.Fatalf("round trip (-want +got):\n%s", diff)
		}
	})
}
