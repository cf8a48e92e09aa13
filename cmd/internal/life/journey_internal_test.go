package life

import (
	"testing"
	"time"
)

// TestJourneys lets everybody travel for a month: nobody is in two places, and
// nobody is faster than an airliner.
func TestJourneys(t *testing.T) {
	w, err := New(Options{Seed: 5, Start: time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC), Days: 30, Subjects: 1000})
	if err != nil {
		t.Fatal(err)
	}
	trips := 0
	for _, p := range w.people {
		for n := range 30 {
			w.journey(p, w.start+int64(n)*int64(day), newDice(uint64(n), p.number))
			for i := range p.stays {
				s := &p.stays[i]
				if s.until <= s.from {
					t.Fatalf("%s: a stay ends before it begins", p.subject)
				}
				if i == 0 {
					continue
				}
				before := &p.stays[i-1]
				if s.from < before.until {
					t.Fatalf("%s is in two places", p.subject)
				}
				if s.kind == inHotel && before.kind == flying {
					trips++
					hours := float64(before.until-before.from) / float64(time.Hour)
					if speed := kilometres(before.city, s.city) / hours; speed > 900 {
						t.Errorf("%s to %s at %.0f km/h", before.city.name, s.city.name, speed)
					}
				}
			}
		}
	}
	if trips < 100 {
		t.Errorf("%d flights in a month of a thousand people", trips)
	}
}

func TestAgendaIsInOrder(t *testing.T) {
	d := newDice(1)
	var a agenda
	for i := range uint64(1000) {
		a.push(item{at: int64(d.IntN(50)), order: i})
	}
	last := item{at: -1}
	for len(a) > 0 {
		it := a.pop()
		if it.before(&last) {
			t.Fatalf("%d/%d comes after %d/%d", it.at, it.order, last.at, last.order)
		}
		last = it
	}
}
