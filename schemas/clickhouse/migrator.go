package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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
	// Begun is when a migration that is not finished was begun, else zero.
	Begun time.Time
	// Done is how many of its statements have been executed.
	Done int
	// Holder is who is migrating at this moment, where this one is begun; else empty.
	Holder string
}

// BrokeOff reports whether the migration was begun, is not finished, and nobody is at it.
func (s *Status) BrokeOff() bool { return !s.Begun.IsZero() && s.Holder == "" }

// Left are the statements that have not been executed.
func (s *Status) Left() []string { return s.Statements[min(s.Done, len(s.Statements)):] }

// The journal has a row for the begin and one for the end of each migration; of
// each version the last one counts.
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
	turns,
}

// entry is what the journal says of one version.
type entry struct {
	Version   uint32    `ch:"version"`
	Checksum  string    `ch:"checksum"`
	AppliedAt time.Time `ch:"applied_at"`
	Finished  bool      `ch:"finished"`
}

// Migrate applies what is pending, and goes on where a migration broke off. It
// returns how many it has finished. The error wraps [ErrChanged] or [ErrForm]
// where the database does not fit, and nothing has been applied then; it wraps
// [ErrBusy] where another process is at it.
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
	if len(pending) == 0 {
		return 0, nil
	}
	t, err := take(ctx, conn)
	if err != nil {
		return 0, err
	}
	defer t.end(ctx)
	held, release := context.WithCancel(ctx)
	var beats sync.WaitGroup
	beats.Go(func() { t.hold(held) })
	defer beats.Wait()
	defer release()
	pending, err = Plan(ctx, conn) // Another process may have finished some before it was our turn.
	if err != nil {
		return 0, err
	}
	for i := range pending {
		err = pending[i].apply(ctx, t, f)
		if err != nil {
			return applied, err
		}
		applied++
	}
	return applied, nil
}

// apply executes the statements of one migration that are left, between two
// notes. Only the one at which it broke off can be executed twice.
func (s *Status) apply(ctx context.Context, t *turn, f Form) error {
	if len(s.Left()) > 0 { // Two notes in a row would be told apart by the clocks of two replicas.
		err := s.note(ctx, t.conn, false)
		if err != nil {
			return err
		}
	}
	for i, statement := range s.Left() {
		done := s.Done + i + 1
		err := t.check(ctx)
		if err == nil {
			err = t.conn.Exec(ctx, f.Render(statement))
		}
		if err == nil {
			err = t.executed(ctx, &s.Migration, done)
		}
		if err != nil {
			return fmt.Errorf("apply migration %d %s, statement %d of %d: %w", s.Version, s.Name, done, len(s.Statements), err)
		}
	}
	return s.note(ctx, t.conn, true)
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
	steps, err := readSteps(ctx, conn)
	if err != nil {
		return nil, err
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
			s.Begun, s.Holder = row.AppliedAt, steps.holder
		}
	}
	for i := range statuses {
		s := &statuses[i]
		s.Done = steps.done[s.Checksum]
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
		switch {
		case s.BrokeOff():
			text = "was begun at " + s.Begun.UTC().Format(time.RFC3339) + " and broke off"
		case s.Holder != "":
			text = "is being applied by " + s.Holder
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

// steps is how far migrations have come.
type steps struct {
	done   map[string]int // Statements by the checksum of their migration.
	holder string         // Who is migrating now.
}

// readSteps returns how far migrations have come; a database that was last
// migrated before that was noted has nothing.
func readSteps(ctx context.Context, conn Conn) (steps, error) {
	var there []struct {
		Name string `ch:"name"`
	}
	err := conn.Select(ctx, &there, "SELECT name FROM system.tables WHERE database = currentDatabase() AND name = 'migration_turns'")
	if err != nil || len(there) == 0 {
		return steps{}, err
	}
	var rows []struct {
		Checksum string `ch:"checksum"`
		Done     uint32 `ch:"done"`
	}
	err = conn.Select(ctx, &rows, "SELECT checksum, max(done) AS done FROM migration_turns GROUP BY checksum")
	if err != nil {
		return steps{}, fmt.Errorf("read how far migrations have come: %w", err)
	}
	now, err := last(ctx, conn)
	if err != nil {
		return steps{}, err
	}
	s := steps{done: make(map[string]int)}
	for _, row := range rows {
		s.done[row.Checksum] = int(row.Done)
	}
	if now.alive() {
		s.holder = now.Holder
	}
	return s, nil
}
