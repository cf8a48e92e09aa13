package event_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// settled fails unless an event that was decoded passes every way there is:
// whoever has one may encode it without looking.
func settled(t *testing.T, e *event.RequestEvent) {
	t.Helper()
	err := e.Check()
	if err != nil {
		t.Fatalf("decoded, but Check() = %v", err)
	}
	clamped := proto.CloneOf(e)
	clamped.Clamp()
	if diff := cmp.Diff(e, clamped, protocmp.Transform()); diff != "" {
		t.Fatalf("decoded, but Clamp changes it (-decoded +clamped):\n%s", diff)
	}
	line, err := event.EncodeJSON(e)
	if err != nil {
		t.Fatalf("decoded, but EncodeJSON() = %v", err)
	}
	if len(line) > event.RecordBytesMax {
		return // JSON is longer; only files of our own hold it.
	}
	again := new(event.RequestEvent)
	err = event.DecodeJSON(line, again)
	if err != nil {
		t.Fatalf("own JSON does not decode: %v\n%s", err, line)
	}
	if diff := cmp.Diff(e, again, protocmp.Transform(), protocmp.IgnoreUnknown()); diff != "" {
		t.Fatalf("JSON round trip (-want +got):\n%s", diff)
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(goldens, "*.pb"))
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, path := range files {
		record, err := base64.StdEncoding.DecodeString(string(readFile(f, path)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(record)
		f.Add(record[:len(record)/2])
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		e := new(event.RequestEvent)
		err := event.Decode(record, e)
		used := &event.RequestEvent{Amr: []string{"before"}, Path: "/before", Attributes: map[string]string{"before": ""}}
		lentErr := event.DecodeLent(record, used)
		if (err == nil) != (lentErr == nil) {
			t.Fatalf("Decode() = %v, DecodeLent() = %v", err, lentErr)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(e, used, protocmp.Transform()); diff != "" {
			t.Fatalf("DecodeLent reads something else (-Decode +DecodeLent):\n%s", diff)
		}
		settled(t, e)
		again, err := event.Append(nil, e)
		if err != nil {
			return // Default values that were written out may not fit twice.
		}
		e2 := new(event.RequestEvent)
		err = event.Decode(again, e2)
		if err != nil {
			t.Fatalf("own record does not decode: %v", err)
		}
		if diff := cmp.Diff(e, e2, protocmp.Transform(), protocmp.IgnoreUnknown()); diff != "" {
			t.Fatalf("round trip (-want +got):\n%s", diff)
		}
	})
}

func FuzzDecodeJSON(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(goldens, "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, path := range files {
		f.Add(readFile(f, path))
	}
	f.Add([]byte(`{"time":"0000-01-01T00:00:00Z","latitude":1e400}`))
	f.Add([]byte(`{"time":"2026-11-22T10:00:00Z","path":"/a\u0026\n\"","amr":[],"attributes":{"a":"b"},"attributes":{"c":"d"},"asn":1,"asn":01}`))
	f.Add([]byte(` { "time" : "2026-11-22T10:00:00.5+01:00" , "latitude" : -0.5e-3 , "waf_rules" : [ "1" , "2" ] , "lane" : 4294967296 } `))
	f.Fuzz(func(t *testing.T, line []byte) {
		e := new(event.RequestEvent)
		err := event.DecodeJSON(line, e)
		sameAsEncodingJSON(t, line, e, err)
		if err != nil {
			return
		}
		settled(t, e)
	})
}

// sameAsEncodingJSON reads a line again by the way of encoding/json alone: a
// name that no event has makes a line that the fast reader leaves to it.
func sameAsEncodingJSON(t *testing.T, line []byte, got *event.RequestEvent, gotErr error) {
	t.Helper()
	at := bytes.IndexByte(line, '{')
	if at < 0 || !json.Valid(line) || bytes.Equal(bytes.TrimSpace(line), []byte("{}")) || len(line)+20 > event.RecordBytesMax {
		if gotErr == nil {
			t.Fatalf("decoded although it is no JSON object: %q", line)
		}
		return
	}
	slow := append(append(append([]byte(nil), line[:at+1]...), `"no such field":0,`...), line[at+1:]...)
	want := new(event.RequestEvent)
	err := event.DecodeJSON(slow, want)
	if (err == nil) != (gotErr == nil) {
		t.Fatalf("error %v, encoding/json: %v", gotErr, err)
	}
	if err != nil {
		return
	}
	if diff := cmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreUnknown()); diff != "" {
		t.Fatalf("event (-encoding/json +fast):\n%s", diff)
	}
}
