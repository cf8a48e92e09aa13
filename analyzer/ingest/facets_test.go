package ingest_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/facet"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	second "github.com/vigil-gateway/vigil/scorer/facet"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// facetStage makes an ingest that of the second stage.
func facetStage(o *ingest.Options) {
	o.Stage, o.Config.Group = announce.FacetStage(), "facets"
	o.Model = model.Default().WithMode(model.ModeEnforce)
	o.NewEngine = func(m *model.Model) (ingest.Engine, error) { return second.New(m) }
}

func subjectStage(o *ingest.Options) {
	o.NewEngine, o.Model = realEngine, model.Default().WithMode(model.ModeEnforce)
}

// spray is the n-th try of machines of one /24, each of them once.
func spray(n int, at time.Time) *event.RequestEvent {
	return &event.RequestEvent{
		Kind: event.KindRequest, Phase: event.PhaseComplete, Id: fmt.Sprint("try", n), Time: timestamppb.New(at), Tenant: "default",
		Method: "POST", Path: "/login", Route: "login", Status: 401, AuthOutcome: event.AuthFailure, Account: fmt.Sprint("account", n),
		Address: fmt.Sprintf("203.0.113.%d", n), Asn: 64500,
	}
}

// facetVerdicts are the verdicts of the facet stage about a /24, in their order.
func (r *rig) facetVerdicts() []*verdict.Verdict {
	r.t.Helper()
	var out []*verdict.Verdict
	for p := range partitions {
		for _, m := range r.read(topic.Verdicts, p) {
			msg, err := r.keys.Open(m.Value)
			if err != nil {
				r.t.Fatal(err)
			}
			if msg.Verdict != nil && msg.Verdict.Target.Kind == verdict.TargetPrefix {
				out = append(out, msg.Verdict)
			}
		}
	}
	return out
}

// TestFacetsAreJudgedAcrossPartitions lets both stages run and the second one
// die in the middle: no partition sees more than a part of the spraying, and the
// prefix is blocked once.
func TestFacetsAreJudgedAcrossPartitions(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	r.start(t.TempDir(), subjectStage)
	facets := r.start(dir, facetStage)
	const tries = 24
	begin := time.Now().Add(-40 * time.Second)
	for i := range tries {
		if i == tries/2 {
			eventually(t, "cuts are judged", func() bool { return len(r.facetVerdicts()) > 0 || r.cuts() >= tries/2 })
			facets.stop()
			facets = r.start(dir, facetStage)
		}
		r.send(i%partitions, spray(i, begin.Add(time.Duration(i)*1500*time.Millisecond)))
	}
	eventually(t, "the prefix is blocked", func() bool {
		list := r.facetVerdicts()
		return len(list) > 0 && list[len(list)-1].Action == verdict.ActionBlock
	})
	seen := map[string]int{}
	for _, v := range r.facetVerdicts() {
		seen[v.Action]++
		if v.Authority != verdict.AuthorityFacet || v.Target.Id != "203.0.113.0/24" || v.Cause.Topic != topic.Facets {
			t.Errorf("verdict %v", v)
		}
	}
	if seen[verdict.ActionThrottle] != 1 || seen[verdict.ActionBlock] != 1 {
		t.Errorf("verdicts by action: %v, want one throttle and one block", seen)
	}
	eventually(t, "assessments of the prefix are written", func() bool { return r.facetAssessments() > 0 })
}

// TestFacetsOfATopicThatBeginsAgainAreJudged deletes vigil.requests, in which much
// has happened, and makes it anew: what the second stage has taken of the old one
// hides nothing of the new one, whose offsets begin anew.
func TestFacetsOfATopicThatBeginsAgainAreJudged(t *testing.T) {
	r := newRig(t)
	r.start("", facetStage)
	requests := r.start("", subjectStage)
	begin := time.Now().Add(-10 * time.Minute)
	const busy = 100 // Honest sign-ins, in each partition.
	for i := range busy {
		for p := range partitions {
			ev := spray(i, begin.Add(time.Duration(i)*2*time.Second))
			ev.Status, ev.AuthOutcome, ev.Address = 200, event.AuthSuccess, fmt.Sprintf("192.0.%d.%d", i, p)
			r.send(p, ev)
		}
	}
	eventually(t, "cuts of the old topic", func() bool { return r.cuts() >= (busy-5)*partitions })
	requests.stop()
	r.remake()
	r.start("", subjectStage)
	begin = time.Now().Add(-40 * time.Second)
	for i := range 24 {
		r.send(i%partitions, spray(i, begin.Add(time.Duration(i)*1500*time.Millisecond)))
	}
	eventually(t, "the prefix is blocked", func() bool {
		list := r.facetVerdicts()
		return len(list) > 0 && list[len(list)-1].Action == verdict.ActionBlock
	})
}

// cuts is how many cuts stand in vigil.facets; all must decode, in one partition.
func (r *rig) cuts() int {
	r.t.Helper()
	n, filled := 0, 0
	for p := range partitions {
		list := r.read(topic.Facets, p)
		if len(list) > 0 {
			filled++
		}
		for _, m := range list {
			_, err := facet.Decode(m.Value)
			if err != nil {
				r.t.Error(err)
			}
			n++
		}
	}
	if filled > 1 {
		r.t.Errorf("one tenant's cuts stand in %d partitions", filled)
	}
	return n
}

func (r *rig) facetAssessments() int {
	r.t.Helper()
	n := 0
	for p := range partitions {
		for _, m := range r.read(topic.Assessments, p) {
			if string(m.Key) == string(topic.SourceKey(topic.Facets, p)) {
				n++
			}
		}
	}
	return n
}

// TestEachStageHasItsOwnTargets asks every kind of target for its one writer.
func TestEachStageHasItsOwnTargets(t *testing.T) {
	for _, kind := range verdict.TargetKinds() {
		if announce.SubjectStage().Owns(kind) == announce.FacetStage().Owns(kind) {
			t.Errorf("%s has two writers or none", kind)
		}
	}
}
