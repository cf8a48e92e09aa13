package cold_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/vigil-gateway/vigil/analyzer/state/cold"
)

func open(t *testing.T, dir, mark string) *cold.Shelf {
	t.Helper()
	return openOf(t, dir, cold.BytesLeast, mark)
}

func openOf(t *testing.T, dir string, bytesMax int64, mark string) *cold.Shelf {
	t.Helper()
	s, err := cold.Open(dir, bytesMax, mark)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// ample is a bound at which nobody of those below is dropped.
const ample = 4 * cold.BytesLeast

func marked(t *testing.T, s *cold.Shelf) string {
	t.Helper()
	mark, secure := s.Mark()
	err := secure()
	if err != nil {
		t.Fatal(err)
	}
	return mark
}

// value is what an entity is at a step, of a length of its own.
func value(i int) []byte { return bytes.Repeat([]byte(fmt.Sprintf("v%d.", i)), 1+i%97) }

func key(i int) []byte { return fmt.Appendf(nil, "key-%d", i) }

// clearedEvery is how many steps there are from one at which all are forgotten to the
// next.
const clearedEvery = 1300

// steps plays operations from one to another, all drawn by their number, to a shelf
// and to a map of what it holds.
func steps(t *testing.T, s *cold.Shelf, holds map[int]int, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if i%clearedEvery == clearedEvery-1 {
			s.Clear()
			clear(holds)
			continue
		}
		rng := rand.New(rand.NewPCG(5, uint64(i)))
		who := rng.IntN(300)
		is, there := holds[who]
		if !there {
			s.Put(key(who), value(i), who%3 == 0)
			holds[who] = i
			continue
		}
		got := s.Take(key(who))
		if !bytes.Equal(got, value(is)) {
			t.Fatalf("step %d: %d B of entity %d, want the %d B of step %d", i, len(got), who, len(value(is)), is)
		}
		delete(holds, who)
	}
}

// What is on a shelf is given back once, from the buffer and from the disk.
func TestAnEntityComesBackOnceAsItWas(t *testing.T) {
	s := openOf(t, t.TempDir(), ample, "")
	if got := s.Take(key(1)); got != nil {
		t.Errorf("an empty shelf gives %q", got)
	}
	holds := make(map[int]int)
	steps(t, s, holds, 0, 3000)
	if s.Entities() != len(holds) {
		t.Errorf("%d entities are there, want %d", s.Entities(), len(holds))
	}
	big := bytes.Repeat([]byte("big"), 6000)
	s.Put(key(1000), big, true)
	if got := s.Take(key(1000)); !bytes.Equal(got, big) {
		t.Errorf("%d B come back, want %d", len(got), len(big))
	}
	if got := s.Take(key(1000)); got != nil {
		t.Errorf("it comes back twice, with %d B", len(got))
	}
	if c := s.Counts(); c.Dropped+c.Lost+c.Damaged > 0 || c.Put == 0 || c.Taken == 0 {
		t.Errorf("counts are %+v", c)
	}
}

// A crash leaves whatever has been written; the mark says what counts. What comes
// then is the same log, byte for byte, as the next mark says.
func TestALaterLifeGoesOnFromTheMark(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, dir string){
		"with the indexes of full segments": func(*testing.T, string) {},
		"without the indexes":               indexless,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openOf(t, dir, ample, "")
			holds := make(map[int]int)
			steps(t, s, holds, 0, 2000)
			first := marked(t, s)
			then := maps.Clone(holds)
			steps(t, s, holds, 2000, 2900)
			second := marked(t, s)
			later := maps.Clone(holds)
			steps(t, s, holds, 2900, 3600)
			third := marked(t, s)
			s.Close()
			prepare(t, dir)
			for _, back := range []struct {
				mark  string
				at    int
				holds map[int]int
			}{{second, 2900, later}, {first, 2000, then}} {
				s := openOf(t, dir, ample, back.mark)
				holds := maps.Clone(back.holds)
				if s.Entities() != len(holds) {
					t.Fatalf("%d entities are back, want %d", s.Entities(), len(holds))
				}
				steps(t, s, holds, back.at, 3600)
				if got := marked(t, s); got != third {
					t.Errorf("the log is at %s, the first time it was at %s", got, third)
				}
				s.Close()
			}
		})
	}
}

func indexless(t *testing.T, dir string) {
	t.Helper()
	remove(t, dir, "*.index")
}

func emptied(t *testing.T, dir string) {
	t.Helper()
	remove(t, dir, "*.cold")
}

