package state_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
	"github.com/vigil-gateway/vigil/scorer"
)

// cabinet is an archive of whole snapshots, in chunks of four bytes. before is called
// ahead of each chunk, and may fail for it.
type cabinet struct {
	stored []state.Archived // The newest first.
	bodies []string
	before func(chunk int) error
}

const chunkBytes = 4

func (c *cabinet) add(next int64, epoch uint64, body string) {
	a := state.Archived{
		Header: state.Header{Topic: "requests", Partition: 3, Next: next, Epoch: epoch, Model: "m", Saved: time.Unix(next, 0).UTC()},
		Chunks: max(1, (len(body)+chunkBytes-1)/chunkBytes), Bytes: int64(len(body)),
	}
	c.stored = append([]state.Archived{a}, c.stored...)
	c.bodies = append([]string{body}, c.bodies...)
}

func (c *cabinet) List(context.Context, string, int) ([]state.Archived, error) { return c.stored, nil }

func (c *cabinet) Chunk(_ context.Context, a state.Archived, i int) ([]byte, error) {
	if c.before != nil {
		err := c.before(i)
		if err != nil {
			return nil, err
		}
	}
	for n, s := range c.stored {
		if s.Next == a.Next && s.Epoch == a.Epoch {
			return []byte(c.bodies[n][i*chunkBytes : min(len(c.bodies[n]), (i+1)*chunkBytes)]), nil
		}
	}
	return nil, errors.New("no such snapshot")
}

func (*cabinet) Put(context.Context, state.Header, []byte) error { return nil }

func (*cabinet) Describe(context.Context, state.Header, func(func(*scorer.Profile) bool) error) error {
	return nil
}

// copying is a store over a folder and an archive.
func copying(t *testing.T, dir string, a state.Archive) *state.Store {
	t.Helper()
	c := state.DefaultConfig()
	c.Dir = dir
	s, err := state.New(state.Options{Config: c, Archive: a, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// copyNewest copies the newest of what the archive has.
func copyNewest(t *testing.T, s *state.Store, rate int64) error {
	t.Helper()
	found, err := s.FindArchived(t.Context(), "requests", 3)
	if err != nil || len(found) == 0 {
		t.Fatalf("the archive lists %d, %v", len(found), err)
	}
	return s.Copy(t.Context(), found[0], rate)
}

const fast = 1 << 40

// A copy is what the archive has, is found as a state of this disk is, and the one
// before it is kept.
func TestACopyIsFoundAsStateOfThisDisk(t *testing.T) {
	dir, c := t.TempDir(), new(cabinet)
	s := copying(t, dir, c)
	for next, body := range []string{"a first body", "a second one", "", "the fourth"} {
		c.add(int64(next+1), 7, body)
		err := copyNewest(t, s, fast)
		if err != nil {
			t.Fatal(err)
		}
		got, restored, found := load(t, s)
		if got != int64(next+1) || restored != body || !found {
			t.Errorf("found state up to %d, %q, want %d, %q", got, restored, next+1, body)
		}
	}
	h, ok := s.Newest("requests", 3)
	if !ok || !h.Copied || h.Epoch != 7 || !h.Saved.Equal(time.Unix(4, 0)) {
		t.Errorf("the newest is %+v, want the copy of epoch 7 as its owner took it", h)
	}
	flip(t, filepath.Join(dir, file))
	got, body, found := load(t, s)
	if got != 3 || body != "" || !found {
		t.Errorf("behind a damaged copy there is state up to %d, %q, want the one before it", got, body)
	}
	if got := s.Epochs("requests"); got[3] != 7 {
		t.Errorf("Epochs = %v, want partition 3 of epoch 7", got)
	}
}

// flip changes the last byte of a file's body.
func flip(t *testing.T, name string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-17] ^= 1
	err = os.WriteFile(name, b, 0o600)
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever goes wrong, the copy that is there stays, and nothing is left over.
func TestACopyThatFailsLeavesWhatIsThere(t *testing.T) {
	lost := errors.New("lost on purpose")
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, dir string, s *state.Store, c *cabinet)
		wants error
	}{
		{"a chunk is not what was written", func(_ *testing.T, _ string, _ *state.Store, c *cabinet) {
			c.before = func(i int) error {
				if i == 2 {
					return state.ErrDamaged
				}
				return nil
			}
		}, state.ErrDamaged},
		{"the archive is gone half way", func(_ *testing.T, _ string, _ *state.Store, c *cabinet) {
			c.before = func(i int) error {
				if i == 2 {
					return lost
				}
				return nil
			}
		}, lost},
		{"there is less than is told", func(_ *testing.T, _ string, _ *state.Store, c *cabinet) { c.stored[0].Chunks-- }, state.ErrDamaged},
		{"there is more than is told", func(_ *testing.T, _ string, _ *state.Store, c *cabinet) { c.stored[0].Bytes-- }, state.ErrDamaged},
		{"chunks of nothing without end", func(_ *testing.T, _ string, _ *state.Store, c *cabinet) {
			c.stored[0].Chunks, c.stored[0].Bytes, c.bodies[0] = 1<<30, 4, ""
		}, state.ErrDamaged},
		{"the disk is full", func(t *testing.T, dir string, _ *state.Store, _ *cabinet) {
			t.Helper()
			err := os.Symlink("/dev/full", filepath.Join(dir, file+".copy"))
			if err != nil {
				t.Fatal(err)
			}
		}, syscall.ENOSPC},
		{"the partition is taken over meanwhile", func(t *testing.T, _ string, s *state.Store, c *cabinet) {
			t.Helper()
			c.before = func(i int) error {
				if i == 1 {
					t.Cleanup(s.Own("requests", 3))
				}
				return nil
			}
		}, state.ErrOwned},
		{"there is something newer meanwhile", func(t *testing.T, _ string, s *state.Store, c *cabinet) {
			t.Helper()
			c.before = func(i int) error {
				if i == 1 {
					return save(t, s, 9, 8, "newer")
				}
				return nil
			}
		}, state.ErrNotNewer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, c := t.TempDir(), new(cabinet)
			s := copying(t, dir, c)
			c.add(1, 7, "what was there")
			err := copyNewest(t, s, fast)
			if err != nil {
				t.Fatal(err)
			}
			c.add(5, 7, "what comes")
			tt.spoil(t, dir, s, c)
			err = copyNewest(t, s, fast)
			if !errors.Is(err, tt.wants) {
				t.Errorf("Copy = %v, want %v", err, tt.wants)
			}
			want := "what was there"
			if errors.Is(tt.wants, state.ErrNotNewer) {
				want = "newer"
			}
			_, body, _ := load(t, s)
			if body != want {
				t.Errorf("on disk is %q, want %q", body, want)
			}
			left, err := filepath.Glob(filepath.Join(dir, "requests", "*.copy"))
			if err != nil || len(left) > 0 {
				t.Errorf("left over: %v, %v", left, err)
			}
		})
	}
}

