package rules

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cel.dev/cel-go/common/types"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/feature"
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
	missing := []string{"event.latitude", "event.longitude", "event.resource_entropy", "state.gap", "state.minute_bytes_ratio", "state.minute_requests_ratio", "state.hour_bytes_ratio", "state.hour_resources_ratio", "state.route_habit"}
	for _, v := range Variables() {
		got, known := in.ResolveName(v.Name)
		if known == slices.Contains(missing, v.Name) {
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

// TestModelsSeeTheSameNumbers compares what an expression and a model see under
// one name.
func TestModelsSeeTheSameNumbers(t *testing.T) {
	lat, lon := 52.5, 13.4
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	in := &Input{Context: &evidence.Context{
		Event: &event.RequestEvent{
			BytesIn: 1, BytesOut: 2, DurationUs: 3, Status: 404, Asn: 5, Latitude: &lat, Longitude: &lon, WafScore: 6, AuthTime: timestamppb.New(at.Add(-time.Hour)), Country: "BR", Device: "d",
		},
		Now: at.UnixNano(), At: at.UnixNano(), Network: "AS5", Agent: evidence.Agent{Family: "Firefox"}, Tenant: &entity.Tenant{},
		Session: &entity.Session{Start: at.Add(-time.Minute).UnixNano(), Requests: 7, Minute: entity.Window{Requests: 8, Bytes: 9}, Hour: entity.Window{Bytes: 10}},
		Subject: &entity.Subject{Total: 11},
	}}
	in.Subject.N = 12
	for _, k := range []entity.Kind{entity.Countries, entity.Networks, entity.Families, entity.Devices} {
		in.Subject.Kinds[k].Add("other", 1, 4)
	}
	both := 0
	for _, f := range feature.All() {
		if !slices.ContainsFunc(own, func(v Variable) bool { return v.Name == f.Name }) {
			continue
		}
		both++
		v, known := in.ResolveName(f.Name)
		var got float64
		switch v := v.(type) {
		case types.Int:
			got = float64(v)
		case types.Double:
			got = float64(v)
		case types.Bool:
			if v {
				got = 1
			}
		}
		if want := f.Of(in.Context); !known || got != want || want == 0 {
			t.Errorf("%s: an expression sees %v, a model %v", f.Name, v, want)
		}
	}
	if both < 20 {
		t.Errorf("%d names are known to both, want most of them", both)
	}
}