func remove(t *testing.T, dir, pattern string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("nothing is like %s: %v", pattern, err)
	}
	for _, f := range files {
		err := os.Remove(f)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Whoever was cleared is forgotten, in full segments and in the one that is written,
// and is there again for a mark from before that.
func TestWhoWasClearedIsForgotten(t *testing.T) {
	const many = 4000
	dir := t.TempDir()
	s := openOf(t, dir, ample, "")
	put := func(from, to int) {
		for i := from; i < to; i++ {
			s.Put(key(i), value(i), i%2 == 0)
		}
	}
	put(0, many)
	before := marked(t, s)
	s.Clear()
	if s.Entities() != 0 || s.Take(key(many-1)) != nil || s.Counts().Cleared != many {
		t.Errorf("%d entities are there, %+v", s.Entities(), s.Counts())
	}
	empty := marked(t, s)
	s.Clear()
	if again := marked(t, s); again != empty {
		t.Error("what is empty was cleared again")
	}
	put(many-9, many+9)
	after := marked(t, s)
	put(many+9, 2*many) // The segment in which it was cleared is full.
	late := marked(t, s)
	s.Close()
	for mark, want := range map[string]int{late: many + 9, after: 18, empty: 0, before: many} { // One can go back, and not forth.
		dir := copied(t, dir)
		s := openOf(t, dir, ample, mark)
		if s.Entities() != want {
			t.Errorf("at %s there are %d, want %d", mark, s.Entities(), want)
		}
		if there := s.Take(key(1)) != nil; there != (mark == before) {
			t.Errorf("at %s the first is there: %t", mark, there)
		}
	}
}

// copied is a copy of a shelf's folder.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	err := os.CopyFS(to, os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// A burst of strangers pushes out strangers, and the files stay within their bound.
func TestABurstDropsTheOldestStrangersAndNobodyElse(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "")
	const known, strangers = 1000, 50_000
	for i := range known {
		s.Put(key(i), value(i), true)
	}
	for i := range strangers {
		s.Put(key(known+i), value(i), false)
	}
	if s.Counts().Dropped == 0 {
		t.Error("nobody was dropped")
	}
	mark := marked(t, s)
	s.Close()
	s = open(t, dir, mark)
	if s.Take(key(known)) != nil || s.Take(key(known+strangers-1)) == nil {
		t.Error("the first stranger is there, or the last one is not")
	}
	for i := range known {
		if !bytes.Equal(s.Take(key(i)), value(i)) {
			t.Fatalf("entity %d has made room for strangers", i)
		}
	}
	size := int64(0)
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		if err == nil {
			size += fi.Size()
		}
		return err
	})
	if err != nil || size > 2*cold.BytesLeast+cold.BytesLeast/8 {
		t.Errorf("files have %d B, %v; the bound is %d", size, err, 2*cold.BytesLeast)
	}
}

// What cannot be had as it was is given up as a whole.
func TestAMarkThatDoesNotFitOpensAnEmptyShelf(t *testing.T) {
	tests := map[string]struct {
		spoil func(t *testing.T, dir string)
		mark  string
	}{
		"no mark at all":               {mark: "x"},
		"a mark of the future":         {mark: "0.999999.1-0.0.0"},
		"a mark of another log":        {mark: "0.40.12345-0.0.0"},
		"files are gone":               {spoil: emptied},
		"a byte of the log is another": {spoil: flip},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, "")
			for i := range 100 {
				s.Put(key(i), value(i), i%2 == 0)
			}
			mark := marked(t, s)
			s.Close()
			if tt.spoil != nil {
				tt.spoil(t, dir)
			}
			if tt.mark != "" {
				mark = tt.mark
			}
			s, err := cold.Open(dir, cold.BytesLeast, mark)
			if err == nil || s == nil {
				t.Fatalf("Open = %v, %v, want an empty shelf and why", s, err)
			}
			defer s.Close()
			if s.Entities() != 0 || s.Take(key(2)) != nil {
				t.Error("somebody is on it")
			}
			s.Put(key(2), value(2), true)
			if !bytes.Equal(s.Take(key(2)), value(2)) {
				t.Error("it keeps nobody")
			}
		})
	}
}

// A log that is as long as another is not the other.
func TestAMarkOfALogThatIsAsLongOpensAnEmptyShelf(t *testing.T) {
	one, other := t.TempDir(), t.TempDir()
	mark := ""
	for i, dir := range []string{one, other} {
		s := open(t, dir, "")
		s.Put(key(1), value(97*(1+i)+3), true)
		mark = marked(t, s)
		s.Close()
	}
	s, err := cold.Open(other, cold.BytesLeast, mark)
	if err != nil || s.Entities() != 1 {
		t.Errorf("its own log: %v, %d entities", err, s.Entities())
	}
	s.Close()
	s, err = cold.Open(one, cold.BytesLeast, mark)
	if err == nil || s.Entities() != 0 {
		t.Errorf("another log: %v, %d entities, want an empty shelf and why", err, s.Entities())
	}
	s.Close()
}

// flip changes a byte of every segment.
func flip(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.cold"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no segments: %v", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		err = os.WriteFile(f, b, 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A record that rots while the shelf is open is nobody's, and no other one is
// touched.
func TestADamagedRecordIsForgotten(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "")
	for i := range 100 {
		s.Put(key(i), value(i), true)
	}
	marked(t, s)
	flip(t, dir)
	back := 0
	for i := range 100 {
		got := s.Take(key(i))
		if got == nil {
			continue
		}
		back++
		if !bytes.Equal(got, value(i)) {
			t.Errorf("entity %d is another", i)
		}
	}
	if back != 99 || s.Counts().Damaged != 1 {
		t.Errorf("%d of 100 come back, %d damaged; want 99 and 1", back, s.Counts().Damaged)
	}
}

// A disk that fails costs what was on it, and nothing stops.
func TestADiskThatFailsEmptiesTheShelf(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shelf")
	s := open(t, dir, "")
	s.Put(key(0), value(0), true)
	err := os.RemoveAll(dir)
	if err != nil {
		t.Fatal(err)
	}
	mark, secure := s.Mark()
	err = secure()
	if err == nil {
		t.Errorf("mark %s is said to be on a disk that is gone", mark)
	}
	s.Put(key(1), value(1), false)
	if s.Fault() == nil || s.Entities() != 0 || s.Take(key(0)) != nil || s.Take(key(1)) != nil {
		t.Errorf("fault %v, %d entities", s.Fault(), s.Entities())
	}
	if c := s.Counts(); c.Lost == 0 {
		t.Errorf("counts are %+v, want what was lost", c)
	}
}
