package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// column is one column of a table and where its values are in a row.
type column[R any] struct {
	name string
	// fill appends the values of rows, a column at a time, as ClickHouse keeps them.
	fill func(to destination, rows []R) error
}

// fillRows are handed to the driver at once: their values stay in the processor's cache.
const fillRows = 512

// col is a column of values of type T.
func col[R, T any](name string, get func(*R) T) column[R] {
	return column[R]{name: name, fill: func(to destination, rows []R) error {
		switch get := any(get).(type) {
		case func(*R) string:
			dictionary, ok := to.dictionary()
			if ok {
				return fillWords(dictionary, rows, get)
			}
		case func(*R) []string:
			return fillEach(to, rows, []string{}, get, func(v []string) bool { return len(v) == 0 })
		case func(*R) map[string]string:
			return fillEach(to, rows, map[string]string{}, get, func(v map[string]string) bool { return len(v) == 0 })
		}
		values := make([]T, 0, min(len(rows), fillRows))
		for some := range slices.Chunk(rows, fillRows) {
			values = values[:0]
			for i := range some {
				values = append(values, get(&some[i]))
			}
			err := to.Append(values)
			if err != nil {
				return err
			}
		}
		return nil
	}}
}

// fillEach fills a column of lists or maps, most of which are empty: the driver
// takes one row faster than it takes many.
func fillEach[R, T any](to destination, rows []R, none T, get func(*R) T, empty func(T) bool) error {
	nothing := any(none)
	for i := range rows {
		v := get(&rows[i])
		row := nothing
		if !empty(v) {
			row = v
		}
		err := to.AppendRow(row)
		if err != nil {
			return err
		}
	}
	return nil
}

// block is all rows of one cut for one table.
type block struct {
	table   string
	columns []string
	rows    int
	fill    func(batch driver.Batch) error
}

func newBlock[R any](table string, columns []column[R], rows []R) block {
	b := block{table: table, rows: len(rows)}
	for _, c := range columns {
		b.columns = append(b.columns, c.name)
	}
	b.fill = func(batch driver.Batch) error {
		kept := batch.Columns()
		for i, c := range columns {
			err := c.fill(destination{batch.Column(i), kept[i]}, rows)
			if err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
		}
		return nil
	}
	return b
}

// errLate means that an insert ran out of time: ClickHouse may have the block.
var errLate = errors.New("not answered in time")

// insert sends a block once; the error wraps errLate where it took longer than
// c.InsertTimeout.
func (b block) insert(ctx context.Context, conn driver.Conn, spare *spares, token string, c *Config) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.InsertTimeout, errLate)
	defer cancel()
	err := b.send(ctx, conn, spare, token, c)
	if err != nil && errors.Is(context.Cause(ctx), errLate) {
		return fmt.Errorf("%w: %w", errLate, err)
	}
	return err
}

// send is insert as long as ctx lasts. Every setting that deduplication depends on is
// explicit, because servers differ in their defaults.
func (b block) send(ctx context.Context, conn driver.Conn, spare *spares, token string, c *Config) error {
	settings := clickhouse.Settings{
		"async_insert":               0,
		"insert_deduplicate":         1,
		"insert_deduplication_token": token,
		"deduplicate_blocks_in_dependent_materialized_views": 1,
		"max_insert_block_size":                              1 << 30, // One block stays one block.
	}
	if c.Replicated { // A block that one replica alone had would be lost with it, and its token kept in Keeper.
		settings["insert_quorum"] = "auto"
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(settings))
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+b.table+" ("+strings.Join(b.columns, ", ")+")")
	if err != nil {
		return fmt.Errorf("prepare insert into %s: %w", b.table, err)
	}
	defer func() { _ = batch.Close() }() // After Send there is nothing left to close, and before it the error is told.
	spare.lend(b.table, batch.Columns())
	err = b.fill(batch)
	if err != nil {
		return fmt.Errorf("fill block for %s: %w", b.table, err)
	}
	err = batch.Send()
	if err != nil {
		return fmt.Errorf("insert into %s: %w", b.table, err)
	}
	spare.take(b.table, batch.Columns()) // Only now: until the answer is here, somebody may read what was filled.
	return nil
}

// position is what every row carries of the record that it came from.
type position struct {
	topic     string
	partition int32
	offset    int64
	at        time.Time // The cut's time.
}

// positions are the columns of a position.
func positions[R any](get func(*R) *position) []column[R] {
	return []column[R]{
		col("kafka_topic", func(r *R) string { return get(r).topic }),
		col("kafka_partition", func(r *R) int32 { return get(r).partition }),
		col("kafka_offset", func(r *R) int64 { return get(r).offset }),
		col("ingested_at", func(r *R) time.Time { return get(r).at }),
	}
}
