package ingest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/vigil-gateway/vigil/scorer"
)

// limited is an engine of which only what its limits cost is asked.
type limited struct {
	Engine
	stats scorer.Stats
}

func (l *limited) Stats() scorer.Stats { return l.stats }

// TestLimitsAreCounted follows an engine that was taken over, counts on, is restored
// and goes to another owner.
func TestLimitsAreCounted(t *testing.T) {
	reader := sdk.NewManualReader()
	x, err := newMetrics(sdk.NewMeterProvider(sdk.WithReader(reader)).Meter("test"))
	if err != nil {
		t.Fatal(err)
	}
	e := &limited{stats: scorer.Stats{Evicted: 100, Sessions: 7}}
	var b bounds
	b.begin(e)
	steps := []struct {
		stats scorer.Stats
		leave bool
		want  map[string]int64
	}{
		{scorer.Stats{Evicted: 103, Undetected: 4, Sessions: 9, Subjects: 2}, false, map[string]int64{"entities": 3, "detectors": 4, "session": 9, "subject": 2}},
		{scorer.Stats{Evicted: 1, Undetected: 4, RulesMissed: 2, EpochsMissed: 1, Late: 3, Sessions: 5, Subjects: 2}, false, map[string]int64{"entities": 4, "detectors": 4, "rules": 2, "epochs": 1, "lateness": 3, "session": 5, "subject": 2}},
		{scorer.Stats{}, true, map[string]int64{"entities": 4, "detectors": 4, "rules": 2, "epochs": 1, "lateness": 3, "session": 0, "subject": 0}},
	}
	for i, s := range steps {
		e.stats = s.stats
		if s.leave {
			b.leave(t.Context(), x)
		} else {
			b.count(t.Context(), e, x)
		}
		var data metricdata.ResourceMetrics
		err := reader.Collect(t.Context(), &data)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]int64)
		for _, scope := range data.ScopeMetrics {
			for _, m := range scope.Metrics {
				sum, ok := m.Data.(metricdata.Sum[int64])
				if !ok {
					continue
				}
				for _, p := range sum.DataPoints {
					for _, kv := range p.Attributes.ToSlice() {
						got[kv.Value.AsString()] += p.Value
					}
				}
			}
		}
		if diff := cmp.Diff(s.want, got); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", i, diff)
		}
	}
}
