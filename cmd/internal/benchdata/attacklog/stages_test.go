package attacklog_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/cmd/internal/benchdata/attacklog"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// TestNeighboursAreFoundTogether sprays one password a name and address over a /24,
// which shows to nobody but the second stage, not even at the end of the log.
func TestNeighboursAreFoundTogether(t *testing.T) {
	stages, err := attacklog.NewStages(model.Default())
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, time.March, 2, 8, 0, 0, 0, time.UTC)
	var events []*event.RequestEvent
	for i := range 40 {
		e := &event.RequestEvent{
			Kind: event.KindRequest, Phase: event.PhaseComplete, Time: timestamppb.New(start.Add(time.Duration(20*i) * time.Millisecond)), Tenant: "default",
			Address: fmt.Sprintf("203.0.113.%d", i+1), Account: fmt.Sprint("name-", i), AuthOutcome: event.AuthFailure,
			Method: "POST", Path: "/login", Status: 401, UserAgent: "curl/8.5.0",
		}
		events = append(events, e)
		if f := stages.Assess(e); f.Acted {
			t.Fatalf("within the first second attempt %d is acted on: %+v", i+1, f)
		}
	}
	for i, f := range stages.End(events) {
		if !f.Acted || !f.ByFacet {
			t.Fatalf("after the last line nothing holds against %s: %+v", events[i].GetAddress(), f)
		}
	}
	elsewhere := &event.RequestEvent{Time: timestamppb.New(start), Tenant: "default", Address: "198.51.100.7", Path: "/"}
	if f := stages.End([]*event.RequestEvent{elsewhere})[0]; f.Acted {
		t.Errorf("somebody in another network is acted on: %+v", f)
	}
}
