package facet

import (
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	schema "github.com/vigil-gateway/vigil/schemas/facet"
	"github.com/vigil-gateway/vigil/schemas/verdict"
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
	if len(c.open) != 1 || len(c.open[0].deltas) != 1 || c.open[0].deltas[0].GetFound() < 100 {
		t.Errorf("noted %v, want the pages found", c.open)
	}
}

// TestFacetsThatComeAgainCostNothing cuts range after range, with what differs from
// one to the next: once its memory has grown, a collector allocates nothing.
func TestFacetsThatComeAgainCostNothing(t *testing.T) {
	var names evidence.Names
	c := NewCollector()
	now, offset := int64(0), int64(0)
	visit := func() {
		for i := range 40 {
			x := &evidence.Context{
				Event: &events[i%len(events)], Network: "AS64500",
				Session: &entity.Session{}, Tenant: &entity.Tenant{}, Now: now,
			}
			x.Event.Account = accounts[(int(offset)+i)%len(accounts)]
			c.Note(x, &names, nil)
		}
		now += int64(CutEvery)
		offset += 40
		for _, cut := range c.Cut("t", 1, offset, now) {
			if len(cut.GetDeltas()) < 3 || cut.GetLastOffset() != offset || cut.GetTime().AsTime().UnixNano() != now {
				t.Errorf("cut %v", cut)
			}
		}
	}
	for range 20 {
		visit()
	}
	got := testing.AllocsPerRun(50, visit)
	if got != 0 {
		t.Errorf("%g allocations for a range of facets that were shown before, want none", got)
	}
}

// TestFacetsThatNeverComeAgainAreDropped shows ever new accounts.
func TestFacetsThatNeverComeAgainAreDropped(t *testing.T) {
	var names evidence.Names
	c := NewCollector()
	for i := range 3 * keptMax {
		x := &evidence.Context{
			Event:   &event.RequestEvent{AuthOutcome: event.AuthFailure, Account: strconv.Itoa(i), Id: strconv.Itoa(i), Address: "192.0.2.1", Tenant: "t"},
			Network: "AS64500", Session: &entity.Session{}, Tenant: &entity.Tenant{},
		}
		c.Note(x, &names, nil)
		for _, cut := range c.Cut("t", 1, int64(i), int64(i)) {
			for _, d := range cut.GetDeltas() {
				if own := d.GetKind() == verdict.TargetAccount; own && (d.GetFailures() != 1 || len(d.GetFailed()) != 1) || d.GetId() == "" && d.GetKind() != schema.KindTenant {
					t.Fatalf("delta %v holds more than its range", d)
				}
			}
		}
	}
	if len(c.kept) > keptMax+CutEvents || len(c.spare) > keptMax {
		t.Errorf("%d facets are kept and %d spare, want at most %d", len(c.kept), len(c.spare), keptMax)
	}
}

var (
	accounts = []string{"a", "b", "c", "d", "e", "f", "g"}
	events   = []event.RequestEvent{
		{AuthOutcome: event.AuthFailure, Id: "1", Address: "192.0.2.1", Tenant: "t", Ja4: "j", Asn: 64500, Time: timestamppb.New(time.Unix(9, 9))},
		{AuthOutcome: event.AuthSuccess, Id: "2", Address: "198.51.100.1", Tenant: "u", ClientId: "c", Time: timestamppb.New(time.Unix(9, 9))},
		{Phase: event.PhaseComplete, Status: 404, Id: "3", Address: "203.0.113.1", Path: "/p", Tenant: "t", Time: timestamppb.New(time.Unix(9, 9))},
	}
)

// TestCutsThatAreKeptStayAsTheyAre lets a facet be blamed again after a cut.
func TestCutsThatAreKeptStayAsTheyAre(t *testing.T) {
	var names evidence.Names
	c := NewCollector()
	blamed := func(id string) *schema.FacetCut {
		c.Note(&evidence.Context{
			Event:   &event.RequestEvent{AuthOutcome: event.AuthFailure, Account: "a", Id: id, Address: "192.0.2.1", Tenant: "t"},
			Network: "AS64500", Session: &entity.Session{}, Tenant: &entity.Tenant{},
		}, &names, nil)
		return CloneCut(c.Cut("t", 1, 1, int64(CutEvery)*int64(id[0]))[0])
	}
	first := blamed("1")
	blamed("2")
	for _, d := range first.GetDeltas() {
		if d.GetCause() != "1" {
			t.Errorf("the cause of %s %q is %q, want that of its own range", d.GetKind(), d.GetId(), d.GetCause())
		}
	}
}
