package scorer_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

func parsed(t *testing.T, yaml string) *model.Model {
	t.Helper()
	m, err := model.Parse("m.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// probe is a request of a scanner's: scan.paths says 9 nats about it.
func probe(i int, path string) *event.RequestEvent {
	return &event.RequestEvent{
		Kind: event.KindRequest, Id: fmt.Sprint("e", i), Time: at(time.Duration(i) * time.Second), Tenant: "default", Phase: event.PhaseComplete,
		Subject: "alice", Session: "s1", SubjectKind: event.SubjectHuman, ClientId: "shop", Address: "192.0.2.9",
		Method: "GET", Route: "files", Template: "/files/{id}", Path: path, Status: 404,
	}
}

// TestModelTerms scores one request under models that say more than weights.
func TestModelTerms(t *testing.T) {
	const exploit = "/files/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php"
	exception := func(who string) string {
		return "exceptions: [{id: EX-1, owner: ana, reason: test, from: 2026-03-01, until: 2026-03-03, " + who + "}]"
	}
	tests := map[string]struct {
		model string
		want  string // signal nats, …
	}{
		"no terms":                                  {"", "scan.paths 9.0"},
		"a rule adds its nats":                      {`rules: [{id: rule.a, group: walk, owner: o, text: t, nats: 3, expression: event.status == 404}]`, "scan.paths 9.0, rule.a 3.0"},
		"a rule sees what the signals found":        {`rules: [{id: rule.a, group: walk, owner: o, text: t, nats: signal.scan.paths / 2.0, expression: state.score > 8}]`, "scan.paths 9.0, rule.a 4.5"},
		"a rule of another kind is not asked":       {`rules: [{id: rule.a, group: walk, owner: o, text: t, nats: 3, expression: "true", kinds: [service]}]`, "scan.paths 9.0"},
		"a rule is clipped with its group":          {"groups: [{id: payload, clip: 6}]\n" + `rules: [{id: rule.a, group: payload, owner: o, text: t, nats: 3, expression: "true"}]`, "scan.paths 4.5, rule.a 1.5"},
		"a rule that errs is missing evidence":      {`rules: [{id: rule.a, group: walk, owner: o, text: t, nats: 3, expression: event.latitude > 0}]`, "scan.paths 9.0"},
		"an exception takes a signal out":           {exception("prefix: 192.0.2.0/24, signals: [scan.paths]"), "scan.paths 0.0"},
		"an exception takes all out":                {exception("client_id: shop"), "scan.paths 0.0"},
		"an exception for others does not":          {exception("client_id: shop, subject: bob"), "scan.paths 9.0"},
		"an exception for another prefix does not":  {exception("prefix: 198.51.100.0/24"), "scan.paths 9.0"},
		"an exception for another signal does not":  {exception("route: files, signals: [geo.new_country]"), "scan.paths 9.0"},
		"an exception that is over does nothing":    {strings.ReplaceAll(exception("route: files"), "2026-03-03", "2026-03-02T07:00:00Z"), "scan.paths 9.0"},
		"an exception that is to come does nothing": {strings.ReplaceAll(exception("route: files"), "2026-03-01", "2026-03-02T09:00:00Z"), "scan.paths 9.0"},
		"an exception takes a rule out":             {exception("route: files, signals: [rule.a]") + "\n" + `rules: [{id: rule.a, group: walk, owner: o, text: t, nats: 3, expression: "true"}]`, "scan.paths 9.0, rule.a 0.0"},
		"a class weighs otherwise by route":         {`route_classes: [{id: c, routes: [files], signals: [{id: scan.paths, weight: 0.5}]}]`, "scan.paths 4.5"},
		"a class weighs otherwise by template":      {`route_classes: [{id: c, templates: [/files/*], signals: [{id: scan.paths, weight: 0.5}]}]`, "scan.paths 4.5"},
		"a class of another template does not":      {`route_classes: [{id: c, templates: [/files], signals: [{id: scan.paths, weight: 0.5}]}]`, "scan.paths 9.0"},
		"the first class counts":                    {`route_classes: [{id: c, templates: [/**], signals: [{id: scan.paths, weight: 0.1}]}, {id: d, routes: [files], signals: [{id: scan.paths, weight: 5}]}]`, "scan.paths 0.9"},
		"a class leaves other weights alone":        {"signals: [{id: scan.paths, weight: 0.5}]\n" + `route_classes: [{id: c, routes: [files], signals: [{id: geo.new_country, weight: 2}]}]`, "scan.paths 4.5"},
		"a rule knows the class":                    {"route_classes: [{id: c, routes: [files], signals: []}]\n" + `rules: [{id: rule.a, group: walk, owner: o, text: t, nats: 3, expression: state.route_class == "c"}]`, "scan.paths 9.0, rule.a 3.0"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e, err := scorer.New(scorer.Options{Model: parsed(t, tt.model), OfflineClock: true})
			if err != nil {
				t.Fatal(err)
			}
			a := e.Assess(scorer.Record{Event: probe(0, exploit)}).Assessment
			var said []string
			sum := 0.0
			for _, ev := range a.GetEvidence() {
				said = append(said, fmt.Sprintf("%s %.1f", ev.GetSignal(), ev.GetNats()))
				sum += ev.GetNats()
				if ev.GetNats() == 0 && !strings.HasSuffix(ev.GetText(), " (does not count: exception EX-1)") {
					t.Errorf("%s does not say which exception holds: %q", ev.GetSignal(), ev.GetText())
				}
			}
			if got := strings.Join(said, ", "); got != tt.want {
				t.Errorf("evidence = %s, want %s", got, tt.want)
			}
			if sum != a.GetScore() || sum != a.GetSessionScore() {
				t.Errorf("evidence sums to %g, score is %g, session %g", sum, a.GetScore(), a.GetSessionScore())
			}
		})
	}
}

// TestExceptionSparesHardFacts shows one token with two keys under an exception
// for everything, and under one that names the fact.
func TestExceptionSparesHardFacts(t *testing.T) {
	for signals, want := range map[string]string{"": verdict.ActionRevoke, ", signals: [binding.two_keys]": verdict.ActionObserve} {
		e, err := scorer.New(scorer.Options{OfflineClock: true, Model: parsed(t, "exceptions: [{id: EX-1, owner: ana, reason: x, from: 2026-03-01, until: 2026-03-03, subject: alice"+signals+"}]")})
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for i, device := range []string{"k1", "k2"} {
			ev := probe(i, "/files/1")
			ev.TokenId, ev.Binding, ev.Device, ev.Status = "t1", event.BindingDPoP, device, 200
			got = e.Assess(scorer.Record{Event: ev}).Assessment.GetAction()
		}
		if got != want {
			t.Errorf("with%s: action %s, want %s", signals, got, want)
		}
	}
}

// TestRuleOverASession repeats a rule: it counts once, reaches a verdict that
// names it, and neither a restart nor a model with another rule before it
// makes it count again.
func TestRuleOverASession(t *testing.T) {
	const rule = `{id: rule.admin, group: walk, owner: o, text: the administration, nats: 12, ceiling: step_up, expression: 'event.path.startsWith("/admin")'}`
	const first = `{id: rule.first, group: walk, owner: o, text: never, nats: 1, expression: 'event.status == 500'}`
	e, err := scorer.New(scorer.Options{Model: parsed(t, "rules: ["+rule+"]"), OfflineClock: true})
	if err != nil {
		t.Fatal(err)
	}
	quiet := func(i int) *event.RequestEvent {
		ev := probe(i, "/admin/1")
		ev.Status = 200
		return ev
	}
	r := e.Assess(scorer.Record{Event: quiet(0)})
	if len(r.Proposals) != 1 || r.Proposals[0].Action != verdict.ActionStepUp || !strings.Contains(r.Proposals[0].OperatorText, "the administration (rule.admin +12.0)") {
		t.Fatalf("proposals = %+v, want a step-up that names the rule", r.Proposals)
	}
	var state bytes.Buffer
	err = e.Snapshot(&state)
	if err != nil {
		t.Fatal(err)
	}
	restored, err := scorer.New(scorer.Options{Model: parsed(t, "rules: ["+first+", "+rule+"]"), OfflineClock: true})
	if err != nil {
		t.Fatal(err)
	}
	err = restored.Restore(&state, nil)
	if err != nil {
		t.Fatal(err)
	}
	e.SwapModel(parsed(t, "rules: ["+first+", "+rule+"]"))
	for name, e := range map[string]*scorer.Engine{"hot reload": e, "restart": restored} {
		for i := 1; i < 5; i++ {
			a := e.Assess(scorer.Record{Event: quiet(i)}).Assessment
			if s := a.GetSessionScore(); s < 11.9 || s > 12.001 {
				t.Errorf("%s: session stands at %.3f after the same fact again, want 12", name, s)
			}
		}
		if s := e.Assess(scorer.Record{Event: quiet(36000)}).Assessment.GetSessionScore(); s < 11.9 {
			t.Errorf("%s: session stands at %.3f after the same fact ten hours later, want 12 again", name, s)
		}
		if c := e.Rules(); len(c) != 2 || c[0].Found != 0 || c[1].Found != 5 || e.Stats().RulesMissed != 0 {
			t.Errorf("%s: counts = %+v", name, c)
		}
	}
	// A model without the rule forgets what it was about and goes on.
	e.SwapModel(model.Default())
	e.Assess(scorer.Record{Event: probe(36001, "/files/../../etc/passwd")})
}

// BenchmarkAssessWithRules scores ordinary requests under a model of ten rules.
func BenchmarkAssessWithRules(b *testing.B) {
	var yaml strings.Builder
	yaml.WriteString("rules:\n")
	for i := range 10 {
		fmt.Fprintf(&yaml, "  - {id: rule.r%d, group: walk, owner: o, text: t, nats: 3, expression: 'event.country == \"BR\" && state.session_requests > %d && event.path.startsWith(\"/admin\")'}\n", i, i)
	}
	m, err := model.Parse("m.yaml", []byte(yaml.String()))
	if err != nil {
		b.Fatal(err)
	}
	e, err := scorer.New(scorer.Options{Model: m, OfflineClock: true})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := range b.N {
		ev := probe(i, "/files/1")
		ev.Status, ev.Country = 200, "BR"
		e.Assess(scorer.Record{Event: ev, Offset: int64(i)})
	}
}
