//go:build bench

package query_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/vigil-gateway/vigil/analyzer/query"
	"github.com/vigil-gateway/vigil/schemas/clickhouse"
)

// traffic is a week of one tenant: 20,000 subjects of whom a few ask most, a
// session a day, a token an hour, and what a request that is traced leaves. Its
// random parts are as random as the real ones: ids are UUIDv7, traces 16 bytes.
const traffic = `
INSERT INTO requests
WITH toUInt64(pow(20000, rand64(1) / 18446744073709551615.)) AS who, now64(6) - rand64(2) % 604800000000 / 1e6 AS at, rand64(3) AS r, toString(generateUUIDv7(r)) AS event
SELECT
    'default' AS tenant, at AS time, 'request' AS kind, event AS id, 'complete' AS phase, event AS request_id,
    concat('gw-', toString(r % 4)) AS gateway, 1 AS epoch, r % 64 AS lane, intDiv(number, 64) AS seq,
    hex(sipHash128('subject', who)) AS subject, 'https://id.example.com' AS issuer, hex(sipHash128('session', who, toDate(at))) AS session, hex(sipHash128('token', who, toStartOfHour(at))) AS token_id,
    concat('app-', toString(who % 5)) AS client_id, hex(sipHash64('device', who)) AS device, 'none' AS binding, 'jwt' AS auth_method, 'urn:example:acr:1' AS acr, ['pwd'] AS amr, toStartOfHour(at) AS auth_time, 'human' AS subject_kind,
    concat('198.51.', toString(who % 100), '.', toString(sipHash64(who, toDate(at)) % 250)) AS address, 64496 + who % 40 AS asn, concat('Network ', toString(who % 40)) AS as_org, ['DE','FR','US','BR','JP'][1 + who % 5] AS country,
    50. + who % 100 / 10 AS latitude, 8. + who % 70 / 10 AS longitude, 20 AS accuracy_radius_km, [] AS network_tags, concat('t13d1516h2_', toString(who % 12)) AS ja4, concat('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/', toString(130 + who % 9), '.0.0.0 Safari/537.36') AS user_agent,
    ['GET','GET','GET','POST','PUT'][1 + r % 5] AS method, 'api.example.com' AS host, concat('/', ['accounts','orders','files','search','reports'][1 + r % 5], '/', toString(intDiv(r, 5) % 5000)) AS path, ['accounts','orders','files','search','reports'][1 + r % 5] AS route,
    concat('/', ['accounts','orders','files','search','reports'][1 + r % 5], '/{id}') AS template, toString(intDiv(r, 5) % 5000) AS resource, 'normal' AS sensitivity, 'eu' AS region,
    multiIf(r % 97 = 0, 403, r % 89 = 0, 404, r % 301 = 0, 502, 200) AS status, if(r % 97 = 0, 'deny', 'permit') AS decision, if(r % 97 = 0, 'scope', '') AS reason, multiIf(r % 199 = 0, 'failure', r % 61 = 0, 'success', 'none') AS auth_outcome, if(auth_outcome = 'none', '', hex(sipHash128('account', who))) AS account,
    r % 2000 AS bytes_in, intDiv(r, 7) % 60000 AS bytes_out, intDiv(r, 11) % 90000 AS duration_us, 0 AS waf_score, [] AS waf_rules, lower(hex(sipHash128('trace', r))) AS trace_id, map() AS attributes, 'request' AS stream, '' AS support_code,
    'vigil.requests' AS kafka_topic, r % 16 AS kafka_partition, number AS kafka_offset, at AS ingested_at
FROM numbers({from}, {rows})`

// judged is what stands beside those requests: an assessment each, evidence for
// one in twenty, 2,000 verdicts.
var judged = []string{ //nolint:gochecknoglobals // A constant: Go has no constant lists.
	`INSERT INTO assessments (tenant, time, stream_time, event_id, subject, session, address, score, session_score, action, model, phase, source_topic, source_partition, source_offset, ingested_at)
SELECT tenant, time, time, id, subject, session, address, if(kafka_offset % 20 = 0, kafka_offset % 70 / 10, 0), kafka_offset % 113 / 12, if(kafka_offset % 5000 = 0, 'step_up', 'observe'), 'sha256:model', 'complete', kafka_topic, kafka_partition, kafka_offset, ingested_at FROM requests`,
	`INSERT INTO evidence (tenant, time, event_id, subject, session, ordinal, signal, signal_group, nats, raw_nats, text, model, ingested_at)
SELECT tenant, time, id, subject, session, 0, ['net.new_network','time.unusual_hour','volume.bytes_out'][1 + kafka_offset % 3], 'network', kafka_offset % 70 / 10, kafka_offset % 70 / 10, 'not seen before in this network', 'sha256:model', ingested_at FROM requests WHERE kafka_offset % 20 = 0`,
	`INSERT INTO verdicts (tenant, time, id, epoch, seq, authority, target_kind, target_id, action, until, score, evidence_signal, evidence_nats, evidence_text, model, origin, subject, ingested_at)
SELECT tenant, time, id, 1, kafka_offset, 'subject', 'session', session, 'step_up', time + 1800, 9, ['net.new_network'], [9], ['not seen before'], 'sha256:model', 'model', subject, ingested_at FROM requests WHERE kafka_offset % 5000 = 0`,
	`INSERT INTO enforcements (tenant, time, id, verdict_id, action, stream, session, subject, event_to_cut_us, apply_us, ingested_at)
SELECT tenant, time, id, id, 'step_up', 'request', session, subject, kafka_offset % 9000, 100, ingested_at FROM requests WHERE kafka_offset % 5000 = 0`,
}

