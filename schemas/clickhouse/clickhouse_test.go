package clickhouse_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

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
	applied, err := clickhouse.Migrate(t.Context(), conn, clickhouse.Form{})
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
	compare(t, golden, b.String())
}

// compare compares text with a golden file.
func compare(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		err := os.WriteFile(path, []byte(got), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the schema changed (-want +got):\n%s", diff)
	}
}

// What is applied is not applied again.
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
		if s.Applied.IsZero() || s.BrokeOff() {
			t.Errorf("migration %d: %+v", s.Version, s)
		}
	}
}

// lossy loses the answer of the statement of a migration that follows the first
// one whose end was noted, and all after it, but for the word that its turn is over.
type lossy struct {
	driver.Conn

	noted, lost bool
}

var errLost = errors.New("connection lost")

func (l *lossy) Exec(ctx context.Context, query string, args ...any) error {
	switch {
	case strings.Contains(query, "migration_turns (turn, holder)") || strings.Contains(query, "(turn, holder, ended)"):
		return l.Conn.Exec(ctx, query, args...) //nolint:wrapcheck // As the connection says it.
	case l.lost:
		return errLost
	}
	err := l.Conn.Exec(ctx, query, args...)
	if err != nil {
		return err //nolint:wrapcheck // As the connection says it.
	}
	switch {
	case strings.HasPrefix(query, "INSERT INTO migration_turns "):
		l.noted = true
	case l.noted && !strings.HasPrefix(query, "INSERT INTO migrations "):
		l.lost = true
		return errLost
	}
	return nil
}

// A migration that breaks off at any statement is told, and goes on there: each
// one is executed twice here, and none of those before it again.
func TestMigrationsThatBreakOffAtEveryStatement(t *testing.T) {
	conn := open(t)
	all := clickhouse.Migrations()
	statements, applied := 0, 0
	for _, m := range all {
		statements += len(m.Statements)
	}
	for i := range statements - 1 {
		n, err := clickhouse.Migrate(t.Context(), &lossy{Conn: conn}, clickhouse.Form{})
		if !errors.Is(err, errLost) {
			t.Fatalf("Migrate for the %dth time = %v", i+1, err)
		}
		applied += n
		pending, err := clickhouse.Plan(t.Context(), conn)
		if err != nil || len(pending) != len(all)-applied || !pending[0].BrokeOff() {
			t.Fatalf("Plan = %+v, %v, want %d of which one broke off", pending, err, len(all)-applied)
		}
	}
	pending, err := clickhouse.Plan(t.Context(), conn)
	if err != nil || len(pending) != 1 || len(pending[0].Left()) != 1 {
		t.Errorf("Plan = %+v, %v, want the last statement of one", pending, err)
	}
	err = clickhouse.Verify(t.Context(), conn)
	if !errors.Is(err, clickhouse.ErrDrift) || !strings.Contains(err.Error(), "broke off") {
		t.Errorf("Verify = %v, want one that broke off", err)
	}
	migrate(t, conn, len(all)-applied)
	migrate(t, conn, 0)
	err = clickhouse.Verify(t.Context(), conn)
	if err != nil {
		t.Errorf("Verify = %v", err)
	}
}

// A process that is behind another one notes a begin after its end: nothing is
// executed again.
func TestABeginThatComesLate(t *testing.T) {
	conn := open(t)
	all := clickhouse.Migrations()
	migrate(t, conn, len(all))
	for _, m := range all {
		err := conn.Exec(t.Context(), fmt.Sprintf("INSERT INTO migrations (version, name, checksum, finished) SELECT %d, '%s', '%s', false", m.Version, m.Name, m.Checksum))
		if err != nil {
			t.Fatal(err)
		}
	}
	counting := &lossy{Conn: conn}
	applied, err := clickhouse.Migrate(t.Context(), counting, clickhouse.Form{})
	if err != nil || applied != len(all) || counting.noted {
		t.Errorf("Migrate = %d, %v; executed a statement again: %v", applied, err, counting.noted)
	}
	err = clickhouse.Verify(t.Context(), conn)
	if err != nil {
		t.Errorf("Verify = %v", err)
	}
}

// watched sees the statements of migrations, before they are executed.
type watched struct {
	driver.Conn

	see func(statement string)
}