// A copy that is whole before its partition is taken over gives way all the same: the
// files are the worker's from then on.
func TestNoCopyTakesThePlaceOfAnOwnersState(t *testing.T) {
	dir, c := t.TempDir(), new(cabinet)
	s := copying(t, dir, c)
	c.add(5, 7, "copy")
	release := s.Own("requests", 3)
	again := s.Own("requests", 3)
	again()
	err := copyNewest(t, s, fast)
	if !errors.Is(err, state.ErrOwned) {
		t.Errorf("Copy beside an owner = %v, want %v", err, state.ErrOwned)
	}
	c.stored[0].Chunks, c.stored[0].Bytes = 0, 0 // It is whole before anybody looks for an owner.
	err = copyNewest(t, s, fast)
	if !errors.Is(err, state.ErrOwned) || s.Size() != 0 {
		t.Errorf("Copy beside an owner = %v with %d B on disk, want %v and nothing", err, s.Size(), state.ErrOwned)
	}
	release()
	err = copyNewest(t, s, fast)
	if err != nil {
		t.Errorf("Copy when the owner has gone = %v", err)
	}
}

// A copy fences nobody: whoever works on the partition has fenced its owner already,
// and the archive is not believed about epochs.
func TestACopyFencesNobody(t *testing.T) {
	c := new(cabinet)
	s := copying(t, t.TempDir(), c)
	c.add(1, 1<<63, "an epoch that nobody has had")
	err := copyNewest(t, s, fast)
	if err != nil {
		t.Fatal(err)
	}
	err = save(t, s, 2, 9, "own")
	if err != nil {
		t.Error(err)
	}
}

// What a process left half done when it was killed is removed by the next.
func TestHalfCopiesAreRemoved(t *testing.T) {
	dir, c := t.TempDir(), new(cabinet)
	c.add(1, 1, "body")
	err := copyNewest(t, copying(t, dir, c), fast)
	if err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(dir, file+".copy")
	err = os.Rename(filepath.Join(dir, file), half)
	if err != nil {
		t.Fatal(err)
	}
	s := copying(t, dir, c)
	_, err = os.Stat(half)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a half copy is there: %v", err)
	}
	if got := s.Epochs("requests"); len(got) != 0 || s.Size() != 0 {
		t.Errorf("a half copy counts as state: %v, %d B", got, s.Size())
	}
}

// A save that found no room leaves no half file behind.
func TestASaveThatFindsNoRoomTakesNone(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	err := save(t, s, 1, 1, "before")
	if err != nil {
		t.Fatal(err)
	}
	err = os.Symlink("/dev/full", filepath.Join(dir, file+".tmp"))
	if err != nil {
		t.Fatal(err)
	}
	err = save(t, s, 2, 1, "after")
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Save on a full disk = %v", err)
	}
	err = save(t, s, 2, 1, "after")
	_, body, _ := load(t, s)
	if err != nil || body != "after" {
		t.Errorf("Save = %v, and on disk is %q", err, body)
	}
}

// A copy takes no less time than its rate says, however fast the archive is, and no
// more where the archive is slower than the rate.
func TestCopiesArePaced(t *testing.T) {
	for name, tt := range map[string]struct {
		slow time.Duration // Of a chunk of 4 B.
		want time.Duration // Of 40 B at 8 B/s.
	}{
		"an archive that is fast": {0, 5 * time.Second},
		"an archive that is slow": {time.Second, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bubble.Test(t, func(t *testing.T) {
				c := &cabinet{before: func(int) error { time.Sleep(tt.slow); return nil }}
				s := copying(t, dir, c)
				c.add(1, 1, "0123456789012345678901234567890123456789")
				begin := time.Now()
				err := copyNewest(t, s, 8)
				if took := time.Since(begin); err != nil || took != tt.want {
					t.Errorf("40 B at 8 B/s took %v (%v), want %v", took, err, tt.want)
				}
			})
		})
	}
}
