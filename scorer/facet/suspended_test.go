package facet_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	schema "github.com/vigil-gateway/vigil/schemas/facet"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// TestSuspendedSessions takes cuts in which the first stage says which sessions it
// has suspended on one device.
func TestSuspendedSessions(t *testing.T) {
	type cut struct {
		after     time.Duration
		suspended []uint64
		together  uint32
		users     []uint64
	}
	people := []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}
	tests := map[string]struct {
		cuts []cut
		want []string
	}{
		"three of one subject who goes on elsewhere":    {[]cut{{0, []uint64{3}, 3, nil}}, []string{"step_up device d"}},
		"two are none of the device's matter":           {[]cut{{0, []uint64{1}, 0, nil}, {time.Minute, []uint64{2}, 0, nil}}, nil},
		"one session again and again is one":            {[]cut{{0, []uint64{1}, 0, nil}, {time.Minute, []uint64{1}, 0, nil}, {time.Minute, []uint64{1}, 0, nil}}, nil},
		"three of three people within an hour":          {[]cut{{0, []uint64{1}, 0, nil}, {time.Minute, []uint64{2}, 0, nil}, {time.Minute, []uint64{3}, 0, nil}}, []string{"step_up device d"}},
		"three on three days":                           {[]cut{{0, []uint64{1}, 0, nil}, {24 * time.Hour, []uint64{2}, 0, nil}, {24 * time.Hour, []uint64{3}, 0, nil}}, nil},
		"three of the people of a kiosk":                {[]cut{{0, nil, 0, people}, {time.Minute, []uint64{1}, 0, nil}, {time.Minute, []uint64{2}, 0, nil}, {time.Minute, []uint64{3}, 0, nil}}, nil},
		"a kiosk does not excuse who goes on elsewhere": {[]cut{{0, nil, 0, people}, {time.Minute, []uint64{1}, 3, nil}}, []string{"step_up device d"}},
		"a dozen asks for a proof and blocks nothing":   {[]cut{{0, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 12, nil}}, []string{"step_up device d"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, 1)
			for i, c := range tt.cuts {
				s.now = s.now.Add(c.after)
				at := timestamppb.New(s.now)
				s.take(&schema.FacetCut{
					Topic: "requests", FirstOffset: int64(i), LastOffset: int64(i), Time: at, Tenant: "t",
					Deltas: []*schema.FacetDelta{{Kind: verdict.TargetDevice, Id: "d", Suspended: c.suspended, Together: c.together, Users: c.users, Cause: "e", CauseTime: at}},
				})
			}
			if diff := cmp.Diff(tt.want, s.asked); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
		})
	}
}
