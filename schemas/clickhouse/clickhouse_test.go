package clickhouse_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
	"github.com/vigil-gateway/vigil/schemas/clickhouse"
)

const golden = "../../testdata/clickhouse/schema.golden.sql"

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

func open(t *testing.T) driver.Conn {
	t.Helper()
	conn, err := ch.Open(&ch.Options{
		Protocol: ch.HTTP, Addr: []string{olaptest.Server(t).Addr()},
		Auth: ch.Auth{Database: olaptest.Database(t)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func migrate(t *testing.T, conn clickhouse.Conn, want int) {
	t.Helper()
	applied, err := clickhouse.Migrate(t.Context(), conn)
	if err != nil || applied != want {
		t.Fatalf("Migrate applied %d (%v), want %d", applied, err, want)
	}
}

// A diff of the golden is a change of the schema, reviewed as one.
func TestSchemaGolden(t *testing.T) {
	conn := open(t)
	migrate(t, conn, len(clickhouse.Migrations()))
	var tables []struct {
		Name string `ch:"name"`
		DDL  string `ch:"ddl"`
	}
	err := conn.Select(t.Context(), &tables, `SELECT name, replaceAll(create_table_query, concat(currentDatabase(), '.'), '') AS ddl
		FROM system.tables WHERE database = currentDatabase() ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, table := range tables {
		var text string
		err = conn.QueryRow(t.Context(), "SELECT formatQuery({ddl:String})", ch.Named("ddl", table.DDL)).Scan(&text)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(text + ";\n\n")
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		err = os.WriteFile(golden, []byte(b.String()), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("the schema changed (-want +got):\n%s", diff)
	}
}

// A migration that broke off is applied again; one that is done is not.
func TestMigrateIsRepeatable(t *testing.T) {
	conn := open(t)
	all := clickhouse.Migrations()
	pending, err := clickhouse.Plan(t.Context(), conn)
	if err != nil || len(pending) != len(all) {
		t.Fatalf("Plan = %d migrations (%v), want %d", len(pending), err, len(all))
	}
	err = clickhouse.Verify(t.Context(), conn)
	if !errors.Is(err, clickhouse.ErrDrift) {
		t.Errorf("Verify of an empty database = %v, want %v", err, clickhouse.ErrDrift)
	}
	// The first file broke off after its first statement, before the journal.
	err = conn.Exec(t.Context(), all[0].Statements[0])
	if err != nil {
		t.Fatal(err)
	}
	migrate(t, conn, len(all))
	migrate(t, conn, 0)
	err = clickhouse.Verify(t.Context(), conn)
	if err != nil {
		t.Errorf("Verify = %v", err)
	}
	statuses, err := clickhouse.List(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statuses {
		if s.Applied.IsZero() {
			t.Errorf("migration %d has no time", s.Version)
		}
	}
}

// Each kind of drift is named.
func TestVerifyNamesWhatIsWrong(t *testing.T) {
	tests := map[string]struct {
		damage string
		want   error
		text   string
	}{
		"a column is gone":   {damage: "ALTER TABLE losses DROP COLUMN reason", want: clickhouse.ErrDrift, text: "losses.reason"},
		"a view is gone":     {damage: "DROP VIEW sessions_view SYNC", want: clickhouse.ErrDrift, text: "sessions_view"},
		"a file was edited":  {damage: "INSERT INTO migrations (version, name, checksum) SELECT 1, 'requests', 'abc'", want: clickhouse.ErrChanged, text: "migration 1"},
		"a newer program":    {damage: "INSERT INTO migrations (version, name, checksum) SELECT 999, 'later', 'abc'", want: clickhouse.ErrChanged, text: "999"},
		"nothing is damaged": {damage: "SELECT 1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			conn := open(t)
			migrate(t, conn, len(clickhouse.Migrations()))
			err := conn.Exec(t.Context(), tt.damage)
			if err != nil {
				t.Fatal(err)
			}
			err = clickhouse.Verify(t.Context(), conn)
			if !errors.Is(err, tt.want) || tt.want != nil && !strings.Contains(err.Error(), tt.text) {
				t.Errorf("Verify = %v, want %v that names %q", err, tt.want, tt.text)
			}
		})
	}
}
