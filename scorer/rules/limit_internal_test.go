package rules

import (
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
)

// TestLimitHoldsAtRunTime runs an expression under a limit that its estimate
// would not have passed: it is missing evidence, and the other rules go on.
func TestLimitHoldsAtRunTime(t *testing.T) {
	heavy, faults := Compile(Spec{ID: "rule.heavy", Expression: `event.network_tags.exists(x, x.contains("zz"))`, Nats: "1"}, CostMax)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	e, err := language()
	if err != nil {
		t.Fatal(err)
	}
	tree, issues := e.Compile(heavy.Expression)
	if issues.Err() != nil {
		t.Fatal(issues.Err())
	}
	heavy.when, err = program(e, tree, 20)
	if err != nil {
		t.Fatal(err)
	}
	light, faults := Compile(Spec{ID: "rule.light", Expression: `event.country == "BR"`, Nats: "2"}, CostMax)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	other, faults := Compile(Spec{ID: "rule.other", Expression: `true`, Nats: "2", Kinds: []string{event.SubjectService}}, CostMax)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	s := NewSet([]*Rule{heavy, light, other})
	in := &Input{
		Context: &evidence.Context{
			Event:   &event.RequestEvent{Country: "BR", NetworkTags: strings.Split(strings.Repeat("hosting ", 30), " ")},
			Session: &entity.Session{}, Tenant: &entity.Tenant{},
		},
		Kind: event.SubjectHuman,
	}
	found := s.Find(in)
	if len(found) != 1 || found[0].Rule != light || found[0].Nats != 2 {
		t.Errorf("found %v, want rule.light alone", found)
	}
	c := s.Counts()[0]
	if c.Missed != 1 || !strings.Contains(c.Fault, "cost") || s.Missed() != 1 {
		t.Errorf("counted %+v, want 1 missed for its cost", c)
	}
	in.Event.NetworkTags = []string{"zz"}
	if found = s.Find(in); len(found) != 2 || found[0].Rule != heavy {
		t.Errorf("found %v within the limit, want both", found)
	}
}

// TestEveryVariableAnswers asks for every name, of an event that has nothing
// and of an expression that uses it.
func TestEveryVariableAnswers(t *testing.T) {
	in := &Input{Context: &evidence.Context{Event: &event.RequestEvent{}, Session: &entity.Session{}, Tenant: &entity.Tenant{}}}
	for _, v := range Variables() {
		got, known := in.ResolveName(v.Name)
		if coordinate := v.Name == "event.latitude" || v.Name == "event.longitude"; known == coordinate {
			t.Errorf("%s = %v, %v", v.Name, got, known)
		}
		_, faults := Compile(Spec{ID: "rule.x", Expression: v.Name + " == " + v.Name, Nats: "1"}, CostMax)
		if len(faults) > 0 {
			t.Errorf("%s: %v", v.Name, faults)
		}
	}
	_, known := in.ResolveName("event.nothing")
	if known {
		t.Error("a name that is not known has a value")
	}
}
