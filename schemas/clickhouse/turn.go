package clickhouse

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrBusy means that another process is migrating the database, or has taken a
// migration over from this one; nothing is wrong, and the caller tries again later.
var ErrBusy = errors.New("another process is migrating")

const (
	// turnLapse is how long a process that migrates may be silent before another
	// one may go on in its place.
	turnLapse = 30 * time.Second
	// turnBeat is how often a process that migrates says so: a single statement
	// may take hours.
	turnBeat = turnLapse / 6
	// turnEndMax is how long a process that has been told to stop still takes to say so.
	turnEndMax, turnEndRetry = 5 * time.Second, 100 * time.Millisecond
)

// Whoever migrates has a turn, numbered from 1. ClickHouse has no locks, but a
// block with a token that it has seen is not inserted: of all who claim the
// same turn the first has it, by Keeper among replicas. The same table says how
// far each migration has come, so that one that broke off goes on there: a later
// statement may have taken away what an earlier one reads. Rows are only added.
const turns = `CREATE TABLE IF NOT EXISTS migration_turns
(
    turn UInt32,
    holder String,
    version UInt32,
    checksum String,
    done UInt32,
    ended Bool,
    at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (turn, at)
SETTINGS non_replicated_deduplication_window = 1000`

// plainly begins a row that may be like another one.
const plainly = "SETTINGS async_insert = 0, insert_deduplicate = 0 SELECT "

// turn is the right to migrate one database, as long as it is held.
type turn struct {
	conn   Conn
	number uint32
	holder string
}

// standing is what the table says of the last turn.
type standing struct {
	Turn   uint32  `ch:"turn"`
	Holder string  `ch:"holder"`
	Ended  bool    `ch:"ended"`
	Silent float64 `ch:"silent"` // Seconds, by the server's clock.
}

func (s standing) alive() bool {
	return s.Turn > 0 && !s.Ended && s.Silent < turnLapse.Seconds()
}

// last is the newest turn; number 0 where there is none.
func last(ctx context.Context, conn Conn) (standing, error) {
	var rows []standing
	err := conn.Select(ctx, &rows, `SELECT turn, argMin(who, (since, who)) AS holder, argMin(over, (since, who)) AS ended, toFloat64(now64(3)) - toFloat64(argMin(until, (since, who))) AS silent
		FROM (SELECT turn, holder AS who, min(at) AS since, max(at) AS until, max(ended) AS over FROM migration_turns GROUP BY turn, holder)
		GROUP BY turn ORDER BY turn DESC LIMIT 1`)
	if err != nil {
		return standing{}, fmt.Errorf("read whose turn to migrate it is: %w", err)
	}
	if len(rows) == 0 {
		return standing{}, nil
	}
	return rows[0], nil
}

// take claims the next turn. The error wraps [ErrBusy] where somebody has one.
func take(ctx context.Context, conn Conn) (*turn, error) {
	now, err := last(ctx, conn)
	if err != nil {
		return nil, err
	}
	if now.alive() {
		return nil, fmt.Errorf("%s, heard of %.0f s ago: %w", now.Holder, now.Silent, ErrBusy)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "somebody"
	}
	t := &turn{conn: conn, number: now.Turn + 1, holder: fmt.Sprintf("%s, process %d, %s", host, os.Getpid(), rand.Text())}
	err = conn.Exec(ctx, fmt.Sprintf("INSERT INTO migration_turns (turn, holder) SETTINGS async_insert = 0, insert_deduplicate = 1, insert_deduplication_token = 'turn %d' "+
		"SELECT %d AS turn, ? AS holder ORDER BY ALL", t.number, t.number), t.holder) // What is not sorted is no block of its own to ClickHouse.
	if err == nil {
		err = t.check(ctx)
	}
	if err != nil && !errors.Is(err, ErrBusy) {
		t.end(ctx) // Whether it is ours is not known: if so, nobody waits for it to lapse.
	}
	if err != nil {
		return nil, fmt.Errorf("claim the turn to migrate: %w", err)
	}
	return t, nil
}

// check returns an error that wraps [ErrBusy] where the turn is not, or no longer, held.
func (t *turn) check(ctx context.Context) error {
	now, err := last(ctx, t.conn)
	if err != nil {
		return err
	}
	if now.Turn != t.number || now.Holder != t.holder {
		return fmt.Errorf("%s: %w", now.Holder, ErrBusy)
	}
	return nil
}

// hold says until ctx is done that the turn is held. What cannot be said is
// not: then it lapses, and check says so.
func (t *turn) hold(ctx context.Context) {
	beat := time.NewTicker(turnBeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			_ = t.conn.Exec(ctx, "INSERT INTO migration_turns (turn, holder) "+plainly+"?, ?", t.number, t.holder) // As above.
		}
	}
}

// end gives the turn back, also where ctx is done; what cannot be said in turnEndMax
// lapses.
func (t *turn) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnEndMax)
	defer cancel()
	for {
		err := t.conn.Exec(ctx, "INSERT INTO migration_turns (turn, holder, ended) "+plainly+"?, ?, true", t.number, t.holder)
		if err == nil {
			return
		}
		again := time.NewTimer(turnEndRetry)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return
		}
	}
}

// executed notes that a migration has come so far.
func (t *turn) executed(ctx context.Context, m *Migration, done int) error {
	err := t.conn.Exec(ctx, "INSERT INTO migration_turns (turn, holder, version, checksum, done) "+plainly+"?, ?, ?, ?, ?", t.number, t.holder, m.Version, m.Checksum, done)
	if err != nil {
		return fmt.Errorf("note how far it has come: %w", err)
	}
	return nil
}
