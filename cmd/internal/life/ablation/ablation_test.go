package ablation_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/cmd/internal/life/ablation"
	"github.com/vigil-gateway/vigil/cmd/internal/life/soak"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/scenario"
)

// options are a history of subjects with so many attacks of each kind, and the stories
// that a pattern names.
func options(t *testing.T, subjects, warmup, days, attacks int, stories string) ablation.Options {
	t.Helper()
	start := time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC)
	o := ablation.Options{Soak: soak.Options{
		Life:   life.Options{Seed: 7, Start: start, Days: warmup + days, Subjects: subjects, Attacks: attacks, AttackDay: warmup},
		Warmup: warmup, Model: model.Default(),
	}}
	files, err := filepath.Glob("../../../../testdata/scenarios/" + stories + ".txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := scenario.Parse(file, string(b))
		if err != nil {
			t.Fatal(err)
		}
		o.Scenarios = append(o.Scenarios, s)
	}
	return o
}

// TestSignalsThatAreMissed turns off signals without which attacks must be
// missed or met later: if nothing changed, the table would say nothing.
func TestSignalsThatAreMissed(t *testing.T) {
	if testing.Short() {
		t.Skip("eight days of eighty lives, three times")
	}
	subjects, stories := 80, "*"
	if raceEnabled {
		subjects, stories = 40, "[ci]*" // Ten times slower, and nothing here is concurrent.
	}
	o := options(t, subjects, 5, 3, 1, stories)
	o.Signals = []evidence.Signal{evidence.FailuresByAddress, evidence.SequentialIDs}
	rows, err := ablation.Run(o, func(*ablation.Row) {})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 3 {
		t.Fatalf("%d rows, want the whole model and two", len(rows))
	}
	for _, r := range rows[1:] {
		if r.Idle() {
			t.Errorf("without %s nothing gets worse", r.Without)
		}
		if r.Stories == 0 {
			t.Errorf("without %s every story ends as before", r.Without)
		}
	}
}
