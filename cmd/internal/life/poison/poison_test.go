package poison_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/life/poison"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// TestPreparingBuysNothing plays three attacks on learning small: with all
// defences the goal must say nearly what it says unprepared, and without any the
// patient get through. The quiet one does not in so short a time, and who boils a
// frog is met by hours that are rare in the whole tenant, whatever he has taught.
func TestPreparingBuysNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("plays months")
	}
	o := options(30, 14)
	o.Storms = false
	o.Plots = []string{"quiet thief", "patient thief", "boiling frog"}
	o.Columns = []string{poison.Unprepared, poison.Defended, poison.Undefended}
	for _, row := range measure(t, o).Attacks {
		unprepared, defended, none := row.Cells[0].Nats, row.Cells[1].Nats, row.Cells[2].Nats
		if defended < 0.75*unprepared {
			t.Errorf("%s: says %.1f nats, unprepared %.1f", row.Attack, defended, unprepared)
		}
		if none > 0.75*unprepared && strings.HasPrefix(row.Attack, "patient") {
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
