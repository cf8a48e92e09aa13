package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Conn is the part of a ClickHouse connection that the migrator needs;
// clickhouse-go's driver.Conn is one. It acts on the connection's database.
type Conn interface {
	Exec(ctx context.Context, query string, args ...any) error
	Select(ctx context.Context, dest any, query string, args ...any) error
}

// Errors that a person has to decide about.
var (
	// ErrChanged means that the journal of a database does not fit the embedded
	// migrations: a file was edited after its release, or the database is newer
	// than this program.
	ErrChanged = errors.New("journal differs from the embedded migrations")
	// ErrDrift means that a table or column that the migrations create is missing.
	ErrDrift = errors.New("schema has drifted")
	// ErrForm means that the tables are replicated and the [Form] that was asked
	// for is not, or the other way round.
	ErrForm = errors.New("the tables stand in another form")
)

// Status is one migration and whether a database has it.
type Status struct {
	Migration
	// Applied is when it was finished; zero where it is pending or has broken off.
	Applied time.Time
	// Begun is when a migration that has broken off was begun, else zero.
	Begun time.Time
}

// BrokeOff reports whether the migration was begun and not finished.
func (s *Status) BrokeOff() bool { return !s.Begun.IsZero() }

// The journal has a row for the begin and one for the end of each migration; of
// each version the last one counts. Beside it stands how far each migration has
// come: one that broke off goes on there, since a later statement may have taken
// away what an earlier one reads. Those rows are only added to, so that another
// process that is behind takes nothing back.
var journal = []string{ //nolint:gochecknoglobals // A constant: Go has no constant lists.
	`CREATE TABLE IF NOT EXISTS migrations
(
    version UInt32,
    name String,
    checksum String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3),
    finished Bool DEFAULT true
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY version`,
	"ALTER TABLE migrations ADD COLUMN IF NOT EXISTS finished Bool DEFAULT true",
	`CREATE TABLE IF NOT EXISTS migration_statements
(
    version UInt32,
    checksum String,
    done UInt32,
    executed_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (version, done)`,
}

// entry is what the journal says of one version.
type entry struct {
	Version   uint32    `ch:"version"`
	Checksum  string    `ch:"checksum"`
	AppliedAt time.Time `ch:"applied_at"`
	Finished  bool      `ch:"finished"`
}

// Migrate applies what is pending, and again what broke off. It returns how many migrations it has finished. The error
// wraps [ErrChanged] or [ErrForm] where the database does not fit; nothing has
// been applied then.
func Migrate(ctx context.Context, conn Conn, f Form) (applied int, err error) {
	err = f.Validate()
	if err != nil {
		return 0, err
	}
	pending, err := Plan(ctx, conn)
	if err == nil {
		err = checkForm(ctx, conn, f)
	}
	if err != nil {
		return 0, err
	}
	for _, statement := range journal {
		err = conn.Exec(ctx, f.render(statement, journalPlace))
		if err != nil {
			return 0, fmt.Errorf("create the migration journal: %w", err)
		}
	}
	for i := range pending {
		err = pending[i].apply(ctx, conn, f)
		if err != nil {
			return applied, err
		}
		applied++
	}
	return applied, nil
}

// apply executes the statements of one migration that are left, between two
// notes. Only the one at which it broke off can be executed twice.
func (s *Status) apply(ctx context.Context, conn Conn, f Form) error {
	done, err := s.done(ctx, conn)
	if err != nil {
		return err
	}
	err = s.note(ctx, conn, false)
	if err != nil {
		return err
	}
	for i := min(done, len(s.Statements)); i < len(s.Statements); i++ {
		err = conn.Exec(ctx, f.Render(s.Statements[i]))
		if err == nil {
			err = conn.Exec(ctx, fmt.Sprintf("INSERT INTO migration_statements (version, checksum, done) SELECT %d, '%s', %d", s.Version, s.Checksum, i+1))
		}
		if err != nil {
			return fmt.Errorf("apply migration %d %s, statement %d of %d: %w", s.Version, s.Name, i+1, len(s.Statements), err)
		}
	}
	return s.note(ctx, conn, true)
}

// done is how many statements of the migration have been executed so far, by whomever.
func (s *Status) done(ctx context.Context, conn Conn) (int, error) {
	var rows []struct {
		Done uint32 `ch:"done"`
	}
	err := conn.Select(ctx, &rows, fmt.Sprintf("SELECT max(done) AS done FROM migration_statements WHERE version = %d AND checksum = '%s'", s.Version, s.Checksum))
	if err != nil {
		return 0, fmt.Errorf("read how far migration %d %s has come: %w", s.Version, s.Name, err)
	}
	if len(rows) == 0 {
		return 0, nil
	}
	return int(rows[0].Done), nil
}

func (s *Status) note(ctx context.Context, conn Conn, finished bool) error {
	// The values are our own file's name and a hash: nothing in them needs quoting.
	err := conn.Exec(ctx, fmt.Sprintf("INSERT INTO migrations (version, name, checksum, finished) SELECT %d, '%s', '%s', %t", s.Version, s.Name, s.Checksum, finished))
	if err != nil {
		return fmt.Errorf("note migration %d %s: %w", s.Version, s.Name, err)
	}
	return nil
}

// Plan returns the migrations that are pending or have broken off, in order.
func Plan(ctx context.Context, conn Conn) ([]Status, error) {
	all, err := List(ctx, conn)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(s Status) bool { return !s.Applied.IsZero() }), nil
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
		if row.Finished {
			s.Applied = row.AppliedAt
		} else {
			s.Begun = row.AppliedAt
		}
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
	for i := range pending {
		s := &pending[i]
		text := "is pending"
		if s.BrokeOff() {
			text = "was begun at " + s.Begun.UTC().Format(time.RFC3339) + " and broke off"
		}
		faults = append(faults, fmt.Errorf("migration %d %s %s: %w", s.Version, s.Name, text, ErrDrift))
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

// checkForm refuses to add plain tables to replicated ones, and the other way round.
func checkForm(ctx context.Context, conn Conn, f Form) error {
	var tables []struct {
		Engine string `ch:"engine"`
	}
	err := conn.Select(ctx, &tables, "SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = 'migrations'")
	if err != nil {
		return fmt.Errorf("look for the migration journal: %w", err)
	}
	if len(tables) == 0 || strings.HasPrefix(tables[0].Engine, "Replicated") == f.Replicated {
		return nil
	}
	if f.Replicated {
		return fmt.Errorf("they were made without replicated: %w", ErrForm)
	}
	return fmt.Errorf("they are replicated: say so, and their cluster: %w", ErrForm)
}

// readJournal returns what has been applied; a database without a journal has
// nothing. A journal of before begins were noted has finished migrations only.
func readJournal(ctx context.Context, conn Conn) ([]entry, error) {
	var columns []struct {
		Name string `ch:"name"`
	}
	err := conn.Select(ctx, &columns, "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'migrations'")
	if err != nil {
		return nil, fmt.Errorf("look for the migration journal: %w", err)
	}
	if len(columns) == 0 {
		return nil, nil
	}
	finished := "true AS finished"
	for _, c := range columns {
		if c.Name == "finished" {
			finished = c.Name
		}
	}
	var rows []entry
	err = conn.Select(ctx, &rows, "SELECT version, checksum, applied_at, "+finished+" FROM migrations FINAL ORDER BY version")
	if err != nil {
		return nil, fmt.Errorf("read the migration journal: %w", err)
	}
	return rows, nil
}
