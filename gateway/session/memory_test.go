package session_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// verdictBytesMax is what a verdict of the analyzer that meets nobody may take.
const verdictBytesMax = 320

// A gateway holds hundreds of thousands of verdicts: each has to be small.
func TestManyVerdictsAreSmall(t *testing.T) {
	n := 200_000
	if testing.Short() {
		n = 50_000
	}
	tab := newTable(t, session.DefaultConfig(), nil)
	before := heap()
	for i := range n {
		id := fmt.Sprintf("0197b0f4-7a3c-7d20-9f11-%012d", i)
		tab.Apply(says(1, verdict.ActionRevoke, verdict.TargetSession, fmt.Sprintf("vg1:session:%032d", i), func(v *verdict.Verdict) {
			v.Id, v.Score, v.Origin, v.Model = id, 11.5, "model", "sha256:0123456789abcdef"
			v.PublicText, v.OperatorText = "Unusual activity was seen. Please sign in again.", "impossible travel, 4,200 km in 3 min"
			v.SupportCode, v.Subject = "VG-"+id[24:], fmt.Sprintf("vg1:subject:%032d", i)
			v.Cause = &verdict.Cause{
				EventId: id, Topic: "vigil.requests", Partition: 3, Offset: int64(i), EventTime: timestamppb.New(t0.Add(-time.Second)),
				Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
			}
			v.Evidence = []*verdict.Evidence{{Text: "a page of reasons that the gateway has no use for"}}
		}), t0)
	}
	if each := (heap() - before) / int64(n); each > verdictBytesMax {
		t.Errorf("a verdict takes %d B, more than %d", each, verdictBytesMax)
	} else {
		t.Logf("%d B each", each)
	}
	if tab.Verdicts() != n {
		t.Errorf("%d verdicts are held, want %d", tab.Verdicts(), n)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
