package benchgateway_test

import (
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/cmd/internal/benchgateway"
)

// report is one in which Vigil takes half of what HAProxy takes.
func report() benchgateway.Report {
	const haproxy, ours = "HAProxy, jwt_verify RS256", "Vigil"
	r := benchgateway.Report{
		Options: benchgateway.DefaultOptions(),
		CPU:     map[string][]float64{haproxy: {40, 60, 50}, ours: {20, 40, 20}, "Vigil, no events": {19, 36, 20}},
		Cold:    map[string][]float64{haproxy: {40}, "Vigil, RS256": {80}},
		Latency: map[string][]benchgateway.Latency{
			"no proxy": {{P50: 0.1, P99: 1}}, haproxy: {{P50: 0.25, P99: 1.4}}, ours: {{P50: 0.2, P99: 1.5}},
		},
		Resident: 32 << 20,
		Accounts: []benchgateway.Account{{Target: ours, Where: "rows in ClickHouse", Requests: 7, Rows: 7}},
	}
	r.Options.Envoy = ""
	return r
}

func row(t *testing.T, rows [][]string, begin string) []string {
	t.Helper()
	for _, r := range rows {
		if strings.HasPrefix(r[0], begin) {
			return r
		}
	}
	t.Fatalf("no row begins with %q", begin)
	return nil
}

// Figures are paired within a repetition, and a goal is judged by the median.
func TestGoals(t *testing.T) {
	r := report()
	for begin, want := range map[string][2]string{
		"1 processor":             {"0.50 h (best 0.40)", "met"}, // 0.5, 0.67, 0.4.
		"2 cold, RS256":           {"2.00 h (best 2.00)", "missed"},
		"2 cold, ES256":           {"–", ""},
		"3 event":                 {"1.05 × (best 1.00)", "met"},
		"4 added latency at":      {"0.10 ms (best 0.10)", "met"},
		"4 added latency, p99":    {"1.25 × (best 1.25)", "met"},
		"8 open streams":          {"make bench-streams", ""},
		"9 resident":              {"32 MiB", "met"},
		"rows in ClickHouse, Vig": {"7 there, 0 dropped", "met"},
	} {
		got := row(t, r.Goals(), begin)
		if got[2] != want[0] || got[3] != want[1] {
			t.Errorf("%s: %q %q, want %q %q", begin, got[2], got[3], want[0], want[1])
		}
	}
}

// A peer that is missing is named, and a row that is missing is no success.
func TestNothingIsLeftOut(t *testing.T) {
	r := report()
	if got := row(t, r.Targets(), "Envoy, plain"); got[1] != "not installed" {
		t.Errorf("Envoy: %q", got)
	}
	if !r.Whole() {
		t.Error("every request is a row, and the report says it is not")
	}
	r.Accounts[0].Rows--
	if r.Whole() {
		t.Error("a row is missing, and the report says it is not")
	}
	if got := row(t, r.Goals(), "rows in ClickHouse"); got[3] != "MISSED" {
		t.Errorf("a missing row: %q", got)
	}
}

func TestOptions(t *testing.T) {
	o := benchgateway.DefaultOptions()
	o.Repetitions, o.Parts = 0, []string{"luke"}
	err := o.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"--repetitions", "--parts", "nginx is missing", "haproxy is missing"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}
