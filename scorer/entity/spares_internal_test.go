package entity

import (
	"fmt"
	"testing"
)

// TestNobodyHasWhatBelongedToAnother lets sessions come and go, and checks that no
// two that are in use share memory, and that one that begins has nothing.
func TestNobodyHasWhatBelongedToAnother(t *testing.T) {
	var p Spares
	sessions := make([]Session, 6)
	for round := range 200 {
		p.Bound(len(sessions))
		i := round % len(sessions)
		s := &sessions[i]
		p.Session(s, Key{ID: fmt.Sprint(round)}, int64(round))
		if len(s.Pending.Seen)+len(s.Walks)+len(s.Places)+len(s.Suspicion.Reasons)+len(s.Suspicion.Marks) > 0 || s.Scan != nil {
			t.Fatalf("round %d: a session begins with %+v", round, s)
		}
		for n := range 1 + round%5 {
			p.Note(&s.Pending, Routes, fmt.Sprint(round, n))
			w := p.Follow(s, uint64(n))
			p.Add(&w.IDs, uint64(round), RecentMax)
			text := fmt.Sprint("reason ", round, " ", n, " ", 1<<(round%30))
			p.Suspect(&s.Suspicion, n, 1, text, 0)
			s.Suspicion.Remember(Reason{Signal: n, Nats: 1}, text)
			s.Suspicion.Mark(n).Peak = float64(round)
		}
		s.Scan = p.Scan()
		p.Add(&s.Scan.Paths, uint64(round), RecentMax)
		for j := range sessions[:min(round+1, len(sessions))] {
			of := (round - (i-j+len(sessions))%len(sessions))
			check(t, &sessions[j], of)
		}
	}
	if most := sparesLeast + 1; len(p.seen.free) == 0 || len(p.seen.free[12]) > most {
		t.Errorf("%d lists are spare, want some and at most %d", len(p.seen.free[12]), most)
	}
}

func check(t *testing.T, s *Session, round int) {
	t.Helper()
	n := 1 + round%5
	if len(s.Pending.Seen) != n || len(s.Walks) != n || len(s.Suspicion.Reasons) != n || !s.Scan.Paths.Has(uint64(round)) || s.Scan.Paths.Len() != 1 {
		t.Fatalf("session of round %d has %d values, %d walks and %d reasons, want %d each", round, len(s.Pending.Seen), len(s.Walks), len(s.Suspicion.Reasons), n)
	}
	for k := range n {
		want := fmt.Sprint("reason ", round, " ", k, " ", 1<<(round%30))
		if got := string(s.Suspicion.Reasons[k].Text); got != want || s.Suspicion.Peak(k) != float64(round) {
			t.Fatalf("reason %d of round %d is %q, want %q", k, round, got, want)
		}
		if s.Pending.Seen[k].Name != fmt.Sprint(round, k) || !s.Walks[k].IDs.Has(uint64(round)) || s.Walks[k].IDs.Len() != 1 {
			t.Fatalf("value %d of round %d is another's", k, round)
		}
	}
}
