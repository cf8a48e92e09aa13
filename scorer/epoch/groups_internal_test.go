package epoch

import (
	"bytes"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/sequence"
)

// TestGroupsOutlastBytes reads epochs with and without what is known of peer groups
// and of the adaptive test: the digest of older bytes stays, for control records name
// it.
func TestGroupsOutlastBytes(t *testing.T) {
	for name, layout := range map[string]byte{"of the first layout": versionBare, "of the second": versionGroups, "of this one": version} {
		t.Run(name, func(t *testing.T) {
			e := &Epoch{Tenant: "t", Number: 3, Prior: sequence.NewPrior(), layout: layout}
			e.Groups.Members[1], e.Groups.Groups[2] = 8, 0.5
			e.Adaptive[sequence.Service] = sequence.Curve{From: 1, Share: 0.1, Scale: 2, Least: 0.001}
			got, err := Decode(e.Encode())
			if err != nil {
				t.Fatal(err)
			}
			if has := got.Groups == e.Groups; has != (layout >= versionGroups) {
				t.Errorf("groups %v", got.Groups)
			}
			if has := got.Adaptive == e.Adaptive; has != (layout == version) {
				t.Errorf("curves of the adaptive test %v", got.Adaptive)
			}
			if !bytes.Equal(got.Encode(), e.Encode()) {
				t.Error("the bytes have changed")
			}
		})
	}
	s := &Summary{Tenant: "t", Sequence: sequence.NewShared()}
	var habit profile.Categorical
	habit.Add("a", 3, 5)
	var trial profile.Trial
	trial.Observe(&habit, "b", 0.1)
	s.Groups.Groups[4].Add(&trial, 1)
	s.Sequence.Adaptive[sequence.Human].Observe(3)
	got, err := DecodeSummary(s.Encode())
	if err != nil || got.Groups != s.Groups || got.Groups == (GroupLikelihoods{}) {
		t.Errorf("a summary's groups are %v, %v", got, err)
	}
	if err == nil && got.Sequence.Adaptive != s.Sequence.Adaptive {
		t.Error("a summary forgets the tails of the adaptive test")
	}
}
