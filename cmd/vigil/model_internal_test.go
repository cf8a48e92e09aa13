package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/analyzer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// TestModelDiffSaysEveryChange changes one value after the other: what changes
// the digest is said, in both directions.
func TestModelDiffSaysEveryChange(t *testing.T) {
	const rule = "{id: rule.a, group: walk, owner: o, text: t, nats: 1, expression: 'true'}"
	const exception = "{id: EX-1, owner: o, reason: r, from: 2026-01-01, until: 2026-01-31, route: a}"
	const class = "{id: c, routes: [a], signals: [{id: scan.paths, weight: 2}]}"
	const peers = "{id: ops, client_ids: [a]}"
	const trees = "{id: trees.a, kind: trees, file: lightgbm-numeric.txt, text: t, owner: o, features: [" +
		"{name: bytes_out, from: event.bytes_out}, {name: requests_per_minute, from: state.minute_requests}, {name: distinct_paths, from: state.hour_resources}, " +
		"{name: country_code, from: event.asn}, {name: failures, from: state.failures}]}"
	base := map[string]string{"rules: [": rule, "models: [": trees, "exceptions: [": exception, "route_classes: [": class, "peer_groups: [": peers}
	changed := map[string][]string{
		"": {
			"mode: enforce", "signals: [{id: scan.paths, on: false}]", "signals: [{id: scan.paths, weight: 3}]", "signals: [{id: scan.paths, max: 3}]",
			"signals: [{id: scan.paths, ceiling: throttle}]", "groups: [{id: walk, clip: 3}]", "learning: {quarantine: 31m}", "learning: {confidence: 4}",
			"learning: {concentration: 4}", "learning: {half_life: 31d}", "volume: {kappa: 0.2}", "volume: {tail: 2}", "volume: {look: 2}", "session: {half_life: 31m}",
			"session: {floor: -1}", "session: {block: 61s}", "session: {hysteresis: 0.5}", "ladders: [{kind: address, rungs: [{action: block, threshold: 14, for: 1h}]}]",
			"ladders: [{kind: address, rungs: [{action: throttle, threshold: 9, for: 10m}, {action: block, threshold: 14, for: 1h}]}]",
			"ladders: [{kind: address, rungs: [{action: throttle, threshold: 8, for: 11m}, {action: block, threshold: 14, for: 1h}]}]",
			"ladders: [{kind: address, rungs: [{action: throttle, threshold: 8, for: 10m, groups: [walk]}, {action: block, threshold: 14, for: 1h}]}]",
			"budget: [{kind: service, revoke: 2}]", "budget: [{kind: address, throttle: 2}]", "limits: {sessions_max: 1}", "limits: {subjects_max: 1}", "limits: {addresses_max: 1}", "limits: {tenants_max: 1}", "limits: {rule_cost_max: 1999}", "limits: {detectors_max: 1}",
		},
		"rules: [": {
			"", strings.ReplaceAll(rule, "rule.a", "rule.b"), strings.ReplaceAll(rule, "walk", "volume"), strings.ReplaceAll(rule, "owner: o", "owner: p"),
			strings.ReplaceAll(rule, "text: t", "text: u"), strings.ReplaceAll(rule, "nats: 1", "nats: 2"), strings.ReplaceAll(rule, "'true'", "'false'"),
			strings.ReplaceAll(rule, "owner: o", "owner: o, ceiling: block"), strings.ReplaceAll(rule, "owner: o", "owner: o, technique: T1"),
			strings.ReplaceAll(rule, "owner: o", "owner: o, kinds: [human]"),
		},
		"models: [": {
			"", strings.ReplaceAll(trees, "trees.a", "trees.b"), strings.ReplaceAll(trees, "lightgbm-numeric", "lightgbm-missing"), strings.ReplaceAll(trees, "text: t", "text: u"),
			strings.ReplaceAll(trees, "owner: o", "owner: p"), strings.ReplaceAll(trees, "event.asn", "event.status"), strings.ReplaceAll(trees, "text: t", "text: t, max: 3"),
			strings.ReplaceAll(trees, "text: t", "text: t, weight: 3"), strings.ReplaceAll(trees, "text: t", "text: t, ceiling: block"), strings.ReplaceAll(trees, "text: t", "text: t, technique: T1"),
			strings.ReplaceAll(trees, "text: t", "text: t, kinds: [human]"), strings.ReplaceAll(trees, "text: t", "text: t, group: volume"),
			strings.ReplaceAll(trees, "text: t", "text: t, calibration: {points: [{margin: 0, nats: 0}, {margin: 1, nats: 1}]}"),
		},
		"exceptions: [": {
			"", strings.ReplaceAll(exception, "EX-1", "EX-2"), strings.ReplaceAll(exception, "owner: o", "owner: p"), strings.ReplaceAll(exception, "reason: r", "reason: s"),
			strings.ReplaceAll(exception, "2026-01-01", "2026-01-02"), strings.ReplaceAll(exception, "2026-01-31", "2026-01-31T01:00:00Z"),
			strings.ReplaceAll(exception, "route: a", "route: b"), strings.ReplaceAll(exception, "route: a", "subject: a"), strings.ReplaceAll(exception, "route: a", "client_id: a"),
			strings.ReplaceAll(exception, "route: a", "prefix: 10.0.0.0/8"), strings.ReplaceAll(exception, "route: a", "route: a, signals: [scan.paths]"),
		},
		"route_classes: [": {
			"", strings.ReplaceAll(class, "id: c", "id: d"), strings.ReplaceAll(class, "[a]", "[b]"), strings.ReplaceAll(class, "[a]", "[a], templates: [/x]"),
			strings.ReplaceAll(class, "weight: 2", "weight: 3"), strings.ReplaceAll(class, "scan.paths", "geo.new_country"), strings.ReplaceAll(class, "[{id: scan.paths, weight: 2}]", "[]"),
		},
	}
	changed["peer_groups: ["] = []string{
		"", strings.ReplaceAll(peers, "ops", "op"), strings.ReplaceAll(peers, "[a]", "[b]"), strings.ReplaceAll(peers, "[a]", "[a], tenants: [t]"),
		strings.ReplaceAll(peers, "[a]", "[a], subject_kinds: [human]"), strings.ReplaceAll(peers, "[a]", "[a], attributes: [{name: roles, values: [x]}]"),
	}
	write := func(section, value string) string {
		var b strings.Builder
		for s, v := range base {
			if s == section {
				v = value
			}
			b.WriteString(s + v + "]\n")
		}
		if section == "" {
			b.WriteString(value + "\n")
		}
		return b.String()
	}
	parse := func(text string) *model.Model {
		m, err := model.ParseWith("m.yaml", []byte(text), analyzer.Beside("../../testdata/trees/m.yaml"))
		if err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		return m
	}
	old := parse(write("", ""))
	if lines := modelDiff(old, parse(write("", "name: other"))); len(lines) > 0 {
		t.Errorf("models that are the same differ: %v", lines)
	}
	for section, values := range changed {
		for _, value := range values {
			now := parse(write(section, value))
			for _, lines := range [][]string{modelDiff(old, now), modelDiff(now, old)} {
				if len(lines) == 0 || strings.HasPrefix(lines[0], "they are written otherwise") {
					t.Errorf("%s%s: says %q", section, value, lines)
				}
			}
		}
	}
}

func TestLineDiff(t *testing.T) {
	tests := map[string]struct {
		a, b string
		want []string
	}{
		"equal texts have none":            {"a\nb\n", "a\nb\n", nil},
		"a line that is another":           {"a\nb\nc\n", "a\nx\nc\n", []string{"  a", "- b", "+ x", "  c"}},
		"a line that is gone":              {"a\nb\n", "a\n", []string{"  a", "- b"}},
		"a line that is new":               {"", "a\n", []string{"- ", "+ a"}},
		"what is far from a change is cut": {"1\n2\n3\n4\n5\n", "1\n2\n3\n4\n6\n", []string{"  … 2 equal lines", "  3", "  4", "- 5", "+ 6"}},
		"common lines in between":          {"a\nb\nc\nd\n", "b\nx\nd\ne\n", []string{"- a", "  b", "- c", "+ x", "  d", "+ e"}},
		"a diff is bounded":                {strings.Repeat("a\n", 100), strings.Repeat("b\n", 100), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := lineDiff(tt.a, tt.b)
			if name == "a diff is bounded" {
				if len(got) != diffShown+1 || got[diffShown] != "  … and 140 more lines" {
					t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
