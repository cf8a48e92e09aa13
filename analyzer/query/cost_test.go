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
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/vigil-gateway/vigil/analyzer/query"
	"github.com/vigil-gateway/vigil/schemas/clickhouse"
)

// bytesMax is what a row of requests may take on disk, its skip indexes included.
const bytesMax = 60

// Shares of events, in percent: with evidence, and with a session that is under
// some suspicion. Measured over three days of 120 ordinary lives (package
// cmd/internal/life) after a week of learning: 9.5 and 45.6.
const (
	evidenceShare  = 10
	suspectedShare = 46
)

// asked is how many events ROWS asks for, or otherwise where it is not set.
func asked(t *testing.T, otherwise int) int {
	t.Helper()
	text := os.Getenv("ROWS")
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1000 {
		t.Fatalf("ROWS=%s: want a number of events from 1000 on", text)
	}
	return n
}

// What an event takes on disk, and each question beside a bare scan of the
// columns that it reads. ROWS events, 10 million unless set.
func TestCost(t *testing.T) {
	rows := asked(t, 10_000_000)
	conn := open(t)
	fillWeek(t, conn, rows)
	for _, table := range clickhouse.Tables() {
		if table.Columns != nil {
			run(t, conn, "OPTIMIZE TABLE "+table.Name+" FINAL")
		}
	}
	disk(t, conn, rows)
	questions(t, conn)
}

// fillWeek stores so many events, in order, up to now, as dense as ten million a week.
func fillWeek(t *testing.T, conn driver.Conn, rows int) {
	t.Helper()
	const step = 7 * 24 * time.Hour / 10_000_000
	const chunk = 1_000_000
	start := time.Now().Add(-step * time.Duration(rows))
	for from := 0; from < rows; from += chunk {
		run(t, conn, strings.NewReplacer(
			"{from}", strconv.Itoa(from), "{rows}", strconv.Itoa(min(chunk, rows-from)),
			"{start}", strconv.FormatInt(start.UnixMicro(), 10), "{step}", strconv.FormatInt(step.Microseconds(), 10),
		).Replace(traffic))
	}
	for _, statement := range judged {
		run(t, conn, strings.NewReplacer("{evidence}", strconv.Itoa(evidenceShare), "{suspected}", strconv.Itoa(suspectedShare)).Replace(statement))
	}
}

func run(t *testing.T, conn driver.Conn, statement string) {
	t.Helper()
	err := conn.Exec(t.Context(), statement)
	if err != nil {
		t.Fatalf("%v in %.200s", err, statement)
	}
}

// disk prints the bytes of each table, and of the columns and skip indexes of
// those with a row per event.
func disk(t *testing.T, conn driver.Conn, rows int) {
	t.Helper()
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "table, column or index\tbytes an event\tbytes a row\t")
	for _, q := range []string{
		"SELECT table AS name, toFloat64(sum(bytes_on_disk)), sum(parts.rows) FROM system.parts WHERE database = currentDatabase() AND active GROUP BY name ORDER BY 2 DESC",
		`SELECT concat(table, '.', column) AS name, toFloat64(sum(column_bytes_on_disk)) AS bytes, sum(parts_columns.rows) FROM system.parts_columns
		WHERE database = currentDatabase() AND active AND table IN ('requests', 'assessments', 'evidence') GROUP BY table, column HAVING bytes > 0.05 * {rows} ORDER BY table, bytes DESC`,
		`SELECT concat(table, ': index ', name), toFloat64(data_compressed_bytes), toUInt64(0) FROM system.data_skipping_indices WHERE database = currentDatabase() AND data_compressed_bytes > 0.05 * {rows} ORDER BY 1`,
	} {
		answer, err := conn.Query(t.Context(), strings.ReplaceAll(q, "{rows}", strconv.Itoa(rows)))
		if err != nil {
			t.Fatal(err)
		}
		for answer.Next() {
			var name string
			var bytes float64
			var n uint64
			err = answer.Scan(&name, &bytes, &n)
			if err != nil {
				t.Fatal(err)
			}
			each := bytes / float64(rows)
			fmt.Fprintf(w, "%s\t%.2f\t%.2f\t\n", name, each, bytes/float64(max(n, 1)))
			if name == "requests" && each > bytesMax {
				t.Errorf("a request takes %.1f bytes, %d are allowed", each, bytesMax)
			}
		}
		if answer.Err() != nil {
			t.Fatal(answer.Err())
		}
	}
	_ = w.Flush()
	t.Logf("%d events\n%s", rows, b.String())
}

// answerMax is how long a question may take on two cores that do nothing else.
// What is asked is the processor time of both, which a busy machine hardly changes.
const answerMax = 200 * time.Millisecond

// questions prints the least of three times of each, and of the bare scan: on the
// clock, and of all processors.
func questions(t *testing.T, conn driver.Conn) {
	t.Helper()
	var subject string
	err := conn.QueryRow(t.Context(), "SELECT subject FROM requests ORDER BY time DESC LIMIT 1").Scan(&subject)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "question\tms\tof processors, ms\tbare scan, ms\tof processors, ms\tratio of processors\t")
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
		asked, work := least(t, func(ctx context.Context) error {
			_, _, err := query.Run(ctx, conn, q.Name, params)
			return err //nolint:wrapcheck // Printed as it is.
		})
		bare, bareWork := least(t, func(ctx context.Context) error {
			for _, s := range scans(q.SQL) {
				err := conn.Exec(ctx, s)
				if err != nil {
					return fmt.Errorf("%w in %s", err, s)
				}
			}
			return nil
		})
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.0f\t%.0f\t%.2f\t\n", q.Name, 1e3*asked.Seconds(), 1e3*work.Seconds(), 1e3*bare.Seconds(), 1e3*bareWork.Seconds(), work.Seconds()/bareWork.Seconds())
		if work > 2*answerMax {
			t.Errorf("%s takes %v of two processors, %v are allowed", q.Name, work, 2*answerMax)
		}
	}
	_ = w.Flush()
	t.Logf("\n%s", b.String())
}

func least(t *testing.T, f func(context.Context) error) (clock, work time.Duration) {
	t.Helper()
	clock, work = time.Hour, time.Hour
	for range 3 {
		start, before := time.Now(), processors(t)
		err := f(t.Context())
		if err != nil {
			t.Error(err)
		}
		clock, work = min(clock, time.Since(start)), min(work, processors(t)-before)
	}
	return clock, work
}

// processors is the time that this process, engine included, has had of all processors.
func processors(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
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
