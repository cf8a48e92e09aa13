package model

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

func (r *reader) peerGroups(n *yaml.Node, key string, m *Model) {
	kinds := []string{event.SubjectHuman, event.SubjectService, event.SubjectAgent}
	r.entries(n, key, PeerGroupsMax, func(n *yaml.Node, key, id string) {
		g := PeerGroup{ID: id, name: profile.NameOf(id)}
		list := func(to *[]string, check func(n *yaml.Node, key, text string)) func(*yaml.Node, string) {
			return func(n *yaml.Node, key string) { r.list(n, key, to, PatternsMax, check) }
		}
		r.mapping(n, key, []field{
			{"id", nil},
			{"tenants", list(&g.Tenants, nil)},
			{"subject_kinds", list(&g.SubjectKinds, func(n *yaml.Node, key, kind string) { r.oneOf(n, key, &kind, kinds) })},
			{"client_ids", list(&g.ClientIDs, nil)},
			{"attributes", func(n *yaml.Node, key string) {
				r.sequence(n, key, func(n *yaml.Node, key string) {
					if len(g.Attributes) == PatternsMax {
						r.fault(n, key, fmt.Sprintf("at most %d are read", PatternsMax))
						return
					}
					var a AttributeValues
					r.mapping(n, key, []field{{"name", r.wordsField(&a.Name)}, {"values", list(&a.Values, nil)}}, "name", "values")
					g.Attributes = append(g.Attributes, a)
				})
			}},
		})
		if len(g.Tenants)+len(g.SubjectKinds)+len(g.ClientIDs)+len(g.Attributes) == 0 {
			r.fault(n, key, "names nobody: say tenants, subject_kinds, client_ids or attributes; who is in no group is compared with the tenant")
		}
		m.PeerGroups = append(m.PeerGroups, g)
	})
}
