package ingest

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/analyzer/assign"
	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// What a group with a standby divides, in the form that knows standbys and in the one
// before it, and what each member says of itself in either.
func TestTheGroupDividesAsItsMembersKnow(t *testing.T) {
	keep := state.DefaultConfig()
	keep.Dir = t.TempDir()
	s, err := state.New(state.Options{Config: keep, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	i := &Ingest{o: Options{Stage: announce.SubjectStage(), State: s, Standby: 1, Began: time.UnixMilli(77), Logger: slog.New(slog.DiscardHandler)}, parked: map[int]parked{1: {epoch: 5}}}
	partitions := []kafka.Partition{{Topic: topic.Requests, ID: 0}, {Topic: topic.Requests, ID: 1}, {Topic: topic.Facets, ID: 0}}
	for _, tt := range []struct {
		balancer kafka.GroupBalancer
		name     string
		says     assign.Member
		want     kafka.GroupMemberAssignments
	}{
		{
			sticky{i},
			"vigil-sticky-2",
			assign.Member{Standby: 1, Since: 77, Claims: []assign.Claim{{Partition: 1, Epoch: 5, Live: true}}},
			kafka.GroupMemberAssignments{"standby": {topic.Requests: nil}, "worker": {topic.Requests: {0, 1}}},
		},
		{
			withoutStandbys{sticky{i}},
			"vigil-sticky-1",
			assign.Member{Claims: []assign.Claim{{Partition: 1, Epoch: 5, Live: true}}},
			kafka.GroupMemberAssignments{"standby": {topic.Requests: {1}}, "worker": {topic.Requests: {0}}},
		},
	} {
		said, err := tt.balancer.UserData()
		if err != nil {
			t.Fatal(err)
		}
		read, err := assign.Decode(said)
		if diff := cmp.Diff(tt.says, read); err != nil || diff != "" || tt.balancer.ProtocolName() != tt.name {
			t.Errorf("%s: %s (%v)", tt.balancer.ProtocolName(), diff, err)
		}
		got := tt.balancer.AssignGroups([]kafka.GroupMember{{ID: "standby", UserData: said}, {ID: "worker", UserData: []byte("nonsense")}}, partitions)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}
