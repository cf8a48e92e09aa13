package event_test

import (
	"strconv"
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

// A producer that invents lanes, of whatever epochs, pushes out its own alone.
func TestLanesThatAreInventedPushOutTheirInventorsAlone(t *testing.T) {
	var p event.Positions
	honest := event.Lane{Gateway: "honest", Epoch: 7}
	p.Observe(honest, 1, 41)
	for n := range uint64(2 * event.LanesMax) {
		p.Observe(event.Lane{Gateway: "liar", Epoch: 1<<62 + n}, 1, 1)
	}
	if duplicate, missing := p.Observe(honest, 41, 41); !duplicate || missing != 0 {
		t.Errorf("a repeat of the honest gateway: duplicate %v, %d missing; want a duplicate", duplicate, missing)
	}
	if _, missing := p.Observe(honest, 44, 44); missing != 2 {
		t.Errorf("%d numbers of the honest gateway are missing, want 2", missing)
	}
	n := 0
	for range p.All {
		n++
	}
	if n != event.GatewayLanesMax+1 {
		t.Errorf("%d lanes are remembered, want %d", n, event.GatewayLanesMax+1)
	}
}

func TestTheLaneThatWasHeardLeastRecentlyMakesRoom(t *testing.T) {
	lane := func(n int) event.Lane { return event.Lane{Gateway: "g" + strconv.Itoa(n), Epoch: uint64(n) + 1} }
	var p event.Positions
	for n := range event.LanesMax {
		p.Observe(lane(n), 1, 1)
	}
	p.Observe(lane(0), 2, 2)
	p.Observe(lane(event.LanesMax), 1, 1)
	if p.Last(lane(0)) != 2 || p.Last(lane(1)) != 0 || p.Last(lane(2)) != 1 {
		t.Error("not the lane that was heard least recently made room")
	}
	var restored event.Positions
	for l, last := range p.Heard {
		restored.Set(l, last)
	}
	restored.Observe(lane(event.LanesMax+1), 1, 1)
	if restored.Last(lane(2)) != 0 || restored.Last(lane(3)) != 1 || restored.Last(lane(0)) != 2 {
		t.Error("after a restart another lane makes room")
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
