package event_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// goldens is the folder with events of version 1: NAME.json in canonical form,
// and NAME.pb, the same as a record in base64. A file that is here was in
// somebody's topic: it is never changed, only joined by others. UPDATE_GOLDEN
// writes records that are missing.
const goldens = "../../testdata/events/v1"

func readFile(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return bytes.TrimSpace(b)
}

func golden(t *testing.T, name string) *event.RequestEvent {
	t.Helper()
	e := new(event.RequestEvent)
	err := event.DecodeJSON(readFile(t, filepath.Join(goldens, name+".json")), e)
	if err != nil {
		t.Fatalf("%s.json: %v", name, err)
	}
	return e
}

func goldenNames(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(goldens, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden events in %s: %v", goldens, err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".json")
	}
	return files
}

func TestGoldenEventsDecodeForEver(t *testing.T) {
	for _, name := range goldenNames(t) {
		t.Run(name, func(t *testing.T) {
			fromJSON := golden(t, name)
			path := filepath.Join(goldens, name+".pb")
			_, err := os.Stat(path)
			if err != nil && os.Getenv("UPDATE_GOLDEN") != "" {
				record, err := event.Append(nil, fromJSON)
				if err != nil {
					t.Fatal(err)
				}
				err = os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(record)+"\n"), 0o600)
				if err != nil {
					t.Fatal(err)
				}
			}
			record, err := base64.StdEncoding.DecodeString(string(readFile(t, path)))
			if err != nil {
				t.Fatal(err)
			}
			fromRecord := new(event.RequestEvent)
			err = event.Decode(record, fromRecord)
			if err != nil {
				t.Fatalf("%s.pb: %v", name, err)
			}
			if diff := cmp.Diff(fromJSON, fromRecord, protocmp.Transform()); diff != "" {
				t.Errorf("record differs from JSON (-json +record):\n%s", diff)
			}
			line, err := event.EncodeJSON(fromRecord)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(readFile(t, filepath.Join(goldens, name+".json"))), string(line)); diff != "" {
				t.Errorf("canonical JSON changed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryFieldIsInAGolden(t *testing.T) {
	set := make(map[protoreflect.Name]bool)
	for _, name := range goldenNames(t) {
		golden(t, name).ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
			set[f.Name()] = true
			return true
		})
	}
	fields := new(event.RequestEvent).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if name := fields.Get(i).Name(); !set[name] {
			t.Errorf("no golden event has %s: add one", name)
		}
	}
}

// A gateway of a later version may send fields that this one does not know.
func TestFieldsOfALaterVersionAreKept(t *testing.T) {
	record, err := event.Append(nil, minimal())
	if err != nil {
		t.Fatal(err)
	}
	record = append(record, 0xfa, 0xff, 0x03, 2, 'h', 'i') // Field 8191, bytes.
	e := new(event.RequestEvent)
	err = event.Decode(record, e)
	if err != nil {
		t.Fatal(err)
	}
	again, err := event.Append(nil, e)
	if err != nil || !bytes.Equal(again, record) {
		t.Errorf("encoded again = %x, %v; want %x", again, err, record)
	}
}
