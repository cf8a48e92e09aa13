package ingest_test

import (
	"strconv"
	"testing"

	"github.com/vigil-gateway/vigil/schemas/topic"
)

// Assessments that the broker does not take hold no verdict up, and none is missing
// once it takes them again.
func TestAVerdictDoesNotWaitForAssessments(t *testing.T) {
	r, lose := newFaulty(t)
	a := r.start(t.TempDir())
	n := 0
	send := func(path string) {
		r.send(1, request(n, "ann"+strconv.Itoa(n), path))
		n++
		eventually(t, "it is scored", func() bool { s := a.Status(); return len(s) == partitions && s[1].Next == int64(n) })
	}
	send("/")
	eventually(t, "it is assessed", func() bool { return len(r.assessments(1)) == 1 })
	lose.Store(behind)
	for range 5 { // Each a read of its own.
		send("/")
	}
	send("/steal")
	eventually(t, "the verdict is there", func() bool {
		for _, m := range r.read(topic.Verdicts, 1) {
			msg, err := r.keys.Open(m.Value)
			if err == nil && msg.Verdict.GetCause().GetEventId() == "e"+strconv.Itoa(n-1) {
				return true
			}
		}
		return false
	})
	if got := len(r.assessments(1)); got != 1 {
		t.Errorf("%d assessments are there, and the broker has taken one", got)
	}
	lose.Store(nothing)
	eventually(t, "all are assessed", func() bool { return len(r.assessments(1)) == n })
}
