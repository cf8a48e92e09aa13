package rules_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/rules"
)

// input is a request of a known subject from a country that is new.
func input() *rules.Input {
	at := time.Date(2026, 3, 2, 23, 30, 0, 0, time.UTC)
	lat, lon := 52.5, 13.4
	in := &rules.Input{
		Context: &evidence.Context{
			Event: &event.RequestEvent{
				Time: timestamppb.New(at), Kind: event.KindRequest, Subject: "alice", Session: "s1", ClientId: "shop", Address: "203.0.113.7",
				Country: "BR", Asn: 64500, Latitude: &lat, Longitude: &lon, NetworkTags: []string{"hosting", "tor"}, Method: "GET", Path: "/export/all",
				Template: "/export/{id}", Sensitivity: "high", Status: 200, BytesOut: 5_000_000, Attributes: map[string]string{"channel": "api"},
				AuthTime: timestamppb.New(at.Add(-time.Hour)),
			},
			Now: at.UnixNano(), At: at.UnixNano(), Network: "AS64500", Agent: evidence.Agent{Family: "curl"},
			Session: &entity.Session{Start: at.Add(-10 * time.Minute).UnixNano(), Requests: 41, Hour: entity.Window{Bytes: 9e6}},
			Subject: &entity.Subject{Total: 1000},
			Tenant:  &entity.Tenant{},
		},
		Kind: event.SubjectHuman, Class: "exports", Score: 5.5, Suspicion: 2,
		Findings: []evidence.Finding{{Signal: evidence.NewCountry, Nats: 5.5}},
	}
	in.Subject.Kinds[entity.Countries].Add("DE", 30, 12)
	return in
}

func spec(expression, nats string) rules.Spec {
	return rules.Spec{ID: "rule.test", Group: evidence.Volume, Expression: expression, Nats: nats, Text: "x"}
}

