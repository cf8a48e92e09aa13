package facet

import (
	"testing"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
)

// TestWhatIsNamedAlreadyIsNotNamedAgain notes the pages of one visitor: the name of
// his network has been made, so nothing is allocated.
func TestWhatIsNamedAlreadyIsNotNamedAgain(t *testing.T) {
	var names evidence.Names
	c := NewCollector()
	x := &evidence.Context{
		Event:   &event.RequestEvent{Phase: event.PhaseComplete, Status: 200, Path: "/", Address: "2001:db8:1:2::3", Tenant: "t"},
		Session: &entity.Session{Scan: &entity.Scan{}},
	}
	c.Note(x, &names, nil)
	got := testing.AllocsPerRun(100, func() { c.Note(x, &names, nil) })
	if got != 0 {
		t.Errorf("%g allocations for an event whose facets are known, want none", got)
	}
	if len(c.open) != 1 || len(c.open[0].deltas) != 1 || c.open[0].deltas[0].Found < 100 {
		t.Errorf("noted %v, want the pages found", c.open)
	}
}
