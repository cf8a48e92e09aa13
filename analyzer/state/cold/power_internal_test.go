package cold

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// disk is what a power loss leaves of the files: of each what it held when it was
// synced last, and only those that its folder had when that was synced.
type disk struct {
	t       *testing.T
	content map[string][]byte
	names   map[string]bool
	fails   bool            // The next sync does.
	lost    map[string]bool // What was written into it is gone, whatever later syncs say.
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	return &disk{t: t, content: make(map[string][]byte), names: make(map[string]bool), lost: make(map[string]bool)}
}

// under has a shelf use the disk.
func (d *disk) under(s *Shelf) {
	for _, l := range s.logs() {
		l.sync = d.sync
	}
}

func (d *disk) sync(f *os.File) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if d.fails {
		d.fails, d.lost[f.Name()] = false, true
		return errors.New("disk fails")
	}
	if !fi.IsDir() {
		if !d.lost[f.Name()] {
			d.content[f.Name()], err = os.ReadFile(f.Name())
		}
		return err
	}
	names, err := filepath.Glob(filepath.Join(f.Name(), "*.cold"))
	for _, name := range names {
		d.names[name] = true
	}
	return err
}

// left writes what is left into another folder.
func (d *disk) left(from string) (to string) {
	d.t.Helper()
	to = d.t.TempDir()
	for name, content := range d.content {
		rel, err := filepath.Rel(from, name)
		if err != nil {
			d.t.Fatal(err)
		}
		if !d.names[name] {
			continue
		}
		err = os.MkdirAll(filepath.Dir(filepath.Join(to, rel)), 0o700)
		if err == nil {
			err = os.WriteFile(filepath.Join(to, rel), content, 0o600)
		}
		if err != nil {
			d.t.Fatal(err)
		}
	}
	return to
}

// Whatever has become of the marks before it, of one that is said to be secure a
// power loss leaves all that it needs: also of one that a life before this one
// has left, and where a disk has failed in between.
func TestAPowerLossLeavesWhatASecureMarkNeeds(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	type marked struct {
		mark   string
		secure func() error
		holds  map[string][]byte
	}
	lives, checked := 60, 0
	if testing.Short() {
		lives = 15
	}
	for life := range lives {
		dir := t.TempDir()
		d := newDisk(t)
		s, err := Open(dir, BytesLeast, "")
		if err != nil {
			t.Fatal(err)
		}
		d.under(s)
		holds := make(map[string][]byte)
		var open []marked // Marks that are not secure yet, the oldest first.
		var last marked
		for i := range 1500 {
			k := fmt.Sprint("key-", rng.IntN(200))
			if v, there := holds[k]; there {
				if got := s.Take([]byte(k)); !bytes.Equal(got, v) {
					t.Fatalf("life %d, step %d: %q is %q, want %q", life, i, k, got, v)
				}
				delete(holds, k)
			} else {
				holds[k] = bytes.Repeat([]byte{byte(i)}, 1+rng.IntN(200))
				s.Put([]byte(k), holds[k], rng.IntN(2) == 0)
			}
			switch rng.IntN(30) {
			case 0:
				mark, secure := s.Mark()
				open = append(open, marked{mark, secure, maps.Clone(holds)})
			case 1: // Its snapshot is not wanted any more.
				open = open[:max(0, len(open)-1)]
			case 2, 3:
				d.fails = rng.IntN(40) == 0
				if len(open) > 0 && open[0].secure() == nil {
					last = open[0]
				}
				open = open[min(1, len(open)):]
			case 4: // Killed, and begun again: what was written is there, if it is not on the disk for certain.
				to := last
				if len(open) > 0 && len(d.lost) == 0 && rng.IntN(2) == 0 {
					to = open[0] // Of a snapshot in the archive, which waits for no disk of ours.
				}
				if to.mark == "" || rng.IntN(3) > 0 || s.Fault() != nil {
					continue
				}
				s.Close()
				s, err = Open(dir, BytesLeast, to.mark)
				if err != nil {
					t.Fatalf("life %d, step %d: %v", life, i, err)
				}
				d.under(s)
				clear(d.lost) // It was behind the mark, and is written anew.
				holds, open = maps.Clone(to.holds), nil
			}
			if s.Fault() != nil {
				break
			}
		}
		s.Close()
		if last.mark == "" {
			continue
		}
		checked++
		s, err = Open(d.left(dir), BytesLeast, last.mark)
		if err != nil {
			t.Fatalf("life %d: mark %s was secure: %v", life, last.mark, err)
		}
		if s.Entities() != len(last.holds) {
			t.Errorf("life %d: %d entities are left, want %d", life, s.Entities(), len(last.holds))
		}
		for _, k := range slices.Sorted(maps.Keys(last.holds)) {
			if !bytes.Equal(s.Take([]byte(k)), last.holds[k]) {
				t.Fatalf("life %d: %q is another", life, k)
			}
		}
		s.Close()
	}
	if checked < lives/2 {
		t.Errorf("%d of %d lives had a mark", checked, lives)
	}
}

// A mark that was taken before the disk failed is not secure after that, although
// nothing is left to sync.
func TestAMarkFromBeforeAFailureIsNotSecure(t *testing.T) {
	s, err := Open(t.TempDir(), BytesLeast, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	d := newDisk(t)
	d.under(s)
	s.Put([]byte("a"), []byte("1"), true)
	_, first := s.Mark()
	s.Put([]byte("b"), []byte("2"), false)
	_, second := s.Mark()
	d.fails = true
	if first() == nil {
		t.Error("the first is secure on a disk that fails")
	}
	if second() == nil {
		t.Error("so is the second, after it")
	}
}
