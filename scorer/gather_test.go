package scorer_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/budget"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// TestDaysCutByAVerdictAreMarked lets one person be refused by a verdict and another by
// the application, on one whole day.
func TestDaysCutByAVerdictAreMarked(t *testing.T) {
	gather := budget.NewCollector(8)
	e, err := scorer.New(scorer.Options{Model: model.Default(), OfflineClock: true, Gather: gather})
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC)
	for i, hour := range []int{0, 12, 23} {
		for subject, reason := range map[string]string{"slowed": "throttled", "forbidden": "insufficient_scope"} {
			ev := &event.RequestEvent{
				Kind: event.KindRequest, Time: timestamppb.New(day.Add(time.Duration(hour)*time.Hour + time.Minute)), Tenant: "t",
				Subject: subject, SubjectKind: event.SubjectHuman, Session: "s-" + subject, Method: "GET", Path: "/a", Status: 200, Decision: event.DecisionPermit,
			}
			if i == 1 {
				ev.Decision, ev.Status, ev.Reason = event.DecisionDeny, 403, reason
			}
			e.Assess(scorer.Record{Event: ev})
		}
	}
	gather.Close()
	kind := gather.Kinds()[event.SubjectHuman]
	cut := 0
	for _, m := range kind.Rungs[0].Maxima {
		if m.Cut {
			cut++
		}
	}
	if kind.Days != 2 || cut != 1 {
		t.Errorf("%d days, %d of them cut short, want 2 and 1", kind.Days, cut)
	}
}
