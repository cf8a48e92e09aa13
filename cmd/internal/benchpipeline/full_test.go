//go:build bench

package benchpipeline_test

import (
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"github.com/vigil-gateway/vigil/cmd/internal/benchpipeline"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
)

// TestCostOfThePipeline prints what "make bench-pipeline" is asked for.
func TestCostOfThePipeline(t *testing.T) {
	library, err := olaptest.Library()
	if err != nil {
		t.Fatal(err)
	}
	r, err := benchpipeline.Measure(t.Context(), benchpipeline.Options{
		Library: library, Events: setting(t, "EVENTS", 200_000), Warmup: setting(t, "WARMUP", 300_000),
		Subjects: setting(t, "SUBJECTS", 1000), Rounds: setting(t, "ROUNDS", 3),
	})
	if err != nil {
		t.Fatal(err)
	}
	err = r.Print(t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if name := os.Getenv("JSON"); name != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err == nil {
			err = os.WriteFile(name, append(text, '\n'), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// setting is an environment variable, or what the full size needs.
func setting(t *testing.T, name string, full int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return full
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
