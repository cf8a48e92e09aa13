package scorer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/scenario"
)

// TestScenarios plays every scenario of testdata/scenarios, whose language is
// described there, and compares what the scorer says with the golden beside it.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../testdata/scenarios/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 60 {
		t.Fatalf("found %d scenarios, want at least 60", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script, err := scenario.Parse(file, string(b))
			if err != nil {
				t.Fatal(err)
			}
			got := playScript(t, script, false)
			golden := strings.TrimSuffix(file, ".txt") + ".golden"
			if os.Getenv("UPDATE_GOLDEN") != "" {
				err = os.WriteFile(golden, []byte(got.Text), 0o644)
				if err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.Text); diff != "" {
				t.Errorf("the scorer says something else (-want +got); UPDATE_GOLDEN=1 accepts it:\n%s", diff)
			}
			for _, failure := range got.Failures() {
				t.Error(failure)
			}
			if diff := cmp.Diff(got.Text, playScript(t, script, true).Text); diff != "" {
				t.Errorf("restarts from snapshots change what the scorer says (-without +with):\n%s", diff)
			}
		})
	}
}

func playScript(t *testing.T, s *scenario.Script, restarts bool) *scenario.Outcome {
	t.Helper()
	o, err := scenario.Play(s, scenario.Options{
		NewPair: func() (*scorer.Pair, error) {
			return scorer.NewPair(scorer.Options{Model: model.Default(), OfflineClock: true})
		},
		Restarts: restarts,
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}
