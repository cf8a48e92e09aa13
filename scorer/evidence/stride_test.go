package evidence_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

// TestRunsAtOneStride lets people with ordinary days of eight ids in no order, in
// which no more than three follow one another, read ids in a row.
func TestRunsAtOneStride(t *testing.T) {
	row := func(ids ...int) []int { return ids }
	tests := map[string]struct {
		runs        int // The subject's own, as a rule.
		kind        string
		ids         []int
		least, most float64
		strong      bool
	}{
		"thirteen in a row":                          {runs: 3, ids: row(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13), least: 8.5, most: 10},
		"other ids come between":                     {runs: 3, ids: row(1, 2, 3, 4, 900, 5, 6, 7, 8, 400, 9, 10, 11, 12, 700, 13), least: 8.5, most: 10},
		"ten in a row":                               {runs: 3, ids: row(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), least: 5.9, most: 6.1},
		"thirteen of who reads twelve every day":     {runs: 12, ids: row(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13), most: 5},
		"thirteen with gaps":                         {runs: 3, ids: row(1, 2, 4, 5, 8, 9, 11, 12, 15, 17, 18, 20, 21), most: 5, strong: true},
		"two short runs are no long one":             {runs: 3, ids: row(1, 2, 3, 4, 5, 6, 900, 901, 902, 903, 904, 905), most: 3},
		"a program reads lists for a living":         {runs: 3, kind: event.SubjectService, ids: row(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13), most: 5, strong: true},
		"forty in a row ask for a proof, no more":    {runs: 3, ids: upTo(40), least: 9.9, most: 10.1},
		"a hundred in a row are a walk by any means": {runs: 3, ids: upTo(4000), least: 10, most: 20, strong: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(false)
			w.subject.Runs, w.tenant.Subjects.Runs = profile.Numeric{}, profile.Numeric{}
			for range 30 {
				w.subject.Runs.Add(profile.Bucket(8), 1)
				w.tenant.Subjects.Runs.Add(profile.Bucket(8), 10)
				w.subject.Strides.Add(profile.Bucket(entity.StrideOdds(tt.runs)), 1)
				w.tenant.Subjects.Strides.Add(profile.Bucket(entity.StrideOdds(3)), 10)
			}
			var last evidence.Finding
			for _, id := range tt.ids {
				last = w.see(step{20 * time.Second, with(resource(fmt.Sprint(id), 200), func(e *event.RequestEvent) { e.SubjectKind = tt.kind })})[evidence.SequentialIDs]
			}
			if last.Nats < tt.least || last.Nats > tt.most {
				t.Errorf("says %.2f nats, want %g to %g", last.Nats, tt.least, tt.most)
			}
			if last.Nats > 0 && last.Strong != tt.strong {
				t.Errorf("supports more than a proof: %v, want %v", last.Strong, tt.strong)
			}
		})
	}
}

// upTo counts from 1.
func upTo(n int) []int {
	var ids []int
	for i := range n {
		ids = append(ids, i+1)
	}
	return ids
}
