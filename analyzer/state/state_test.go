package state_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/analyzer/state"
)

func open(t *testing.T, dir string) *state.Store {
	t.Helper()
	c := state.DefaultConfig()
	c.Dir = dir
	s, err := state.New(state.Options{Config: c, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func save(t *testing.T, s *state.Store, next int64, epoch uint64, body string) error {
	t.Helper()
	h := state.Header{Topic: "requests", Partition: 3, Next: next, Epoch: epoch, Model: "m"}
	return s.Save(t.Context(), h, func(w io.Writer) error {
		_, err := io.WriteString(w, body)
		return err
	})
}

func load(t *testing.T, s *state.Store) (next int64, body string, found bool) {
	t.Helper()
	return loadOf(t, s, 3)
}

// loadOf takes the first state of a partition that can be restored.
func loadOf(t *testing.T, s *state.Store, partition int) (next int64, body string, found bool) {
	t.Helper()
	for _, f := range s.Find(t.Context(), "requests", partition) {
		err := f.Restore(t.Context(), func(b *bytes.Buffer) error { body = b.String(); return nil })
		if err == nil {
			return f.Next, body, true
		}
	}
	return 0, "", false
}

const file = "requests/partition-3.state"

// The plain case.
func TestSaveThenLoadGivesTheNewest(t *testing.T) {
	s := open(t, t.TempDir())
	_, _, found := load(t, s)
	if found {
		t.Fatal("an empty folder gave a state")
	}
	for i, body := range []string{"one", "two", "three"} {
		err := save(t, s, int64(i+1), 1, body)
		if err != nil {
			t.Fatal(err)
		}
	}
	next, body, found := load(t, s)
	if next != 3 || body != "three" || !found {
		t.Errorf("Load = %d %q %v, want 3 three true", next, body, found)
	}
}

// Every single damaged byte of the newest file must lead to the previous one.
func TestDamagedFileFallsBackToPrevious(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for i, body := range []string{"before", "after"} {
		err := save(t, s, int64(i+1), 1, body)
		if err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, file)
	intact, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damage := map[string][]byte{"cut": intact[:len(intact)-1], "empty": nil}
	for i := range intact {
		b := bytes.Clone(intact)
		b[i] ^= 0x40
		damage["byte "+string(rune('0'+i%10))+" of "+time.Duration(i).String()] = b
	}
	for name, b := range damage {
		err := os.WriteFile(path, b, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		next, body, found := load(t, s)
		if next != 1 || body != "before" || !found {
			t.Errorf("%s: Load = %d %q %v, want 1 before true", name, next, body, found)
		}
	}
	err = os.WriteFile(path+".previous", []byte("x"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, _, found := load(t, s)
	if found {
		t.Error("two damaged files gave a state")
	}
}

// The one moment at which no file has its name.
func TestCrashBetweenRenamesKeepsPrevious(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	err := save(t, s, 7, 1, "only")
	if err != nil {
		t.Fatal(err)
	}
	err = os.Rename(filepath.Join(dir, file), filepath.Join(dir, file+".previous"))
	if err != nil {
		t.Fatal(err)
	}
	next, _, found := load(t, s)
	if next != 7 || !found {
		t.Errorf("Load = %d %v, want 7 true", next, found)
	}
}

// A full disk costs the new file alone.
func TestFailedSnapshotLeavesTheOldFile(t *testing.T) {
	s := open(t, t.TempDir())
	err := save(t, s, 1, 1, "good")
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	err = s.Save(t.Context(), state.Header{Topic: "requests", Partition: 3, Next: 2, Epoch: 1}, func(io.Writer) error { return full })
	if !errors.Is(err, full) {
		t.Fatalf("Save = %v, want %v", err, full)
	}
	next, body, _ := load(t, s)
	if next != 1 || body != "good" {
		t.Errorf("Load = %d %q, want 1 good", next, body)
	}
}

// Who has lost the partition cannot overwrite its successor.
func TestZombieIsFenced(t *testing.T) {
	s := open(t, t.TempDir())
	err := save(t, s, 10, 5, "owner")
	if err != nil {
		t.Fatal(err)
	}
	err = save(t, s, 11, 4, "zombie")
	if !errors.Is(err, state.ErrFenced) {
		t.Errorf("Save under an older epoch = %v, want ErrFenced", err)
	}
	_, body, _ := load(t, s)
	if body != "owner" {
		t.Errorf("Load = %q, want owner", body)
	}
}

// A file that somebody renamed is not believed.
func TestFileOfAnotherPartitionIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	err := save(t, s, 1, 1, "three")
	if err != nil {
		t.Fatal(err)
	}
	err = os.Rename(filepath.Join(dir, file), filepath.Join(dir, "requests/partition-4.state"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, found := loadOf(t, s, 4)
	if found {
		t.Error("partition 4 took the state of partition 3")
	}
}

// All faults at once, each by its key.
func TestConfigNamesEveryFault(t *testing.T) {
	err := state.Config{Replay: -1, ArchiveEvery: 1}.Validate()
	for _, key := range []string{"every:", "records:", "replay:", "archive_every:", "archive_wait:"} {
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte(key)) {
			t.Errorf("Validate = %v, want a fault of %s", err, key)
		}
	}
}

// A save that is given up because the disk hangs, and ends in the end, meets no other one.
func TestASaveWaitsForNoOtherOfItsPartition(t *testing.T) {
	s := open(t, t.TempDir())
	hangs, hung := make(chan struct{}), make(chan error, 1)
	begun := make(chan struct{})
	go func() {
		hung <- s.Save(t.Context(), state.Header{Topic: "requests", Partition: 3, Next: 1, Epoch: 1, Model: "m"}, func(w io.Writer) error {
			close(begun)
			<-hangs
			_, err := io.WriteString(w, "late")
			return err
		})
	}()
	<-begun
	err := save(t, s, 2, 1, "next")
	if !errors.Is(err, state.ErrBusy) {
		t.Errorf("Save beside another one = %v, want ErrBusy", err)
	}
	close(hangs)
	err = <-hung
	if err != nil {
		t.Fatal(err)
	}
	err = save(t, s, 2, 1, "next")
	next, body, _ := load(t, s)
	if err != nil || next != 2 || body != "next" {
		t.Errorf("Save = %v, Load = %d %q, want 2 next", err, next, body)
	}
}
