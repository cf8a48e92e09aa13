//go:build bench

package query_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// codecColumns is how many columns of requests are tried, the largest.
const codecColumns = 10

// stored is a column as it lies on disk.
type stored struct{ name, kind, codec string }

// candidates are the codecs that are worth a try for a type.
func (c stored) candidates() []string {
	all := []string{"NONE", "LZ4", "ZSTD(1)", "ZSTD(3)", "ZSTD(6)"}
	switch {
	case strings.Contains(c.kind, "Float"):
		all = append(all, "Gorilla, ZSTD(1)", "FPC(12), ZSTD(1)")
	case strings.Contains(c.kind, "Int"), strings.Contains(c.kind, "Date"):
		all = append(all, "Delta, ZSTD(1)", "DoubleDelta, ZSTD(1)", "T64, ZSTD(1)")
	}
	return all
}

// What each of the largest columns of requests takes under each codec that is worth a
// try, in the order of the table, and what it takes to read it: ROWS events, a million
// unless set. A reader also makes values of the bytes, under NONE as well.
func TestCodecs(t *testing.T) {
	rows := asked(t, 1_000_000)
	conn := open(t)
	fillWeek(t, conn, rows)
	run(t, conn, "OPTIMIZE TABLE requests FINAL")
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "column\tcodec\tbytes a row\tns a row to read\tin use\t")
	for _, c := range largest(t, conn) {
		for _, codec := range c.candidates() {
			bytes, ns := try(t, conn, c, codec, rows)
			used := ""
			if codecOf(codec) == codecOf(strings.TrimSuffix(strings.TrimPrefix(c.codec, "CODEC("), ")")) {
				used = "×"
			}
			fmt.Fprintf(w, "%s\t%s\t%.2f\t%.1f\t%s\t\n", c.name, codec, bytes, ns, used)
		}
	}
	_ = w.Flush()
	t.Logf("%d events\n%s", rows, b.String())
}

// codecOf is a codec without the widths that the engine writes behind Delta.
func codecOf(text string) string {
	return strings.NewReplacer("(8)", "", "(4)", "", "(2)", "", " ", "").Replace(text)
}

// largest are the columns that take most.
func largest(t *testing.T, conn driver.Conn) (all []stored) {
	t.Helper()
	rows, err := conn.Query(t.Context(), `SELECT name, type, compression_codec FROM system.columns
WHERE database = currentDatabase() AND table = 'requests' ORDER BY data_compressed_bytes DESC LIMIT `+strconv.Itoa(codecColumns))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c stored
		err = rows.Scan(&c.name, &c.kind, &c.codec)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	if rows.Err() != nil || len(all) != codecColumns {
		t.Fatal(rows.Err(), len(all))
	}
	return all
}

// try stores a column under a codec.
func try(t *testing.T, conn driver.Conn, c stored, codec string, rows int) (bytes, ns float64) {
	t.Helper()
	run(t, conn, "DROP TABLE IF EXISTS tried SYNC")
	run(t, conn, "CREATE TABLE tried (v "+c.kind+" CODEC("+codec+")) ENGINE = MergeTree ORDER BY tuple() SETTINGS min_bytes_for_wide_part = 0")
	run(t, conn, "INSERT INTO tried SELECT "+c.name+" FROM requests ORDER BY tenant, toStartOfHour(time), subject, time SETTINGS max_insert_threads = 1")
	run(t, conn, "OPTIMIZE TABLE tried FINAL")
	var n uint64
	err := conn.QueryRow(t.Context(), "SELECT data_compressed_bytes FROM system.columns WHERE database = currentDatabase() AND table = 'tried'").Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	_, work := least(t, func(ctx context.Context) error {
		return conn.Exec(ctx, "SELECT count() FROM tried WHERE NOT ignore(v) FORMAT Null SETTINGS max_threads = 1") //nolint:wrapcheck // Printed as it is.
	})
	return float64(n) / float64(rows), float64(work.Nanoseconds()) / float64(rows)
}