func (w watched) Exec(ctx context.Context, query string, args ...any) error {
	if !strings.Contains(query, "migration") {
		w.see(query)
	}
	return w.Conn.Exec(ctx, query, args...) //nolint:wrapcheck // As the connection says it.
}

// Analyzers that start together apply each statement once, whoever does it.
func TestOfManyWhoMigrateAtOnceOneDoes(t *testing.T) {
	conn := open(t)
	var mu sync.Mutex
	times, applied, busy := make(map[string]int), 0, 0
	var all errgroup.Group
	for range 4 {
		all.Go(func() error {
			for {
				n, err := clickhouse.Migrate(t.Context(), watched{conn, func(statement string) {
					mu.Lock()
					times[statement]++
					mu.Unlock()
				}}, clickhouse.Form{})
				mu.Lock()
				applied += n
				if err != nil {
					busy++
				}
				mu.Unlock()
				if !errors.Is(err, clickhouse.ErrBusy) {
					return err //nolint:wrapcheck // Told below.
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	err := all.Wait()
	if err != nil || applied != len(clickhouse.Migrations()) || busy == 0 {
		t.Errorf("applied %d, somebody was busy %d times, %v", applied, busy, err)
	}
	for statement, n := range times {
		if n != 1 {
			t.Errorf("executed %d times: %s", n, statement)
		}
	}
	err = clickhouse.Verify(t.Context(), conn)
	if err != nil {
		t.Errorf("Verify = %v", err)
	}
}

// claim writes what a process that began so many seconds ago has left.
func claim(t *testing.T, conn clickhouse.Conn, turn, ago int) {
	t.Helper()
	err := conn.Exec(t.Context(), fmt.Sprintf("INSERT INTO migration_turns (turn, holder, at) SELECT %d, 'another', now64(3) - %d", turn, ago))
	if err != nil {
		t.Fatal(err)
	}
}

// Nobody waits for ever for a process that was killed, and who was only held up
// executes nothing any more once another one has taken over.
func TestATurnLapsesAndIsLost(t *testing.T) {
	conn := open(t)
	_, err := clickhouse.Migrate(t.Context(), &lossy{Conn: conn}, clickhouse.Form{})
	if !errors.Is(err, errLost) {
		t.Fatal(err)
	}
	claim(t, conn, 2, 20)
	_, err = clickhouse.Migrate(t.Context(), conn, clickhouse.Form{})
	if !errors.Is(err, clickhouse.ErrBusy) || !strings.Contains(err.Error(), "another, heard of 20 s ago") {
		t.Errorf("Migrate while somebody is at it = %v", err)
	}
	err = clickhouse.Verify(t.Context(), conn)
	if !errors.Is(err, clickhouse.ErrDrift) || !strings.Contains(err.Error(), "is being applied by another") {
		t.Errorf("Verify while somebody is at it = %v", err)
	}
	claim(t, conn, 3, 40)
	seen := 0
	_, err = clickhouse.Migrate(t.Context(), watched{conn, func(string) {
		seen++
		claim(t, conn, 5, 40)
	}}, clickhouse.Form{})
	if !errors.Is(err, clickhouse.ErrBusy) || seen != 1 {
		t.Errorf("Migrate in spite of another = %v, executed %d statements", err, seen)
	}
	_, err = clickhouse.Migrate(t.Context(), conn, clickhouse.Form{})
	if err != nil {
		t.Errorf("Migrate = %v", err)
	}
	err = clickhouse.Verify(t.Context(), conn)
	if err != nil {
		t.Errorf("Verify = %v", err)
	}
}

// A journal of before begins were noted is understood, and goes on being one.
func TestOlderJournalIsUnderstood(t *testing.T) {
	conn := open(t)
	all := clickhouse.Migrations()
	for _, statement := range []string{
		"CREATE TABLE migrations (version UInt32, name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = ReplacingMergeTree(applied_at) ORDER BY version",
		"INSERT INTO migrations (version, name, checksum) SELECT 1, 'requests', '" + all[0].Checksum + "'",
	} {
		err := conn.Exec(t.Context(), statement)
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range all[0].Statements {
		err := conn.Exec(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
	}
	migrate(t, conn, len(all)-1)
	migrate(t, conn, 0)
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