func TestEvaluate(t *testing.T) {
	tests := map[string]struct {
		expression, nats string
		want             float64
		wantErr          string
	}{
		"a rule that applies says its nats":            {expression: `event.country == "BR"`, nats: "3.5", want: 3.5},
		"one that does not says nothing":               {expression: `event.country == "DE"`, nats: "3.5"},
		"state is known":                               {expression: `state.new_country && !state.new_client && state.hour >= 22 && state.weekday == 1`, nats: "1", want: 1},
		"session and subject are counted":              {expression: `state.session_age == 600 && state.session_requests == 41 && state.subject_requests == 1000 && state.hour_bytes == 9000000`, nats: "1", want: 1},
		"signals are known by their id":                {expression: `signal.geo.new_country > 5 && signal.scan.paths == 0.0`, nats: "1", want: 1},
		"nats may be computed":                         {expression: `true`, nats: `min(4.0, ln(double(event.bytes_out) / 1000000.0)) + state.score - 5.5`, want: 1.6094379124341005},
		"computed nats are cut at what a rule may say": {expression: `true`, nats: `double(event.bytes_out)`, want: rules.NatsMax},
		"negative nats are nothing":                    {expression: `true`, nats: `-1.0 * 2.0`},
		"a list may be gone over":                      {expression: `event.network_tags.exists(t, t == "tor")`, nats: "1", want: 1},
		"a list may be searched":                       {expression: `"tor" in event.network_tags`, nats: "1", want: 1},
		"an attribute may be absent":                   {expression: `"channel" in event.attributes && event.attributes["channel"] == "api" && !("x" in event.attributes)`, nats: "1", want: 1},
		"a prefix holds an address":                    {expression: `event.address.within("203.0.113.0/24") && !event.address.within("2001:db8::/32")`, nats: "1", want: 1},
		"a pattern matches":                            {expression: `event.path.matches("^/export/[a-z]+$")`, nats: "1", want: 1},
		"a sign-in has an age":                         {expression: `event.auth_age == 3600`, nats: "1", want: 1},
		"a class is known":                             {expression: `state.route_class == "exports" && state.kind == "human"`, nats: "1", want: 1},
		"a key that is not there is missing evidence":  {expression: `event.attributes["x"] == "api"`, nats: "1", wantErr: "no such key: x"},
		"a division by zero is missing evidence":       {expression: `event.status / (event.status - 200) > 1`, nats: "1", wantErr: "division by zero"},
		"nats that are no number are missing evidence": {expression: `true`, nats: `(0.0 / 0.0) + 1.0`, wantErr: "nats: is not a number"},
		"an address that is none is missing evidence":  {expression: `event.user_agent.within("10.0.0.0/8")`, nats: "1", wantErr: `within: "" is not an address`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, faults := rules.Compile(spec(tt.expression, tt.nats), rules.CostDefault)
			if len(faults) > 0 {
				t.Fatalf("Compile: %v", faults)
			}
			got, err := r.Evaluate(input())
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("Evaluate error = %v, want %q", err, tt.wantErr)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("Evaluate = %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	tests := map[string]struct {
		expression, nats string
		want             []rules.Fault
	}{
		"a name that is not known":               {expression: `event.contry == "BR"`, want: []rules.Fault{{Field: "expression", Line: 1, Column: 6, Text: "event.contry is not known"}}},
		"every fault at once":                    {expression: `event.contry == event.citi`, nats: "-1", want: []rules.Fault{{Field: "expression", Line: 1, Column: 6, Text: "event.contry is not known"}, {Field: "expression", Line: 1, Column: 22, Text: "event.citi is not known"}, {Field: "nats", Text: "-1 must be above 0 and at most 20"}}},
		"what yields no truth":                   {expression: `event.country`, want: []rules.Fault{{Field: "expression", Text: "must yield true or false, yields a text"}}},
		"nats that are a text":                   {expression: `true`, nats: `event.country`, want: []rules.Fault{{Field: "nats", Text: "must be a number, or an expression that yields one; this yields a text"}}},
		"a pattern that a client sent":           {expression: `event.path.matches(event.user_agent)`, want: []rules.Fault{{Field: "expression", Line: 1, Column: 19, Text: "matches: the regular expression must be a literal"}}},
		"a broken pattern":                       {expression: `event.path.matches("(")`, want: []rules.Fault{{Field: "expression", Line: 1, Column: 20, Text: "invalid matches argument"}}},
		"a walk over a map":                      {expression: `event.attributes.exists(k, k == "x")`, want: []rules.Fault{{Field: "expression", Line: 1, Column: 24, Text: "goes over a map, whose order is not defined: only lists can be gone over"}}},
		"a prefix that is none":                  {expression: `event.address.within("10.0.0.0/33")`, want: []rules.Fault{{Field: "expression", Line: 1, Column: 21, Text: `within: "10.0.0.0/33" is not a prefix such as 192.0.2.0/24`}}},
		"the time of a zone":                     {expression: `timestamp("2026-01-01T00:00:00Z").getHours("Europe/Berlin") > 1`, want: []rules.Fault{{Field: "expression", Line: 1, Column: 10, Text: "timestamp is not known"}, {Field: "expression", Line: 1, Column: 43, Text: "getHours is not known"}}},
		"an empty expression":                    {expression: " ", want: []rules.Fault{{Field: "expression", Text: "is empty"}}},
		"what may cost more than is allowed":     {expression: `event.network_tags.all(a, event.network_tags.all(b, a.contains(b)))`, want: []rules.Fault{{Field: "expression", Text: "may cost"}}},
		"an expression that is nested too deep":  {expression: strings.Repeat("(", 60) + "true" + strings.Repeat(")", 60), want: []rules.Fault{{Field: "expression", Text: "expression recursion limit exceeded: 40"}}},
		"types that do not go together":          {expression: `state.score == 2`, want: []rules.Fault{{Field: "expression", Line: 1, Column: 13, Text: "== does not take (double, int): write 2.0 instead of 2"}}},
		"a syntax error":                         {expression: `event.country =`, want: []rules.Fault{{Field: "expression", Line: 1, Column: 15, Text: "token recognition error at: '='"}}},
		"an expression longer than anybody read": {expression: strings.Repeat("x", rules.ExpressionBytesMax+1), want: []rules.Fault{{Field: "expression", Text: "has 4097 B, at most 4096 B are read"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			nats := tt.nats
			if nats == "" {
				nats = "1"
			}
			r, got := rules.Compile(spec(tt.expression, nats), rules.CostDefault)
			if r != nil {
				t.Error("gave a rule")
			}
			if len(got) < len(tt.want) {
				t.Fatalf("faults = %+v, want %+v", got, tt.want)
			}
			for i, w := range tt.want {
				g := got[i]
				if !strings.HasPrefix(g.Text, w.Text) {
					t.Errorf("fault %d says %q, want %q", i, g.Text, w.Text)
				}
				g.Text, g.Unknown, w.Text = "", "", ""
				if diff := cmp.Diff(w, g); diff != "" {
					t.Errorf("fault %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}
