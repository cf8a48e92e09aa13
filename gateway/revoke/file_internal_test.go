package revoke

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// shelf is a ledger and its file.
type shelf struct {
	ledger *ledger
	file   *file
	now    time.Time
}

func newShelf(t *testing.T, dir string) *shelf {
	t.Helper()
	l := newLedger(1000)
	s := &shelf{ledger: l, file: newFile(dir, 1<<20, l), now: time.Unix(1_800_000_000, 0)}
	_, _, err := s.file.load(func(at int64, keep time.Time, raw []byte) {
		s.ledger.fold(record{verdict: s.verdict(raw), raw: raw, keep: keep, at: at}, s.now)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.file.f.Close() })
	return s
}

// verdict is the one whose envelope is "session.seq": the shelf checks no signatures.
func (s *shelf) verdict(raw []byte) *verdict.Verdict {
	var id string
	var seq uint64
	_, err := fmt.Sscanf(string(raw), "%1s.%d", &id, &seq)
	if err != nil {
		panic(err)
	}
	return &verdict.Verdict{
		Epoch: 1, Seq: seq, Authority: verdict.AuthoritySubject, Tenant: "t", Until: timestamppb.New(s.now.Add(time.Hour)),
		Target: &verdict.Target{Kind: verdict.TargetSession, Id: id},
	}
}

// fold takes a record without queueing it.
func (s *shelf) fold(raw string) time.Time {
	_, keep := s.ledger.fold(record{verdict: s.verdict([]byte(raw)), raw: []byte(raw), at: nowhere}, s.now)
	return keep
}

// put takes a record and queues it.
func (s *shelf) put(raw string) {
	keep := s.fold(raw)
	s.file.add(s.verdict([]byte(raw)), keep, []byte(raw))
}

func (s *shelf) commit(t *testing.T) {
	t.Helper()
	err := s.file.commit()
	if err != nil {
		t.Fatal(err)
	}
}

// starts returns the records that a start applies.
func starts(t *testing.T, s *shelf) []string {
	t.Helper()
	out := []string{}
	err := s.file.live(func(raw []byte) { out = append(out, string(raw)) })
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// Whatever happens between two commits, a start finds the newest record of each key
// that was durable.
func TestTheNewestDurableRecordOfAKeyIsFound(t *testing.T) {
	tests := map[string]struct {
		do   func(t *testing.T, s *shelf)
		want []string
	}{
		"records of a commit": {
			do:   func(*testing.T, *shelf) {},
			want: []string{"a.1", "b.1"},
		},
		"a later record of the same key": {
			do: func(t *testing.T, s *shelf) {
				t.Helper()
				s.put("a.2")
				s.commit(t)
			},
			want: []string{"a.2", "b.1"},
		},
		"a record that is known and not written yet when the file is rewritten": {
			do: func(t *testing.T, s *shelf) {
				t.Helper()
				s.fold("a.2")
				s.file.broken = true
				s.commit(t)
			},
			want: []string{"a.1", "b.1"},
		},
		"a later record on its way to the disk when the file is rewritten": {
			do: func(t *testing.T, s *shelf) {
				t.Helper()
				s.put("a.2")
				s.file.broken = true
				s.commit(t)
			},
			want: []string{"a.2", "b.1"},
		},
		"records that the disk refuses once": {
			do: func(t *testing.T, s *shelf) {
				t.Helper()
				good := s.file.f
				bad, err := os.Open(s.file.path) // Cannot be written to.
				if err != nil {
					t.Fatal(err)
				}
				s.file.f = bad
				s.put("c.1")
				if s.file.commit() == nil {
					t.Fatal("a file that cannot be written to was written to")
				}
				s.put("d.1")
				s.commit(t)
				_ = good.Close()
			},
			want: []string{"a.1", "b.1", "c.1", "d.1"},
		},
		"many rewrites with records in between": {
			do: func(t *testing.T, s *shelf) {
				t.Helper()
				for i := range 20 {
					s.put(fmt.Sprint("a.", i+2))
					s.file.broken = i%3 == 0
					s.commit(t)
				}
			},
			want: []string{"a.21", "b.1"},
		},
		"a record that came with a rewrite, when there is another": {
			do: func(t *testing.T, s *shelf) {
				t.Helper()
				s.put("c.1")
				for range 2 {
					s.file.broken = true
					s.commit(t)
				}
			},
			want: []string{"a.1", "b.1", "c.1"},
		},
		"the end of a line is damaged on the disk": {
			do: func(t *testing.T, s *shelf) {
				t.Helper()
				s.put("c.1")
				s.commit(t)
				_, err := s.file.f.WriteAt([]byte{'\v'}, s.ledger.keys[keyOf(s.verdict([]byte("b.1")))].at-1)
				if err != nil {
					t.Fatal(err)
				}
				s.file.broken = true
				s.commit(t)
			},
			want: []string{"b.1", "c.1"},
		},
		"the end of a line is damaged when the gateway starts": {
			do: func(t *testing.T, s *shelf) {
				t.Helper()
				s.put("c.1")
				s.commit(t)
				_, err := s.file.f.WriteAt([]byte{'\v'}, s.ledger.keys[keyOf(s.verdict([]byte("b.1")))].at-1)
				if err != nil {
					t.Fatal(err)
				}
			},
			want: []string{"b.1", "c.1"},
		},
		"a key that was swept": {
			do: func(t *testing.T, s *shelf) {
				t.Helper()
				delete(s.ledger.keys, keyOf(s.verdict([]byte("b.1"))))
				s.file.broken = true
				s.commit(t)
			},
			want: []string{"a.1"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := newShelf(t, dir)
			s.put("a.1")
			s.put("b.1")
			s.commit(t)
			tt.do(t, s)
			again := newShelf(t, dir)
			if got := starts(t, again); !slices.Equal(got, tt.want) {
				t.Errorf("a start applies %q, want %q", got, tt.want)
			}
			if s.file.waiting != 0 || len(s.file.taken.text) > 0 {
				t.Errorf("%d B still wait for the disk", s.file.waiting)
			}
			st, err := os.Stat(s.file.path)
			if err != nil || st.Size() != s.file.size.Load() {
				t.Errorf("the file is %v (%v), believed %d B", st, err, s.file.size.Load())
			}
		})
	}
}

// A line that is changed between the check of its signature and its use is not used.
func TestALineThatChangesIsNotApplied(t *testing.T) {
	dir := t.TempDir()
	s := newShelf(t, dir)
	s.put("a.1")
	s.put("b.1")
	s.commit(t)
	text, err := os.ReadFile(s.file.path)
	if err != nil {
		t.Fatal(err)
	}
	keep, _, err := parseLine(text[:len(text)/2-1])
	if err != nil {
		t.Fatal(err)
	}
	forged := append(appendLine(nil, keep, []byte("a.9")), text[len(text)/2:]...)
	err = os.WriteFile(s.file.path, forged, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if got := starts(t, s); !slices.Equal(got, []string{"b.1"}) {
		t.Errorf("%q are applied, want b.1 alone", got)
	}
}
