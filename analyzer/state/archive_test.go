package state_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/scorer"
)

// drawer is an archive of one snapshot, whose chunks may be slow.
type drawer struct {
	of   state.Archived
	body []byte
	slow bool
	puts chan state.Header
}

func (d *drawer) Put(ctx context.Context, h state.Header, _ []byte) error {
	select {
	case d.puts <- h:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *drawer) List(context.Context, string, int) ([]state.Archived, error) {
	return []state.Archived{d.of}, nil
}

func (d *drawer) Chunk(ctx context.Context, _ state.Archived, i int) ([]byte, error) {
	if d.slow {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return d.body[i : i+1], nil
}

func (*drawer) Describe(_ context.Context, _ state.Header, profiles func(func(*scorer.Profile) bool) error) error {
	return profiles(func(*scorer.Profile) bool { return true })
}

func withArchive(t *testing.T, a state.Archive) *state.Store {
	t.Helper()
	c := state.DefaultConfig()
	c.ArchiveWait = 20 * time.Millisecond
	s, err := state.New(state.Options{Config: c, Archive: a, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The archive takes one snapshot at a time, so that memory holds one.
func TestArchiveIsReservedByOne(t *testing.T) {
	d := &drawer{puts: make(chan state.Header)}
	s := withArchive(t, d)
	if !s.Reserve() || s.Reserve() {
		t.Fatal("the archive is not reserved by exactly one")
	}
	s.Release()
	if !s.Reserve() {
		t.Fatal("a released archive cannot be reserved")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	described := make(chan struct{})
	s.Offer(state.Header{Topic: "requests", Next: 7}, []byte("body"), func(func(*scorer.Profile) bool) error {
		close(described)
		return errors.New("half of it")
	})
	if h := <-d.puts; h.Next != 7 {
		t.Errorf("the archive got the snapshot up to %d, want 7", h.Next)
	}
	<-described
	for !s.Reserve() {
		time.Sleep(time.Millisecond) // Polling: Run gives it back when it is done.
	}
	s.Offer(state.Header{Topic: "requests", Next: 8}, nil, nil) // Nobody takes it: Run ends all the same.
	cancel()
	err := <-done
	if err != nil {
		t.Error(err)
	}
}

// Without an archive there is nothing to reserve and nothing to find.
func TestNoArchive(t *testing.T) {
	s := open(t, t.TempDir())
	found, err := s.FindArchived(t.Context(), "requests", 3)
	if s.Archives() || s.Reserve() || found != nil || err != nil {
		t.Errorf("a store without an archive found %v, %v", found, err)
	}
}

// Each way in which what an archive holds does not fit what it says.
func TestArchivedBodyIsChecked(t *testing.T) {
	for _, tt := range []struct {
		name  string
		of    state.Archived
		slow  bool
		wants error
	}{
		{name: "all is well", of: state.Archived{Chunks: 3, Bytes: 3}},
		{name: "less than is told", of: state.Archived{Chunks: 2, Bytes: 3}, wants: state.ErrDamaged},
		{name: "more than is told", of: state.Archived{Chunks: 3, Bytes: 2}, wants: state.ErrDamaged},
		{name: "an answer that does not come", of: state.Archived{Chunks: 3, Bytes: 3}, slow: true, wants: context.DeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.of.Topic, tt.of.Partition = "requests", 3
			found, err := withArchive(t, &drawer{of: tt.of, body: []byte("abc"), slow: tt.slow}).FindArchived(t.Context(), "requests", 3)
			if err != nil || len(found) != 1 {
				t.Fatalf("FindArchived = %d, %v", len(found), err)
			}
			got := ""
			err = found[0].Restore(t.Context(), func(b *bytes.Buffer) error { got = b.String(); return nil })
			if !errors.Is(err, tt.wants) || tt.wants == nil && got != "abc" {
				t.Errorf("Restore = %v with %q, want %v", err, got, tt.wants)
			}
		})
	}
}

// A length that a snapshot cannot have is refused before anybody makes room for it.
func TestArchivedLengthIsCheckedFirst(t *testing.T) {
	for _, tt := range []struct {
		name string
		of   state.Archived
		want int
	}{
		{"the most of one chunk", state.Archived{Chunks: 1, Bytes: state.ChunkBytesMax}, 1},
		{"more than its chunks hold", state.Archived{Chunks: 1, Bytes: state.ChunkBytesMax + 1}, 0},
		{"the most of all", state.Archived{Chunks: 600, Bytes: state.BodyBytesMax}, 1},
		{"more than there can be", state.Archived{Chunks: 600, Bytes: state.BodyBytesMax + 1}, 0},
		{"more than a length can be", state.Archived{Chunks: 600, Bytes: -1}, 0},
	} {
		tt.of.Topic, tt.of.Partition = "requests", 3
		found, err := withArchive(t, &drawer{of: tt.of}).FindArchived(t.Context(), "requests", 3)
		if err != nil || len(found) != tt.want {
			t.Errorf("%s: FindArchived = %d, %v, want %d", tt.name, len(found), err, tt.want)
		}
	}
}

// The next life knows as which member of each group it worked.
func TestMembersAreRemembered(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	_, ok := s.Member("scoring")
	if ok {
		t.Error("an empty folder knows a member")
	}
	for _, note := range [][2]string{{"scoring", "a"}, {"facets", "b"}, {"scoring", "c"}} {
		err := s.NoteMember(note[0], note[1])
		if err != nil {
			t.Fatal(err)
		}
	}
	next := open(t, dir)
	for group, want := range map[string]string{"scoring": "c", "facets": "b"} {
		got, ok := next.Member(group)
		if got != want || !ok {
			t.Errorf("Member(%s) = %q, want %q", group, got, want)
		}
	}
}

// Which partitions have state here, and of which epoch.
func TestEpochsOfWhatIsOnDisk(t *testing.T) {
	s := open(t, t.TempDir())
	for epoch := range uint64(3) {
		err := save(t, s, 1, epoch+1, "x")
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Epochs("requests"); len(got) != 1 || got[3] != 3 {
		t.Errorf("Epochs = %v, want partition 3 of epoch 3", got)
	}
	if got := s.Epochs("facets"); len(got) != 0 {
		t.Errorf("Epochs of another topic = %v", got)
	}
}

// The collector's target is far while something is restored, and where it was
// afterwards.
func TestRestoreKeepsTheCollectorAway(t *testing.T) {
	runtime.GC() // What other tests have left counts as in use until then.
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	s := open(t, t.TempDir())
	noise := make([]byte, 8<<20) // What compresses well is a small file, and asks for no more room.
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	err := save(t, s, 1, 1, string(noise))
	if err != nil {
		t.Fatal(err)
	}
	during := 0
	err = s.Find(t.Context(), "requests", 3)[0].Restore(t.Context(), func(*bytes.Buffer) error {
		during = debug.SetGCPercent(100)
		debug.SetGCPercent(during)
		return nil
	})
	after := debug.SetGCPercent(100)
	if err != nil || during <= 100 || after != 100 {
		t.Errorf("target of the collector is %d during the restore and %d after it (%v), want more than 100 and 100", during, after, err)
	}
}
