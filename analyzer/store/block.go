package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// column is one column of a table and where its values are in a row.
type column[R any] struct {
	name string
	fill func(to driver.BatchColumn, rows []R) error
}

// col is a column of values of type T. Values are appended a column at a time,
// as ClickHouse keeps them.
func col[R, T any](name string, get func(*R) T) column[R] {
	return column[R]{name: name, fill: func(to driver.BatchColumn, rows []R) error {
		values := make([]T, len(rows))
		for i := range rows {
			values[i] = get(&rows[i])
		}
		return to.Append(values)
	}}
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
		for i, c := range columns {
			err := c.fill(batch.Column(i), rows)
			if err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
		}
		return nil
	}
	return b
}

// insert sends a block once. Every setting that deduplication depends on is
// explicit, because servers differ in their defaults.
func (b block) insert(ctx context.Context, conn driver.Conn, token string, c *Config) error {
	ctx, cancel := context.WithTimeout(ctx, c.InsertTimeout)
	defer cancel()
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
	err = b.fill(batch)
	if err != nil {
		return fmt.Errorf("fill block for %s: %w", b.table, err)
	}
	err = batch.Send()
	if err != nil {
		return fmt.Errorf("insert into %s: %w", b.table, err)
	}
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
