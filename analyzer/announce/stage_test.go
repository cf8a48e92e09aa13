package announce_test

import (
	"testing"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

func (r *rig) adoptFacets(a *announce.Announcer, partition int) *announce.Partition {
	r.t.Helper()
	p, err := a.Adopt(r.t.Context(), announce.FacetStage(), partition, "", 1<<40)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// TestStagesShareAPartition lets both stages write to one partition: neither
// says what is the other's, nor takes its epochs.
func TestStagesShareAPartition(t *testing.T) {
	r := newRig(t)
	a := r.announcer(60)
	subjects, facets := r.adopt(a, 0), r.adoptFacets(a, 0)
	r.announce(subjects, r.finding(5, verdict.TargetSession, "s", verdict.ActionRevoke, 0))
	r.announce(subjects, r.finding(6, verdict.TargetPrefix, "192.0.2.0/24", verdict.ActionBlock, 0))
	r.announce(facets, r.finding(5, verdict.TargetPrefix, "198.51.100.0/24", verdict.ActionThrottle, 0))
	r.announce(facets, r.finding(6, verdict.TargetSession, "t", verdict.ActionRevoke, 0))
	list, _ := r.said(0)
	if len(list) != 2 || list[0].Target.Id != "s" || list[1].Target.Id != "198.51.100.0/24" {
		t.Fatalf("both stages said %v", list)
	}
	if list[0].Cause.Topic != topic.Requests || list[1].Cause.Topic != topic.Facets || list[1].Authority != verdict.AuthorityFacet {
		t.Errorf("causes %v and %v, authority %s", list[0].Cause, list[1].Cause, list[1].Authority)
	}
	for range 3 {
		subjects = r.adopt(a, 0)
	}
	if next := r.adoptFacets(a, 0); next.Epoch() != facets.Epoch()+1 || subjects.Epoch() < next.Epoch()+1 {
		t.Errorf("epochs of the facets %d, then %d; of the subjects %d", facets.Epoch(), next.Epoch(), subjects.Epoch())
	}
}

// TestRestoreOfAFacet lets an operator lift a verdict about a prefix: the control
// record goes where the facet stage reads.
func TestRestoreOfAFacet(t *testing.T) {
	r := newRig(t)
	a := r.announcer(60)
	p := r.adoptFacets(a, 0)
	block := r.finding(5, verdict.TargetPrefix, "192.0.2.0/24", verdict.ActionBlock, 0)
	r.announce(p, block)
	list, _ := r.said(0)
	op := r.operators(verdict.ActionObserve, &verdict.Clear{Authority: verdict.AuthorityFacet, Epoch: list[0].Epoch, Seq: list[0].Seq})
	op.Target = list[0].Target
	err := a.Relay(t.Context(), []byte(envelope(t, r.operator, op)["envelope.0"]))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(r.read(topic.Requests, 0)); n != 0 {
		t.Errorf("%d control records stand among the requests", n)
	}
	var control event.RequestEvent
	err = event.Decode(r.read(topic.Facets, 0)[0].Value, &control)
	if err != nil {
		t.Fatal(err)
	}
	said, err := p.Cleared(&control)
	if err != nil || said.GetTarget().GetId() != "192.0.2.0/24" {
		t.Errorf("Cleared() = %v, %v", said, err)
	}
	control.Attributes = envelope(t, r.stranger, op)
	_, err = p.Cleared(&control)
	if err == nil {
		t.Error("a stranger's clear is believed")
	}
	control.Attributes = envelope(t, r.operator, op)
	err = p.Control(t.Context(), &control, 10)
	if err != nil {
		t.Fatal(err)
	}
	r.announce(p, block) // Replayed.
	list, _ = r.said(0)
	if len(list) != 2 || list[1].Action != verdict.ActionObserve {
		t.Errorf("after the restore: %v", list)
	}
}
