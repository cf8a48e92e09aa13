// Package clickhouse is the analytics schema: numbered, forward-only SQL files
// and the small migrator that applies them.
//
//	migrations/NNNN_name.sql --Migrate--> ClickHouse tables, journal "migrations"
//
// # Contract
//
// A file that has been released is never edited: its checksum is in the
// journal, and [Verify] and [Migrate] refuse a database whose journal differs.
// Every statement may be executed twice in a row. Begin and end of a migration
// are noted, and each statement that was executed: one that broke off is told,
// and goes on there.
// Statements name no database: the connection's own is meant.
//
// A [Form] renders the same files for a cluster: every statement on every node,
// every table a replica. There are no Distributed tables. A shard stands for
// itself: a cut that was inserted through one would be split into blocks that
// succeed and fail apart, and the questions join and read with FINAL, which a
// shard can do alone. Replicas of one shard are what storing needs; where one
// shard is not enough, give each an analyzer group and a share of the tenants.
//
// Columns carry the names of schemas/event. Beside them every table has
// kafka_topic, kafka_partition, kafka_offset of the record that a row came
// from, and ingested_at.
//
// # Concurrency
//
// All functions are safe for concurrent use. Of several processes that migrate at
// once one has its turn, the others get [ErrBusy]: two that execute the same
// statements in turn could drop what the other one has made. A process that is
// killed has its turn for half a minute more.
//
// # Non-obvious
//
// ingested_at is the time at which the cut of offsets was declared, the same
// for every row of a block and the same when the block is inserted again.
// Tables are partitioned and expire by it, not by event time: so a block falls
// into exactly one partition and is one part, which ClickHouse writes whole or
// not at all; a repeated block meets its token in the same partition also after
// midnight; and a gateway with a wrong clock can neither open a thousand
// partitions nor have its rows expire at once.
//
// The journal is read from one replica. Where that lags behind the one that was
// written to, more statements than one may be executed twice.
//
// Requests and session events share table requests and are told apart by kind.
// Opens, ticks and tombstones are no rows: one row is one finished request.
package clickhouse