// What an event takes on disk, and each question beside a bare scan of the
// columns that it reads. ROWS events, 10 million unless set.
func TestCost(t *testing.T) {
	rows := 10_000_000
	if text := os.Getenv("ROWS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1000 {
			t.Fatalf("ROWS=%s: want a number of events from 1000 on", text)
		}
		rows = n
	}
	conn := open(t)
	const chunk = 1_000_000
	for from := 0; from < rows; from += chunk {
		run(t, conn, strings.NewReplacer("{from}", strconv.Itoa(from), "{rows}", strconv.Itoa(min(chunk, rows-from))).Replace(traffic))
	}
	for _, statement := range judged {
		run(t, conn, statement+" SETTINGS max_partitions_per_insert_block = 1000")
	}
	for _, table := range clickhouse.Tables() {
		if table.Columns != nil {
			run(t, conn, "OPTIMIZE TABLE "+table.Name+" FINAL")
		}
	}
	disk(t, conn, rows)
	questions(t, conn)
}

func run(t *testing.T, conn driver.Conn, statement string) {
	t.Helper()
	err := conn.Exec(t.Context(), statement)
	if err != nil {
		t.Fatalf("%v in %.200s", err, statement)
	}
}

// disk prints the bytes of each table, and of the widest columns of requests.
func disk(t *testing.T, conn driver.Conn, rows int) {
	t.Helper()
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "table or column\tbytes an event")
	for _, q := range []string{
		"SELECT table, sum(bytes_on_disk) AS bytes FROM system.parts WHERE database = currentDatabase() AND active GROUP BY table ORDER BY bytes DESC LIMIT 12",
		"SELECT concat('requests.', column), sum(column_bytes_on_disk) AS bytes FROM system.parts_columns WHERE database = currentDatabase() AND active AND table = 'requests' GROUP BY column ORDER BY bytes DESC LIMIT 12",
	} {
		answer, err := conn.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for answer.Next() {
			var name string
			var bytes uint64
			err = answer.Scan(&name, &bytes)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(w, "%s\t%.1f\n", name, float64(bytes)/float64(rows))
		}
		if answer.Err() != nil {
			t.Fatal(answer.Err())
		}
	}
	_ = w.Flush()
	t.Logf("%d events\n%s", rows, b.String())
}

// questions prints the least of three times of each, and of the bare scan.
func questions(t *testing.T, conn driver.Conn) {
	t.Helper()
	var subject string
	err := conn.QueryRow(t.Context(), "SELECT subject FROM requests LIMIT 1 BY subject LIMIT 1").Scan(&subject)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "question\tms\tbare scan, ms\tratio\t")
	for _, q := range query.Names() {
		params := map[string]string{}
		for _, p := range q.Params {
			switch {
			case p.Name == "subject":
				params[p.Name] = subject
			case p.Required:
				params[p.Name] = "VG-NONE-0000"
			}
		}
		asked := least(t, func(ctx context.Context) error {
			_, _, err := query.Run(ctx, conn, q.Name, params)
			return err //nolint:wrapcheck // Printed as it is.
		})
		bare := least(t, func(ctx context.Context) error {
			for _, s := range scans(q.SQL) {
				err := conn.Exec(ctx, s)
				if err != nil {
					return fmt.Errorf("%w in %s", err, s)
				}
			}
			return nil
		})
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.2f\t\n", q.Name, 1e3*asked.Seconds(), 1e3*bare.Seconds(), asked.Seconds()/bare.Seconds())
	}
	_ = w.Flush()
	t.Logf("\n%s", b.String())
}

func least(t *testing.T, f func(context.Context) error) time.Duration {
	t.Helper()
	best := time.Hour
	for range 3 {
		start := time.Now()
		err := f(t.Context())
		if err != nil {
			t.Error(err)
		}
		best = min(best, time.Since(start))
	}
	return best
}

// scans reads in full what a question reads of each table: its columns, all of
// its rows.
func scans(sql string) []string {
	var all []string
	for _, table := range clickhouse.Tables() {
		if table.Columns == nil || !regexp.MustCompile(`(?:FROM|JOIN) `+table.Name+`\b`).MatchString(sql) {
			continue
		}
		var columns []string
		for _, c := range table.Columns {
			if regexp.MustCompile(`\b` + c + `\b`).MatchString(sql) {
				columns = append(columns, c)
			}
		}
		slices.Sort(columns)
		all = append(all, "SELECT count() FROM "+table.Name+" WHERE NOT ignore("+strings.Join(columns, ", ")+") FORMAT Null")
	}
	return all
}
