package query_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/analyzer/query"
	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
)

// TestMain ends the shared engine.
func TestMain(m *testing.M) {
	code := m.Run()
	err := olaptest.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// open returns a connection to a migrated database of the test's own.
func open(t *testing.T) driver.Conn {
	t.Helper()
	c := store.DefaultConfig()
	c.Addresses, c.Protocol, c.Database = []string{olaptest.Server(t).Addr()}, store.ProtocolHTTP, olaptest.Database(t)
	_, err := store.Migrate(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// history is an hour of a small installation: 1,000 requests of ten ordinary
// subjects, one address that stuffs, one session that walks and is cut.
const history = `
INSERT INTO requests (tenant, time, kind, id, gateway, epoch, lane, seq, subject, session, address, country, route, method, other_path, template, resource, status, decision, auth_outcome, account, duration_us, bytes_out, support_code, ingested_at)
SELECT 'default', now64(6) - number, 'request', concat('n', toString(number)), 'g1', 1, 0, number + 1, concat('s', toString(number % 10)), concat('x', toString(number % 10)),
 '192.0.2.1', 'DE', if(number % 2 = 0, 'api', 'web'), 'GET', '/a', '/a/{id}', toString(number % 3), if(number % 100 = 0, 500, 200), 'permit', '', '', 1000 * (number % 100), 10, '', now64(3) FROM numbers(1000);
INSERT INTO requests (tenant, time, kind, id, gateway, epoch, lane, seq, address, route, status, decision, auth_outcome, account, ingested_at)
SELECT 'default', now64(6) - number, 'request', concat('f', toString(number)), 'g2', 1, 0, number + 1, '198.51.100.9', 'login', 401, 'permit', if(number = 7, 'success', 'failure'), concat('a', toString(number)), now64(3) FROM numbers(40);
INSERT INTO requests (tenant, time, kind, id, gateway, epoch, lane, seq, subject, session, address, route, template, resource, status, decision, reason, support_code, ingested_at)
SELECT 'default', now64(6) - 60 + number, 'request', concat('w', toString(number)), 'g1', 2, 0, number + 1, 'thief', 'stolen', '203.0.113.5', 'api', '/a/{id}', toString(number), if(number % 2 = 0, if(number % 4 = 2, 429, 404), 200), if(number = 49, 'deny', 'permit'), if(number = 49, 'verdict', ''), if(number = 49, 'VG-CODE-0001', ''), now64(3) FROM numbers(50);
INSERT INTO requests (tenant, time, kind, id, gateway, epoch, ingested_at) SELECT 'default', now64(6), 'session', 'login', 'g1', 2, now64(3);
INSERT INTO losses (time, gateway, epoch, lane, seq, seq_end, n, reason, ingested_at) VALUES (now64(6), 'g1', 2, 0, 51, 60, 10, 'queue_full', now64(3)), (now64(6), 'g1', 2, 1, 1, 3, 3, 'gap', now64(3)), (now64(6), 'g1', 2, 0, 30, 31, 2, 'gap', now64(3));
INSERT INTO gateway_epochs (time, gateway, epoch, lane, seq, ended, kafka_offset, ingested_at) VALUES (now64(3), 'g1', 1, 0, 1000, 'succeeded', 1, now64(3)), (now64(3), 'g1', 1, 0, 1000, 'closed', 2, now64(3)), (now64(3), 'g1', 2, 0, 60, 'timeout', 3, now64(3)), (now64(3), 'g1', 2, 1, 3, 'closed', 4, now64(3)), (now64(3), 'g2', 1, 0, 40, 'timeout', 5, now64(3)), (now64(3), 'g2', 1, 0, 40, 'resumed', 6, now64(3));
INSERT INTO assessments (tenant, time, event_id, subject, session, score, session_score, action, ingested_at) SELECT 'default', now64(6), 'w49', 'thief', 'stolen', 12.5, 20.25, 'revoke', now64(3);
INSERT INTO verdicts (tenant, time, id, epoch, authority, target_kind, target_id, action, until, score, evidence_signal, evidence_group, evidence_nats, evidence_text, evidence_hard, evidence_technique, cause_event_id, public_text, operator_text, subject, ingested_at)
SELECT 'default', now64(6), 'v1', number, 'subject', 'session', 'stolen', 'revoke', now64(6) + 3600, 12.5, ['net.new_country', 'walk.ids'], ['network', 'walk'], [4.5, 8], ['a new country', '50 ids in a row'], [false, false], ['', 'API1:2023'], 'w49', 'please sign in again', 'walked over ids', 'thief', now64(3) FROM numbers(2);
INSERT INTO enforcements (tenant, time, id, verdict_id, action, stream, session, subject, event_to_cut_us, apply_us, support_code, ingested_at)
SELECT 'default', now64(6), concat('e', toString(number)), 'v1', 'revoke', if(number = 0, 'websocket', 'request'), 'stolen', 'thief', 1000 * (number + 1), 100, if(number = 0, 'VG-CODE-0001', ''), now64(3) FROM numbers(4);
INSERT INTO verdicts (tenant, time, id, epoch, authority, target_kind, target_id, action, until, origin, ingested_at)
SELECT 'default', now64(6) - 600, 'v2', 1, 'operator', 'subject', 'lost', 'revoke', now64(6) + 3600, 'operator', now64(3);
INSERT INTO enforcements (tenant, time, id, verdict_id, action, stream, subject, ingested_at) SELECT 'default', now64(6), 'refusal', 'v2', 'revoke', 'request', 'lost', now64(3);
INSERT INTO requests (tenant, time, kind, id, subject, session, address, country, asn, device, ja4, user_agent, latitude, longitude, accuracy_radius_km, network_tags, route, status, decision, bytes_out, resource, kafka_topic, kafka_partition, kafka_offset, ingested_at)
SELECT 'acme', now64(6) - toIntervalDay(10 - number), 'request', concat('d', toString(number)), 'mara', concat('old', toString(number)), '192.0.2.1', 'DE', 3320, 'laptop', 'j1', 'chrome', 52.5, 13.4, 10, [], 'api', 200, 'permit', 10485760, '1', 'vigil.requests', 0, number, now64(3) - 2 FROM numbers(10);
INSERT INTO requests (tenant, time, kind, id, subject, session, address, country, asn, device, ja4, user_agent, latitude, longitude, accuracy_radius_km, network_tags, route, status, decision, bytes_out, resource, kafka_topic, kafka_partition, kafka_offset, ingested_at)
SELECT 'acme', now64(6) - 1 + number / 1000, 'request', concat('m', toString(number)), 'mara', 'mixed', ['192.0.2.1', '203.0.113.5', '203.0.113.6'][number + 1], ['DE', 'BR', 'BR'][number + 1], [3320, 64500, 64500][number + 1], concat('dev', toString(number)), concat('j', toString(number)), 'chrome', [52.5, -23.5, -23.5][number + 1], [13.4, -46.6, -46.6][number + 1], 10, if(number = 1, ['vpn'], []), 'api', 200, 'permit', 104857600, toString(number), 'vigil.requests', 0, 10 + number, now64(3) + 1 FROM numbers(3);
INSERT INTO requests (tenant, time, kind, id, subject, session, route, status, decision, ingested_at)
SELECT 'acme', now64(6), 'request', concat('r', toString(number)), 'bob', 'bobs', 'admin', if(number < 20, 403, if(number < 30, 502, 200)), if(number < 20, 'deny', 'permit'), now64(3) FROM numbers(100);
INSERT INTO assessments (tenant, time, event_id, subject, session, score, session_score, action, shadow, model, phase, ingested_at)
SELECT 'acme', now64(6), concat('as', toString(number)), concat('s', toString(number % 4)), concat('x', toString(number)), 1, number, if(number >= 9, 'step_up', 'observe'), false, 'm1', 'complete', now64(3) FROM numbers(12);
INSERT INTO evidence (tenant, time, event_id, subject, verdict_id, ordinal, signal, signal_group, nats, text, technique, ingested_at)
SELECT 'acme', now64(6), concat('as', toString(number)), 's1', if(number = 2, 'w1', ''), 0, 'geo.new_country', 'network', number, concat('country ', toString(number)), 'T1078', now64(3) FROM numbers(3);
INSERT INTO verdicts (tenant, time, id, epoch, seq, authority, target_kind, target_id, action, until, origin, model, ingested_at)
SELECT 'acme', now64(6) - 100, concat('w', toString(number)), 1, number, 'subject', 'session', if(number < 4, 't', toString(number)), if(number = 3, 'observe', 'revoke'), now64(6) + if(number = 9, -1, 3600), 'model', 'm1', now64(3) FROM numbers(10);
INSERT INTO verdicts (tenant, time, id, epoch, seq, authority, target_kind, target_id, action, until, clears_authority, clears_epoch, clears_seq, ingested_at)
SELECT 'acme', now64(6) - 100, concat('c', toString(number)), 1, 5, if(number = 0, 'facet', 'operator'), 'address', '192.0.2.99', if(number = 0, 'block', 'observe'), now64(6) + 3600, if(number = 0, [], ['facet']), if(number = 0, [], [1]), if(number = 0, [], [5]), now64(3) FROM numbers(2);
INSERT INTO labels (tenant, time, verdict_id, label, label_by, ingested_at) VALUES ('acme', '2026-01-01 00:00:00', 'w4', 'false_alarm', 'ana', now64(3)), ('acme', '2026-01-02 00:00:00', 'w4', 'confirmed', 'ben', now64(3)), ('acme', '2026-01-02 00:00:00', 'w5', 'false_alarm', 'ben', now64(3));
INSERT INTO incident_findings (tenant, verdict_id, ordinal, incident_id, merges, time, target_kind, target_id, action, score, announced, hard, signals, shown_kind, shown_id, behind_kind, behind_id, ingested_at)
SELECT 'acme', concat('w', toString(number)), number + 1, ['IN-1', 'IN-2', 'IN-1', 'IN-3'][number + 1], if(number = 2, ['IN-2'], []), now64(6) - 100 + number, 'address', concat('203.0.113.', toString(number)), if(number = 3, 'revoke', 'throttle'), 7, number != 1, false, ['stuffing.accounts'], ['ja4'], ['tool'], [], [], now64(3) FROM numbers(4);
INSERT INTO incident_words (tenant, time, incident_id, word, text, said_by, ingested_at) VALUES ('acme', now64(6), 'IN-2', 'assign', 'ben', 'ana', now64(3)), ('acme', now64(6) + 1, 'IN-1', 'acknowledge', '', 'ben', now64(3)), ('acme', now64(6), 'IN-3', 'close', 'over', 'ben', now64(3))`

func fill(t *testing.T) driver.Conn {
	t.Helper()
	conn := open(t)
	for statement := range strings.SplitSeq(history, ";\n") {
		err := conn.Exec(t.Context(), statement)
		if err != nil {
			t.Fatalf("%v in %s", err, statement)
		}
	}
	return conn
}

// Every question runs on generated data, and says what the data was made to say.
func TestQuestions(t *testing.T) {
	conn := fill(t)
	tests := map[string]struct {
		params map[string]string
		pick   []string // The columns to compare, with the rows in full.
		want   [][]string
	}{
		"traffic": {
			pick: []string{"route", "requests", "refused", "failed", "subjects"},
			want: [][]string{{"api", "550", "1", "10", "6"}, {"web", "500", "0", "0", "5"}, {"login", "40", "0", "0", "1"}},
		},
		"timeline": {
			params: map[string]string{"subject": "thief", "limit": "2"},
			pick:   []string{"event_id", "status", "decision", "score", "session_score", "action"},
			want:   [][]string{{"w49", "200", "deny", "12.5", "20.25", "revoke"}, {"w48", "404", "permit", "0", "0", ""}},
		},
		"why": {
			params: map[string]string{"code": "VG-CODE-0001"},
			pick:   []string{"verdict_id", "signal", "nats", "text", "technique"},
			want:   [][]string{{"v1", "walk.ids", "8", "50 ids in a row", "API1:2023"}, {"v1", "net.new_country", "4.5", "a new country", ""}},
		},
		"stuffing": {
			pick: []string{"address", "accounts", "tries", "failures", "successes", "failure_share"},
			want: [][]string{{"198.51.100.9", "40", "40", "39", "1", "0.975"}},
		},
		"latency": {
			pick: []string{"stream", "cuts", "p50_ms", "max_ms", "apply_p99_ms"},
			want: [][]string{{"request", "3", "3", "4", "0.1"}, {"websocket", "1", "1", "1", "0.1"}},
		},
		"accounting": {
			// Numbers 30 and 31 were missing once and have come since.
			pick: []string{"gateway", "epoch", "requests", "sessions", "dropped", "missing", "repeated", "ended"},
			want: [][]string{{"", "0", "113", "0", "0", "0", "0", ""}, {"g1", "1", "1000", "0", "0", "0", "0", "closed"}, {"g1", "2", "50", "1", "10", "3", "0", "timeout"}, {"g2", "1", "40", "0", "0", "0", "0", ""}},
		},
		"verdicts": {
			pick: []string{"verdict_id", "action", "target", "top", "cut", "fastest_ms"},
			want: [][]string{{"v1", "revoke", "session stolen", "walk.ids", "4", "1"}, {"v2", "revoke", "subject lost", "", "1", "<nil>"}},
		},
		"walks": {
			pick: []string{"subject", "session", "template", "resources", "requests", "refused_share"},
			want: [][]string{{"thief", "stolen", "/a/{id}", "50", "50", "0.5"}},
		},
		"explain": {
			params: map[string]string{"code": "VG-CODE-0001"},
			pick:   []string{"what", "id", "verdict_id", "action", "reason", "public_text"},
			want: [][]string{
				{"request", "w49", "", "deny", "verdict", ""},
				{"verdict", "v1", "v1", "revoke", "walked over ids", "please sign in again"},
				{"enforcement", "e0", "v1", "revoke", "websocket", ""},
			},
		},
		"hijacks": {
			params: map[string]string{"tenant": "acme"},
			pick:   []string{"subject", "session", "addresses", "countries", "devices", "ja4s", "user_agents", "requests"},
			want:   [][]string{{"mara", "mixed", "3", "[BR DE]", "3", "3", "1", "3"}},
		},
		"new_places": {
			params: map[string]string{"tenant": "acme"},
			pick:   []string{"subject", "countries", "asns", "known_countries", "known_days", "requests"},
			want:   [][]string{{"mara", "[BR]", "[64500]", "[DE]", "10", "3"}},
		},
		"travel": {
			params: map[string]string{"tenant": "acme"},
			pick:   []string{"subject", "from_country", "to_country", "from_address", "to_address", "network_tags"},
			want:   [][]string{{"mara", "DE", "BR", "192.0.2.1", "203.0.113.5", "[vpn]"}},
		},
		"exfiltration": {
			params: map[string]string{"tenant": "acme"},
			pick:   []string{"subject", "mib", "usual_mib", "highest_mib", "times_own", "times_others", "requests", "resources"},
			want:   [][]string{{"mara", "300", "10", "10", "30", "30", "3", "3"}},
		},
		"scores": {
			params: map[string]string{"tenant": "acme"},
			pick:   []string{"model", "from_nats", "to_nats", "events", "share", "subjects", "acted"},
			want:   [][]string{{"m1", "0", "3", "3", "0.25", "3", "0"}, {"m1", "3", "6", "3", "0.25", "3", "0"}, {"m1", "6", "9", "3", "0.25", "3", "0"}, {"m1", "9", "12", "3", "0.25", "3", "3"}},
		},
		"thresholds": {
			params: map[string]string{"tenant": "acme", "steps": "3", "step": "4"},
			pick:   []string{"threshold", "sessions", "subjects", "per_10000", "acted"}, // Of twelve sessions, a day each.
			want:   [][]string{{"6", "6", "4", "10000", "3"}, {"10", "2", "2", "5000", "2"}, {"14", "0", "0", "0", "0"}},
		},
		"evidence": {
			params: map[string]string{"tenant": "acme"},
			pick:   []string{"signal", "signal_group", "technique", "events", "nats", "highest_nats", "verdicts", "example"},
			want:   [][]string{{"geo.new_country", "network", "T1078", "3", "3", "2", "1", "country 2"}},
		},
		"routes": {
			params: map[string]string{"tenant": "acme"},
			pick:   []string{"route", "requests", "refused", "refused_share", "failed", "failed_share", "client_errors"},
			want:   [][]string{{"admin", "100", "20", "0.2", "10", "0.1", "20"}},
		},
		"lateness": {
			pick: []string{"kafka_topic", "kafka_partition", "rows", "first_offset", "last_offset", "future", "missing", "dropped"},
			want: [][]string{{"", "0", "1191", "0", "0", "0", "5", "10"}, {"vigil.requests", "0", "13", "0", "12", "0", "0", "0"}},
		},
		"revocations": {
			params: map[string]string{"tenant": "acme"},
			pick:   []string{"target", "action", "verdict_id"},
			want:   [][]string{{"session 4", "revoke", "w4"}, {"session 5", "revoke", "w5"}, {"session 6", "revoke", "w6"}, {"session 7", "revoke", "w7"}, {"session 8", "revoke", "w8"}},
		},
		"incidents": {
			params: map[string]string{"tenant": "acme"},
			pick:   []string{"id", "state", "owner", "severity", "verdicts", "waiting", "addresses"},
			want:   [][]string{{"IN-1", "acknowledged", "ben", "low", "2", "1", "[203.0.113.0 203.0.113.1 203.0.113.2]"}},
		},
		"incident": {
			params: map[string]string{"tenant": "acme", "id": "IN-2"}, // Merged into another.
			pick:   []string{"what", "verdict_id", "action", "target", "shown", "text"},
			want: [][]string{
				{"verdict", "w0", "throttle", "address 203.0.113.0", "[ja4 tool]", ""},
				{"waiting", "w1", "throttle", "address 203.0.113.1", "[ja4 tool]", ""},
				{"verdict", "w2", "throttle", "address 203.0.113.2", "[ja4 tool]", ""},
				{"word", "", "assign", "", "[]", "ana: ben"},
				{"word", "", "acknowledge", "", "[]", "ben"},
			},
		},
		"precision": {
			params: map[string]string{"tenant": "acme"},
			pick:   []string{"model", "action", "verdicts", "confirmed", "false_alarms", "unlabelled", "precision", "at_least"},
			want:   [][]string{{"m1", "observe", "1", "0", "0", "1", "<nil>", "<nil>"}, {"m1", "revoke", "9", "1", "1", "7", "0.5", "0.095"}},
		},
	}
	for _, q := range query.Names() {
		t.Run(q.Name, func(t *testing.T) {
			tt, ok := tests[q.Name]
			if !ok {
				t.Fatal("the question has no test")
			}
			columns, rows, err := query.Run(t.Context(), conn, q.Name, tt.params)
			if err != nil {
				t.Fatal(err)
			}
			var got [][]string
			for _, row := range rows {
				var cells []string
				for _, name := range tt.pick {
					for i, c := range columns {
						if c == name {
							cells = append(cells, fmt.Sprint(row[i]))
						}
					}
				}
				got = append(got, cells)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

// What the head of a file says is what the SQL does.
func TestDocumentationFitsTheSQL(t *testing.T) {
	conn := open(t)
	placeholder := regexp.MustCompile(`\{(\w+):(\w+)\}`)
	for _, q := range query.Names() {
		params := make(map[string]string)
		used := make(map[string]string)
		for _, match := range placeholder.FindAllStringSubmatch(q.SQL, -1) {
			used[match[1]] = match[2]
		}
		documented := make(map[string]string)
		for _, p := range q.Params {
			documented[p.Name] = p.Type
			if p.Required {
				params[p.Name] = "x"
			}
		}
		if diff := cmp.Diff(used, documented); diff != "" {
			t.Errorf("%s: parameters (-used +documented):\n%s", q.Name, diff)
		}
		_, _, err := query.Run(t.Context(), conn, q.Name, params)
		if err != nil {
			t.Errorf("%s on empty tables: %v", q.Name, err)
		}
		sql := placeholder.ReplaceAllStringFunc(q.SQL, func(s string) string {
			if strings.HasSuffix(s, ":String}") {
				return "'x'"
			}
			return "1"
		})
		var names []string
		rows, err := conn.Query(t.Context(), "DESCRIBE TABLE ("+sql+")")
		if err != nil {
			t.Fatalf("%s: %v", q.Name, err)
		}
		for rows.Next() {
			var name, kind, skip string
			err = rows.Scan(&name, &kind, &skip, &skip, &skip, &skip, &skip)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
		err = errors.Join(rows.Err(), rows.Close())
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, c := range q.Columns {
			want = append(want, c.Name)
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%s: columns (-documented +real):\n%s", q.Name, diff)
		}
	}
}

// No value reaches the SQL's text, and every fault is named.
func TestParametersAreChecked(t *testing.T) {
	conn := fill(t)
	tests := map[string]struct {
		name   string
		params map[string]string
		want   error
	}{
		"unknown question":       {name: "nope", want: query.ErrUnknown},
		"required parameter":     {name: "timeline", want: query.ErrParameters},
		"unknown parameter":      {name: "traffic", params: map[string]string{"hour": "1"}, want: query.ErrParameters},
		"not a number":           {name: "traffic", params: map[string]string{"hours": "1; DROP TABLE requests"}, want: query.ErrParameters},
		"too long":               {name: "traffic", params: map[string]string{"tenant": strings.Repeat("x", query.ValueBytesMax+1)}, want: query.ErrParameters},
		"hostile text is a text": {name: "timeline", params: map[string]string{"subject": "' OR 1=1 -- \\"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, rows, err := query.Run(t.Context(), conn, tt.name, tt.params)
			if !errors.Is(err, tt.want) {
				t.Errorf("error = %v, want %v", err, tt.want)
			}
			if len(rows) > 0 {
				t.Errorf("%d rows, want none", len(rows))
			}
		})
	}
}

// An answer is cut at RowsMax and says so.
func TestAnswersAreBounded(t *testing.T) {
	conn := open(t)
	err := conn.Exec(t.Context(), "INSERT INTO requests (tenant, time, subject, id, ingested_at) SELECT 'default', now64(6), 's', toString(number), now64(3) FROM numbers(30000)")
	if err != nil {
		t.Fatal(err)
	}
	_, rows, err := query.Run(t.Context(), conn, "timeline", map[string]string{"subject": "s", "limit": "30000"})
	if !errors.Is(err, query.ErrTruncated) || len(rows) != query.RowsMax {
		t.Errorf("%d rows and %v, want %d and %v", len(rows), err, query.RowsMax, query.ErrTruncated)
	}
}
