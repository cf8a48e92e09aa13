package model_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/model"
)

func TestPeerGroupOf(t *testing.T) {
	m, err := model.Parse("m.yaml", []byte(`peer_groups:
  - {id: operations, attributes: [{name: department, values: [operations, network]}]}
  - {id: field, client_ids: [field-app], subject_kinds: [human]}
  - {id: auditors, tenants: [a], attributes: [{name: roles, values: [auditor]}, {name: region, values: [eu]}]}
  - {id: programs, subject_kinds: [service]}
`))
	if err != nil {
		t.Fatal(err)
	}
	with := func(pairs ...string) map[string]string {
		all := make(map[string]string)
		for i := 0; i < len(pairs); i += 2 {
			all[pairs[i]] = pairs[i+1]
		}
		return all
	}
	tests := map[string]struct {
		event *event.RequestEvent
		want  string
	}{
		"one of the values of an attribute is enough":     {&event.RequestEvent{Subject: "u", Attributes: with("department", "network")}, "operations"},
		"another value is in no group":                    {&event.RequestEvent{Subject: "u", Attributes: with("department", "networks")}, ""},
		"an attribute that lists several has each":        {&event.RequestEvent{Subject: "u", Tenant: "a", Attributes: with("roles", "user, auditor", "region", "eu")}, "auditors"},
		"all attributes are asked for":                    {&event.RequestEvent{Subject: "u", Tenant: "a", Attributes: with("roles", "auditor")}, ""},
		"and the tenant":                                  {&event.RequestEvent{Subject: "u", Tenant: "b", Attributes: with("roles", "auditor", "region", "eu")}, ""},
		"a subject of no kind is a person":                {&event.RequestEvent{Subject: "u", ClientId: "field-app"}, "field"},
		"a program by the client of people is none":       {&event.RequestEvent{Subject: "u", ClientId: "field-app", SubjectKind: "service"}, "programs"},
		"the first group that fits counts":                {&event.RequestEvent{Subject: "u", ClientId: "field-app", Attributes: with("department", "operations")}, "operations"},
		"who says nothing is compared with the tenant":    {&event.RequestEvent{Subject: "u"}, ""},
		"an attribute without a value is not any of them": {&event.RequestEvent{Subject: "u", Attributes: with("department", "")}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, m.PeerGroupOf(tt.event).String()); diff != "" {
				t.Errorf("group (-want +got):\n%s", diff)
			}
		})
	}
	if m.HasPeerGroup(model.Default().PeerGroupOf(tests["the first group that fits counts"].event)) {
		t.Error("no group is one of the model's")
	}
	if m.Digest() == model.Default().Digest() || m.WithPeerGroups(nil).Digest() != model.Default().Digest() {
		t.Error("the digest must cover the peer groups, and be as before without any")
	}
}

func TestPeerGroupsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("peer_groups:\n")
	for i := range model.PeerGroupsMax + 1 {
		fmt.Fprintf(&b, "  - {id: g%d, client_ids: [c]}\n", i)
	}
	_, err := model.Parse("m.yaml", []byte(b.String()))
	if err == nil || !strings.Contains(err.Error(), "m.yaml:66:5: peer_groups[64]: at most 64 are read") {
		t.Errorf("error = %v, want that at most 64 are read", err)
	}
	conditions := strings.Repeat("{name: n, values: [v]}, ", model.PatternsMax+1)
	_, err = model.Parse("m.yaml", []byte("peer_groups:\n  - {id: g, attributes: ["+conditions+"]}\n"))
	if err == nil || !strings.Contains(err.Error(), "peer_groups[0].attributes[64]: at most 64 are read") {
		t.Errorf("error = %v, want that no condition of a group is dropped", err)
	}
}
