package scorer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/scorer"
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
	for i, file := range files {
		if raceEnabled && i%16 != 0 {
			continue // Ten times slower, and nothing here is concurrent.
		}
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

// TestInnocentTraps holds the set to what a security analyst would look for: half of
// the stories, at least thirty, are innocent, and these traps are among them.
func TestInnocentTraps(t *testing.T) {
	all, err := filepath.Glob("../testdata/scenarios/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	innocent, err := filepath.Glob("../testdata/scenarios/ok-*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(innocent) < 30 || 2*len(innocent) < len(all) {
		t.Errorf("%d of %d stories are innocent, want half", len(innocent), len(all))
	}
	for _, trap := range []string{
		"marathon-traveller", "office-nat", "phone-swap", "password-manager-retry-storm", "deploy-robot", "on-call-at-three",
		"carrier-nat", "captive-portal-clock",
	} {
		b, err := os.ReadFile("../testdata/scenarios/ok-" + trap + ".txt")
		if err != nil {
			t.Error(err)
			continue
		}
		// Whoever falls into a trap may be slowed down or asked, never sent away.
		if s := string(b); !strings.HasPrefix(s, "# Innocent") || strings.Contains(s, " revoke") || strings.Contains(s, " block") {
			t.Errorf("%s: is no innocent story that ends well", trap)
		}
	}
}

func playScript(t *testing.T, s *scenario.Script, restarts bool) *scenario.Outcome {
	t.Helper()
	o, err := scenario.Play(s, scenario.Options{
		NewPair: func() (*scorer.Pair, error) {
			return scorer.NewPair(scorer.Options{Model: shipped, OfflineClock: true})
		},
		Restarts: restarts,
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}
