package runfile_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
)

// TestRoundTrip checks that what is written is read, and that nothing is an error of its own.
func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	_, err := runfile.Read(dir)
	if !errors.Is(err, runfile.ErrNone) {
		t.Fatalf("Read of an empty directory: %v, want %v", err, runfile.ErrNone)
	}
	want := runfile.Run{PID: 7, Gateway: "http://127.0.0.1:1", Kafka: []string{"127.0.0.1:2"}, Partitions: 4, Tenant: "default"}
	err = runfile.Write(dir, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := runfile.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read differs (-want +got):\n%s", diff)
	}
}
