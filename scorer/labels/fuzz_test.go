package labels_test

import (
	"testing"

	"github.com/vigil-gateway/vigil/scorer/labels"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// FuzzParse looks for files that are read and then break the bounds.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("{}\n\n[]"))
	m := model.Default()
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := labels.Parse("l", b)
		if err != nil {
			return
		}
		for i := range all {
			all[i].Model = m.Digest()
		}
		p := labels.Propose(m, all)
		for i := range p.Groups {
			g := &p.Groups[i]
			if !(g.Proposed >= model.GroupWeightLeast && g.Proposed <= model.GroupWeightMost) {
				t.Errorf("group %s: weight %g", g.Group, g.Proposed)
			}
		}
	})
}
