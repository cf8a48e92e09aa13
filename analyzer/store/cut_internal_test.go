package store

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// Where reading began behind the topic's start, a lane of an older life may have begun
// before it; that outlasts a restart.
func TestLanesThatMayHaveBegunBeforeTheReading(t *testing.T) {
	began := time.Unix(1_800_000_000, 0)
	m := newMemory(nil)
	if m.whole(1 << 60) {
		t.Error("who knows of nothing takes a lane for whole")
	}
	m.from = 0
	if !m.whole(7) {
		t.Error("from the topic's start on, a lane is not taken for whole")
	}
	m.from = began.UnixNano()
	c := newCut("t", 0, 1, 2, began, m)
	again := newMemory(&c)
	older, later := uint64(began.Add(-time.Hour).UnixNano()), uint64(began.Add(time.Hour).UnixNano())
	if again.whole(older) || !again.whole(later) {
		t.Errorf("whole: an older life %t, a later one %t; want the later one alone", again.whole(older), again.whole(later))
	}
}

// What the record of a cut has no room for is not remembered by its author either:
// whoever does the cut again would decide otherwise.
func TestACutIsDoneWithWhatItsRecordSays(t *testing.T) {
	m := newMemory(nil)
	m.from = 0
	for gateway := range 200 {
		for lane := range uint32(40) {
			m.lanes.Observe(event.Lane{Gateway: strings.Repeat("g", 100) + strconv.Itoa(gateway), Epoch: 1 << 60, Lane: lane}, 1, 1)
		}
	}
	c := newCut("t", 0, 1, 2, time.Unix(1_800_000_000, 0), m)
	b, err := c.encode()
	if err != nil || len(b) > CutBytesMax {
		t.Fatalf("encode() = %d B, %v", len(b), err)
	}
	var declared cut
	err = json.Unmarshal(b, &declared)
	if err != nil {
		t.Fatal(err)
	}
	if !c.short(declared) || declared.short(declared) {
		t.Errorf("%d lanes of %d are declared, and nobody minds", len(declared.Lanes), len(c.Lanes))
	}
	if newMemory(&declared).whole(1 << 60) {
		t.Error("a lane that was left out is taken for one that begins")
	}
}
