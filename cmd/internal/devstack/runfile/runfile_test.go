package runfile_test

import (
	"errors"
	"os"
	"os/exec"
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

// TestAlive tells a process that is there from one that was killed, and from none.
func TestAlive(t *testing.T) {
	killed := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	err := killed.Run()
	if err != nil {
		t.Fatal(err)
	}
	for pid, want := range map[int]bool{0: false, os.Getpid(): true, killed.Process.Pid: false} {
		if got := (runfile.Run{PID: pid}).Alive(); got != want {
			t.Errorf("process %d is alive: %t, want %t", pid, got, want)
		}
	}
}
