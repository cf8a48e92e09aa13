package event_test

import (
	"encoding/base64"
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
		if err != nil {
			return
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
	f.Fuzz(func(t *testing.T, line []byte) {
		e := new(event.RequestEvent)
		err := event.DecodeJSON(line, e)
		if err != nil {
			return
		}
		settled(t, e)
	})
}
