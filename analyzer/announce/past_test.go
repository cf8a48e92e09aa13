package announce_test

import (
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// After the number of partitions was raised a target is judged in a new one. What is
// said there is later than what was said before, so that gateways take it, and a weaker
// word does not replace a stronger one.
func TestATargetThatHasMovedGoesOnWhereItWas(t *testing.T) {
	for _, stage := range []struct {
		name, kind string
		announce.Stage
	}{
		{"the subject stage", verdict.TargetSession, announce.SubjectStage()},
		{"the facet stage", verdict.TargetClient, announce.FacetStage()},
	} {
		t.Run(stage.name, func(t *testing.T) {
			r := newRig(t)
			adopt := func(partition int) *announce.Partition {
				p, err := r.announcer(60).Adopt(t.Context(), stage.Stage, partition, "", 1<<40)
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			for range 3 {
				adopt(0)
			}
			old := adopt(0)
			r.announce(old, r.finding(50, stage.kind, "stays", verdict.ActionRevoke, 0), r.finding(51, stage.kind, "rises", verdict.ActionThrottle, 0))
			before, _ := r.said(0)
			moved := adopt(2)
			r.announce(moved, r.finding(5, stage.kind, "stays", verdict.ActionThrottle, 0), r.finding(6, stage.kind, "rises", verdict.ActionRevoke, 0))
			after, _ := r.said(2)
			if len(before) != 2 || len(after) != 1 || after[0].Target.Id != "rises" || after[0].Action != verdict.ActionRevoke {
				t.Fatalf("said after the move: %v, want the revoke alone", after)
			}
			if !verdict.Later(after[0].Epoch, after[0].Seq, before[1].Epoch, before[1].Seq) {
				t.Errorf("the revoke is %d.%d, which gateways refuse after %d.%d", after[0].Epoch, after[0].Seq, before[1].Epoch, before[1].Seq)
			}
			// What lapses there makes room for the weaker word here.
			r.clock.Add(int64(2 * time.Hour))
			r.announce(moved, r.finding(7, stage.kind, "stays", verdict.ActionThrottle, 0))
			after, _ = r.said(2)
			if len(after) != 2 {
				t.Errorf("%d verdicts after the old one has lapsed, want 2", len(after))
			}
		})
	}
}
