package main

import (
	"testing"

	"github.com/vigil-gateway/vigil/scorer/evidence"
)

// TestEverySignalIsExplained leaves no question about a signal without an answer.
func TestEverySignalIsExplained(t *testing.T) {
	rows := signalRows()
	if len(rows) != evidence.Count {
		t.Fatalf("%d of %d signals", len(rows), evidence.Count)
	}
	for _, r := range rows {
		t.Run(r.ID, func(t *testing.T) {
			if r.Max <= 0 || r.Group == "" || r.Ceiling == "" {
				t.Errorf("range %g of group %q up to %q", r.Max, r.Group, r.Ceiling)
			}
			if r.Technique == "" || r.Needs == "" || r.Formula == "" || r.Source == "" || r.Innocent == "" {
				t.Errorf("technique %q, needs %q, formula %q, source %q, innocent %q", r.Technique, r.Needs, r.Formula, r.Source, r.Innocent)
			}
		})
	}
}
