package announce_test

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// BenchmarkAdopt takes a partition over in which 5,000 verdicts stand.
func BenchmarkAdopt(b *testing.B) {
	const n = 5_000
	r := newRig(b)
	var records []announce.Record
	for i := range n {
		f := r.finding(int64(i), verdict.TargetSession, fmt.Sprint("s", i), verdict.ActionRevoke, 0).Proposal
		record, err := r.analyzer.Verdict(&verdict.Verdict{
			Id: f.ID, Tenant: f.Tenant, Target: f.Target, Action: f.Action, Epoch: 1, Seq: uint64(i + 1), Authority: verdict.AuthoritySubject, Kid: "a",
			Time: timestamppb.Now(), Until: timestamppb.New(f.Until),
		})
		if err != nil {
			b.Fatal(err)
		}
		records = append(records, announce.Record{Key: topic.VerdictKey(f.Tenant, f.Target.Kind, f.Target.Id, verdict.AuthoritySubject), Value: record})
	}
	err := r.writer.Write(b.Context(), topic.Verdicts, 0, records...)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		r.adopt(r.announcer(60), 0)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/verdict")
}
