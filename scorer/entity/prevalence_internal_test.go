package entity

import (
	"math"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

const signalOfTest = 3

// days lets subjects live: each day every one of them shows the signal so
// strongly, or nothing.
func days(p *Prevalence, subjects, n int, nats func(subject, day int) float64) {
	today := make([]Subject, subjects)
	start := int64(20_000 * 24 * time.Hour)
	for d := range n {
		for i := range today {
			now := start + int64(d)*int64(24*time.Hour) + int64(i)
			if today[i].DayOver(now) {
				today[i].Turn(now, p, 1)
			}
			today[i].Show(signalOfTest, nats(i, d))
			today[i].Show(signalOfTest, nats(i, d)/2)
		}
	}
}

func TestPrevalence(t *testing.T) {
	tests := map[string]struct {
		subjects, days int
		nats           func(subject, day int) float64
		from, to       float64 // Of the most that 6 nats may say at 1 % for attackers.
	}{
		"what a third of all days show says little":      {300, 8, func(i, _ int) float64 { return 8 * float64(i%3/2) }, 1, 1.4},
		"what is common at less says nothing about more": {300, 8, func(_, _ int) float64 { return 4 }, math.Inf(1), math.Inf(1)},
		"what one in a hundred shows may be an attacker": {300, 8, func(i, _ int) float64 { return 8 * float64(i%100/99) }, math.Inf(1), math.Inf(1)},
		"one in ten is between":                          {300, 8, func(i, _ int) float64 { return 8 * float64(i%10/9) }, 2.3, 3},
		"a few days of a few say nothing yet":            {20, 4, func(_, _ int) float64 { return 8 }, math.Inf(1), math.Inf(1)},
		"the first day of a subject has no voice":        {300, 2, func(_, _ int) float64 { return 8 }, math.Inf(1), math.Inf(1)},
		"what was common once is forgotten":              {300, 60, func(_, d int) float64 { return 8 * float64((59-d)/50) }, math.Inf(1), math.Inf(1)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var p Prevalence
			days(&p, tt.subjects, tt.days, tt.nats)
			got := p.Most(signalOfTest, 6, 0.01)
			if got < tt.from || got > tt.to {
				t.Errorf("6 nats may say %g, want %g to %g", got, tt.from, tt.to)
			}
			if more := p.Most(signalOfTest, 7.5, 0.01); more < got {
				t.Errorf("7.5 nats may say %g, less than 6", more)
			}
			if p.Most(signalOfTest+1, 6, 0.01) != math.Inf(1) {
				t.Error("a signal that nobody shows is common")
			}
		})
	}
}

// A day that was somebody else's counts as one without a finding.
func TestPrevalenceForgets(t *testing.T) {
	var p Prevalence
	var today Subject
	for d := range int64(3) {
		today.Turn((d+1)*int64(24*time.Hour), &p, 1)
		today.Show(signalOfTest, 9)
		today.Unshow()
	}
	if p.Days != 1 || len(p.rows) != 0 {
		t.Errorf("%g days with %d signals, want 1 with none", p.Days, len(p.rows))
	}
}

// A day of many signals is known by the strongest of them, in whatever order they came.
func TestPrevalenceKeepsTheStrongest(t *testing.T) {
	const signals = todayMax + 4
	for first := range signals {
		var today Subject
		for i := range signals {
			signal := (first + i) % signals
			today.Show(signal, float64(signal)+1)
		}
		weakest := prevalenceLevels
		for _, s := range today.left.shown.seen {
			weakest = min(weakest, int(s.level))
			if int(s.level) != int(s.signal)+1 {
				t.Errorf("from %d on: signal %d is at level %d", first, s.signal, s.level)
			}
		}
		if want := signals - todayMax + 1; weakest != want {
			t.Errorf("from %d on: the weakest that is kept is at level %d, want %d", first, weakest, want)
		}
	}
}

// What was written is read, and goes on alike.
func TestPrevalenceSnapshot(t *testing.T) {
	var p, q Prevalence
	days(&p, 50, 9, func(i, d int) float64 { return float64((i + d) % 12) })
	var today Subject
	for i := range todayMax + 2 {
		today.Show(i, float64(i)+1)
	}
	code := func(k *snapshot.Codec, p *Prevalence, d *shown) {
		p.code(k)
		d.code(k)
	}
	var back shown
	w := snapshot.Writer()
	code(w, &p, &today.left.shown)
	r := snapshot.Reader(w.Bytes())
	code(r, &q, &back)
	if r.Err() != nil || back != today.left.shown || q.Days != p.Days || q.Most(signalOfTest, 3, 0) != p.Most(signalOfTest, 3, 0) {
		t.Errorf("read %+v and %g days (%v), want %+v and %g", back, q.Days, r.Err(), today.left.shown, p.Days)
	}
}

// Attackers who are few, or who are many in one place, make nothing common.
func TestPrevalenceOfAttackers(t *testing.T) {
	weighed := func(honest, attackers int, ofHonest, ofAttackers float64) float64 {
		var p Prevalence
		start := int64(20_000 * 24 * time.Hour)
		today := make([]Subject, honest+attackers)
		for d := range int64(60) {
			for i := range today {
				now, weight, nats := start+d*int64(24*time.Hour)+int64(i), ofHonest, 0.0
				if i >= honest {
					weight, nats = ofAttackers, 8
				}
				if today[i].DayOver(now) {
					today[i].Turn(now, &p, weight)
				}
				today[i].Show(signalOfTest, nats)
			}
		}
		return p.Most(signalOfTest, 6, 0.01)
	}
	tests := map[string]struct {
		honest, attackers     int
		ofHonest, ofAttackers float64
	}{
		"one of twenty people, day after day":                       {19, 1, 1, 1},
		"one of three hundred":                                      {299, 1, 1, 1},
		"fewer than one in a hundred, against a crowd in an office": {2000, 19, 0.05, 1},
		"a crowd of names in one place":                             {300, 300, 1, 0.005},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if most := weighed(tt.honest, tt.attackers, tt.ofHonest, tt.ofAttackers); most != math.Inf(1) {
				t.Errorf("6 nats may say %.1f only", most)
			}
		})
	}
}
