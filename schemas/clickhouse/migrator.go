package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Conn is the part of a ClickHouse connection that the migrator needs;
// clickhouse-go's driver.Conn is one. It acts on the connection's database.
type Conn interface {
	Exec(ctx context.Context, query string, args ...any) error
	Select(ctx context.Context, dest any, query string, args ...any) error
}

// ErrChanged means that the journal of a database does not fit the embedded
// migrations: a file was edited after its release, or the database is newer
// than this program.
var ErrChanged = errors.New("journal differs from the embedded migrations")

// ErrDrift means that a table or column that the migrations create is missing.
var ErrDrift = errors.New("schema has drifted")

// Status is one migration and whether a database has it.
type Status struct {
	Migration
	// Applied is zero where the migration is pending.
	Applied time.Time
}

const journal = `CREATE TABLE IF NOT EXISTS migrations
(
    version UInt32,
    name String,
    checksum String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY version`

// entry is one row of the journal.
type entry struct {
	Version   uint32    `ch:"version"`
	Checksum  string    `ch:"checksum"`
	AppliedAt time.Time `ch:"applied_at"`
}

// Migrate applies what is pending and returns how many migrations that were.
// The error wraps [ErrChanged] where the database does not fit; nothing has
// been applied then.
func Migrate(ctx context.Context, conn Conn) (applied int, err error) {
	pending, err := Plan(ctx, conn)
	if err != nil {
		return 0, err
	}
	err = conn.Exec(ctx, journal)
	if err != nil {
		return 0, fmt.Errorf("create the migration journal: %w", err)
	}
	for _, m := range pending {
		for _, statement := range m.Statements {
			err = conn.Exec(ctx, statement)
			if err != nil {
				return applied, fmt.Errorf("apply migration %d %s: %w", m.Version, m.Name, err)
			}
		}
		// The values are our own file's name and a hash: nothing in them needs quoting.
		err = conn.Exec(ctx, fmt.Sprintf("INSERT INTO migrations (version, name, checksum) SELECT %d, '%s', '%s'", m.Version, m.Name, m.Checksum))
		if err != nil {
			return applied, fmt.Errorf("note migration %d %s: %w", m.Version, m.Name, err)
		}
		applied++
	}
	return applied, nil
}

// Plan returns the migrations that are pending, in order.
func Plan(ctx context.Context, conn Conn) ([]Migration, error) {
	all, err := List(ctx, conn)
	if err != nil {
		return nil, err
	}
	var pending []Migration
	for _, s := range all {
		if s.Applied.IsZero() {
			pending = append(pending, s.Migration)
		}
	}
	return pending, nil
}

// List returns every migration with the time at which it was applied.
func List(ctx context.Context, conn Conn) ([]Status, error) {
	rows, err := readJournal(ctx, conn)
	if err != nil {
		return nil, err
	}
	all := Migrations()
	statuses := make([]Status, len(all))
	for i, m := range all {
		statuses[i].Migration = m
	}
	for _, row := range rows {
		if int(row.Version) > len(all) || row.Version == 0 {
			return nil, fmt.Errorf("migration %d is unknown to this version: %w", row.Version, ErrChanged)
		}
		s := &statuses[row.Version-1]
		if row.Checksum != s.Checksum {
			return nil, fmt.Errorf("migration %d %s was applied with checksum %.12s, is %.12s: %w",
				row.Version, s.Name, row.Checksum, s.Checksum, ErrChanged)
		}
		s.Applied = row.AppliedAt
	}
	return statuses, nil
}

// Verify reports every way in which a database is not what the migrations
// make: pending ones, a journal that differs, missing tables and columns. It
// wraps [ErrChanged] or [ErrDrift].
func Verify(ctx context.Context, conn Conn) error {
	pending, err := Plan(ctx, conn)
	if err != nil {
		return err
	}
	var faults []error
	for _, m := range pending {
		faults = append(faults, fmt.Errorf("migration %d %s is pending: %w", m.Version, m.Name, ErrDrift))
	}
	var live []struct {
		Table string `ch:"table"`
		Name  string `ch:"name"`
	}
	err = conn.Select(ctx, &live, "SELECT table, name FROM system.columns WHERE database = currentDatabase()")
	if err != nil {
		return fmt.Errorf("read the live columns: %w", err)
	}
	columns := make(map[string][]string)
	for _, c := range live {
		columns[c.Table] = append(columns[c.Table], c.Name)
	}
	for _, t := range Tables() {
		if columns[t.Name] == nil {
			faults = append(faults, fmt.Errorf("table %s is missing: %w", t.Name, ErrDrift))
			continue
		}
		for _, c := range t.Columns {
			if !slices.Contains(columns[t.Name], c) {
				faults = append(faults, fmt.Errorf("column %s.%s is missing: %w", t.Name, c, ErrDrift))
			}
		}
	}
	return errors.Join(faults...)
}

// readJournal returns what has been applied; a database without a journal has nothing.
func readJournal(ctx context.Context, conn Conn) ([]entry, error) {
	var tables []struct {
		Name string `ch:"name"`
	}
	err := conn.Select(ctx, &tables, "SELECT name FROM system.tables WHERE database = currentDatabase() AND name = 'migrations'")
	if err != nil {
		return nil, fmt.Errorf("look for the migration journal: %w", err)
	}
	if len(tables) == 0 {
		return nil, nil
	}
	var rows []entry
	err = conn.Select(ctx, &rows, "SELECT version, checksum, applied_at FROM migrations FINAL ORDER BY version")
	if err != nil {
		return nil, fmt.Errorf("read the migration journal: %w", err)
	}
	return rows, nil
}
