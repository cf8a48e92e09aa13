package benchpipeline_test

import (
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/cmd/internal/benchpipeline"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
)

// TestASmallMeasurementHasEveryStage keeps the measurement itself working; it
// asserts nothing about times, which are the machine's.
func TestASmallMeasurementHasEveryStage(t *testing.T) {
	library, err := olaptest.Library()
	if err != nil {
		t.Fatal(err)
	}
	r, err := benchpipeline.Measure(t.Context(), benchpipeline.Options{Library: library, Events: 2000, Warmup: 2000, Subjects: 100, Rounds: 1})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	err = r.Print(&text)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + text.String())
	want := []string{"bare client produce", "bare client fetch", "scoring path verify seals", "scoring path decode event", "scoring path the whole", "scoring path facet stage", "storing path the whole"}
	for _, s := range r.Stages {
		if len(want) > 0 && strings.HasPrefix(s.Of+" "+s.Name, want[0]) {
			want = want[1:]
		}
		if s.CPU <= 0 || s.Allocations <= 0 {
			t.Errorf("%s, %s: %.0f ns and %.1f allocations for each event", s.Of, s.Name, s.CPU, s.Allocations)
		}
	}
	if len(want) > 0 {
		t.Errorf("no stage %q", want[0])
	}
	if n := len(r.Scale); n != 3 || r.Scale[2].Partitions <= r.Scale[0].Partitions {
		t.Errorf("%d rates, partitions do not grow with them: %+v", n, r.Scale)
	}
}
