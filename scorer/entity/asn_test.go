package entity_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// TestASNCountsSubjectsOnce notes the same subjects again and again, and more of them
// than are remembered.
func TestASNCountsSubjectsOnce(t *testing.T) {
	var a entity.ASN
	var all entity.Attackers
	now := int64(1e18)
	for range 50 {
		a.Doubt(&all, 7, now)
		a.Reside(&all, 8, now)
		a.SignIn(&all, 9, false, now)
	}
	later := now + int64(11*time.Minute)
	here, everywhere := a.Doubted(&all, 0, later)
	if here < 0.99 || here > 1 || everywhere != here {
		t.Errorf("%g subjects of %g are doubted, want one", here, everywhere)
	}
	if here, _ = a.Doubted(&all, 7, later); here != 0 {
		t.Errorf("%g others than the doubted one are doubted, want none", here)
	}
	if n := a.Residents(now); n != 1 {
		t.Errorf("%g subjects are at home, want one", n)
	}
	if failed, _ := a.Failed(&all, now); failed != 1 {
		t.Errorf("%g accounts failed, want one", failed)
	}
	a.Reside(&all, 7, later) // Whoever is at home there was no thief.
	if here, everywhere = a.Doubted(&all, 0, later); here != 0 || everywhere > 1e-9 {
		t.Errorf("%g subjects of %g are doubted after an answer, want none", here, everywhere)
	}
	for i := range 1000 {
		a.Doubt(&all, uint64(i), now)
		a.Reside(&all, 5000+uint64(i), now)
		a.SignIn(&all, uint64(i), false, now)
	}
	here, _ = a.Doubted(&all, 1<<20, later)
	failed, _ := a.Failed(&all, now)
	if here > entity.ASNVoicesMax || a.Residents(now) > entity.ASNVoicesMax || failed > entity.FacetNamesMax {
		t.Errorf("%g doubted, %g at home, %g failed: more than are remembered", here, a.Residents(now), failed)
	}
}

// TestASNForgets asks what is left after a week and after half a year.
func TestASNForgets(t *testing.T) {
	const week = int64(7 * 24 * time.Hour)
	for name, tt := range map[string]struct {
		after       int64
		least, most float64
	}{
		"at once":          {0, 3.9, 4},
		"a week later":     {week, 1.9, 2.1},
		"half a year":      {26 * week, 0, 1e-6},
		"clocks that jump": {-week, 3.9, 4},
	} {
		t.Run(name, func(t *testing.T) {
			var a entity.ASN
			var all entity.Attackers
			now := int64(1e18)
			for i := range uint64(4) {
				a.Doubt(&all, i, now-int64(time.Hour))
				a.Reside(&all, 100+i, now)
				a.SignIn(&all, i, false, now)
			}
			doubted, _ := a.Doubted(&all, 99, max(now, now+tt.after))
			failed, _ := a.Failed(&all, now+tt.after)
			for what, got := range map[string]float64{"doubted": doubted, "at home": a.Residents(now + tt.after), "failed": failed} {
				if got < tt.least || got > tt.most {
					t.Errorf("%s: %g, want %g to %g", what, got, tt.least, tt.most)
				}
			}
		})
	}
}

// TestASNIsRestored writes a full network, reads it back and writes it again.
func TestASNIsRestored(t *testing.T) {
	var a, back entity.ASN
	var all entity.Attackers
	for i := range uint64(40) {
		a.Doubt(&all, i, int64(1e18+i))
		a.Reside(&all, 100+i, int64(1e18+i))
		a.SignIn(&all, i, i%3 == 0, int64(1e18+i))
	}
	w := snapshot.Writer()
	a.Code(w)
	r := snapshot.Reader(w.Bytes())
	back.Code(r)
	again := snapshot.Writer()
	back.Code(again)
	if r.Err() != nil || !bytes.Equal(w.Bytes(), again.Bytes()) {
		t.Errorf("a restored network writes %x (%v), was %x", again.Bytes(), r.Err(), w.Bytes())
	}
}
