package event_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/vigil-gateway/vigil/schemas/event"
)

func TestPositions(t *testing.T) {
	type step struct {
		first, last uint64
		duplicate   bool
		missing     uint64
	}
	tests := map[string][]step{
		"dense":                               {{1, 1, false, 0}, {2, 2, false, 0}, {3, 3, false, 0}},
		"a resent batch":                      {{1, 1, false, 0}, {2, 2, false, 0}, {1, 1, true, 0}, {2, 2, true, 0}, {3, 3, false, 0}},
		"a gap in front":                      {{3, 3, false, 2}},
		"a gap":                               {{1, 1, false, 0}, {5, 5, false, 3}},
		"a tombstone fills a gap":             {{1, 1, false, 0}, {2, 9, false, 0}, {10, 10, false, 0}},
		"a tombstone twice":                   {{1, 4, false, 0}, {1, 4, true, 0}},
		"a tombstone that overlaps":           {{1, 4, false, 0}, {3, 6, false, 0}, {7, 7, false, 0}},
		"a range that ends before it begins":  {{5, 2, false, 4}, {5, 5, true, 0}, {6, 6, false, 0}},
		"lines of a file, which have no seq":  {{0, 0, false, 0}, {0, 0, false, 0}},
		"the largest number there is, a liar": {{^uint64(0), ^uint64(0), false, ^uint64(0) - 1}, {1, 1, true, 0}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			var p event.Positions
			for i, s := range steps {
				duplicate, missing := p.Observe(event.Lane{Gateway: "g", Epoch: 1}, s.first, s.last)
				if duplicate != s.duplicate || missing != s.missing {
					t.Fatalf("step %d: Observe(%d, %d) = %v, %d; want %v, %d", i, s.first, s.last, duplicate, missing, s.duplicate, s.missing)
				}
			}
		})
	}
}

func TestPositionsForgetTheOldestEpochFirst(t *testing.T) {
	var p event.Positions
	for epoch := range uint64(event.LanesMax) {
		p.Observe(event.Lane{Gateway: "g", Epoch: epoch + 1}, 1, 1)
	}
	p.Observe(event.Lane{Gateway: "g", Epoch: event.LanesMax + 1}, 1, 1)
	if p.Last(event.Lane{Gateway: "g", Epoch: 1}) != 0 || p.Last(event.Lane{Gateway: "g", Epoch: 2}) != 1 {
		t.Error("not the oldest epoch made room")
	}
	n := 0
	for range p.All {
		n++
	}
	if n != event.LanesMax {
		t.Errorf("%d lanes are remembered, want %d", n, event.LanesMax)
	}
}

func TestPositionsSurviveASnapshot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var live, restored event.Positions
		lanes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event.Lane {
			return event.Lane{
				Gateway: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "gateway"),
				Epoch:   rapid.Uint64Range(1, 3).Draw(t, "epoch"), Lane: rapid.Uint32Range(0, 2).Draw(t, "lane"),
			}
		}), 0, 40).Draw(t, "lanes")
		for _, l := range lanes {
			first := rapid.Uint64Range(1, 9).Draw(t, "first")
			live.Observe(l, first, first)
		}
		var before, after []uint64
		for l, last := range live.All {
			restored.Set(l, last)
			before = append(before, last)
		}
		for _, last := range restored.All {
			after = append(after, last)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatalf("positions (-want +got):\n%s", diff)
		}
	})
}
