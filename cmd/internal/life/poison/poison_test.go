package poison_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/life/poison"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// TestPreparingBuysNothing plays every attack on learning small: with all defences
// the goal must say nearly what it says unprepared, or its session must have said so
// before, and without any defence those who are named must get through.
func TestPreparingBuysNothing(t *testing.T) {
	// keeps is the share of the unprepared nats that must be left. Of who makes a
	// tool usual a part is believed: releases are announced in the same way.
	keeps := map[string]float64{
		"quiet thief": 0.9, "patient thief": 0.9, "boiling frog": 0.9, "chaff": 0.9, "sybil": 0.75,
		"one compromised gateway reports floods for 9 days": 0.9, "camouflage": 0.9, "silence": 0.9,
		"flood": 0.75, "prefix": 0.75, "network": 0.75,
	}
	// Those get through without defences. The frog is met by hours that are rare in
	// the whole tenant, the others, of twenty people, by what a tool that is new says
	// of its own.
	through := []string{"quiet thief", "patient thief", "one compromised gateway reports floods for 9 days"}
	o := options(20, 14)
	o.Storms = false
	if testing.Short() || raceEnabled {
		o.Plots = []string{"quiet thief", "camouflage", "flood"}
		through = through[:1]
	}
	o.Columns = []string{poison.Unprepared, poison.Defended, poison.Undefended}
	rows := measure(t, o).Attacks
	if len(o.Plots) == 0 && len(rows) != len(keeps) {
		t.Errorf("%d attacks were played, %d are known", len(rows), len(keeps))
	}
	for _, row := range rows {
		word, _, _ := strings.Cut(row.Attack, ":")
		share, known := keeps[word]
		unprepared, defended, none := row.Cells[0].Nats, row.Cells[1], row.Cells[2].Nats
		if said := max(defended.Nats, defended.Before); !known || said < share*unprepared {
			t.Errorf("%s: says %.1f nats, unprepared %.1f, want %g of it", row.Attack, said, unprepared, share)
		}
		if unprepared < 3 {
			t.Errorf("%s: unprepared it says %.1f nats: this attack tests nothing", row.Attack, unprepared)
		}
		if slices.Contains(through, word) && none > 0.5*unprepared {
			t.Errorf("%s: without defences it says %.1f nats, unprepared %.1f: this attack tests nothing", row.Attack, none, unprepared)
		}
	}
}

func options(subjects, settled int) poison.Options {
	return poison.Options{
		Seed: 1, Start: time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC), Subjects: subjects, Settled: settled, Model: model.Default(), Storms: true,
	}
}

func measure(t *testing.T, o poison.Options) *poison.Report {
	t.Helper()
	r, err := poison.Run(o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	err = r.Print(&b)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(b.String())
	return r
}
