package store

import "testing"

// Cuts are halved for each one that was late, down to a limit, and grow again one
// step for each calmCuts in time.
func TestPace(t *testing.T) {
	w := new(worker)
	for range shrunkMax + 2 {
		w.pace(true)
	}
	if w.shrunk != shrunkMax {
		t.Errorf("halved %d times, want %d", w.shrunk, shrunkMax)
	}
	for want := shrunkMax - 1; want >= 0; want-- {
		for range calmCuts {
			w.pace(false)
		}
		if w.shrunk != want {
			t.Fatalf("halved %d times after a calm, want %d", w.shrunk, want)
		}
	}
	w.pace(true)
	for range calmCuts - 1 {
		w.pace(false)
	}
	w.pace(true)
	if w.shrunk != 2 {
		t.Errorf("halved %d times, want 2: the calm was broken", w.shrunk)
	}
}
