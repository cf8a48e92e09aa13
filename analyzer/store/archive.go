package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/zeebo/xxh3"

	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// Archive keeps the scorer's snapshots in table snapshots, and what they say about
// subjects in table models. It implements [state.Archive].
type Archive struct {
	conn   driver.Conn
	config Config

	mu        sync.Mutex
	described map[string]time.Time // By partition, the latest event of the profiles that were written. Guarded by mu.
}

// NewArchive returns an archive that has dialled nobody yet. The caller closes it.
// The tables are made by the migrations, before a [Store] first inserts.
func NewArchive(c Config, now func() time.Time) (*Archive, error) {
	conn, err := connect(c, answerMax, tlsfile.Options{Now: now})
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return &Archive{conn: conn, config: c, described: make(map[string]time.Time)}, nil
}

// Close closes the connections.
func (a *Archive) Close() error { return a.conn.Close() }

// chunkRow is one row of table snapshots.
type chunkRow struct {
	header   state.Header
	chunk    uint32
	chunks   uint32
	bytes    uint64
	checksum uint64
	data     string
}

//nolint:gochecknoglobals // A table, as the others of this package.
var chunkColumns = []column[chunkRow]{
	col("kafka_topic", func(r *chunkRow) string { return r.header.Topic }),
	col("kafka_partition", func(r *chunkRow) int32 { return int32(r.header.Partition) }),
	col("epoch", func(r *chunkRow) uint64 { return r.header.Epoch }),
	col("kafka_offset", func(r *chunkRow) int64 { return r.header.Next - 1 }),
	col("chunk", func(r *chunkRow) uint32 { return r.chunk }),
	col("chunks", func(r *chunkRow) uint32 { return r.chunks }),
	col("bytes", func(r *chunkRow) uint64 { return r.bytes }),
	col("checksum", func(r *chunkRow) uint64 { return r.checksum }),
	col("topic_id", func(r *chunkRow) string { return r.header.TopicID }),
	col("partitions", func(r *chunkRow) uint32 { return uint32(r.header.Partitions) }),
	col("model", func(r *chunkRow) string { return r.header.Model }),
	col("data", func(r *chunkRow) string { return r.data }),
	col("ingested_at", func(r *chunkRow) time.Time { return r.header.Saved }),
}

// Put implements [state.Archive]. A snapshot whose last chunk is not there yet is
// seen by nobody.
func (a *Archive) Put(ctx context.Context, h state.Header, body []byte) error {
	before, err := a.list(ctx, h.Topic, h.Partition)
	if err != nil {
		return err
	}
	for _, s := range before {
		if s.complete && s.Epoch > h.Epoch {
			return fmt.Errorf("archive under epoch %d, there is %d: %w", h.Epoch, s.Epoch, state.ErrFenced)
		}
	}
	chunks := max(1, (len(body)+state.ChunkBytesMax-1)/state.ChunkBytesMax)
	for i := range chunks {
		data := body[i*state.ChunkBytesMax : min(len(body), (i+1)*state.ChunkBytesMax)]
		row := chunkRow{
			header: h, chunk: uint32(i), chunks: uint32(chunks), bytes: uint64(len(body)), checksum: xxh3.Hash(data), data: string(data),
		}
		err = newBlock("snapshots", chunkColumns, []chunkRow{row}).insert(ctx, a.conn, newSpares(), tokenOf("snapshot", h, i), &a.config)
		if err != nil {
			return fmt.Errorf("chunk %d of %d: %w", i, chunks, err)
		}
	}
	return a.prune(ctx, h, before)
}

// tokenOf names a block, so that one whose answer was lost is not there twice.
func tokenOf(what string, h state.Header, i int) string {
	return fmt.Sprintf("%s-%s-%s-%d-%d-%d-%d", what, h.Topic, h.TopicID, h.Partition, h.Epoch, h.Next, i)
}

// prune drops what was there before, but for the newest complete one: with h that
// makes two. What is later than h is somebody else's.
func (a *Archive) prune(ctx context.Context, h state.Header, before []archived) error {
	var errs []error
	left := archivedKept - 1
	for _, s := range before {
		same := s.Epoch == h.Epoch && s.Next == h.Next
		later := s.Epoch > h.Epoch || s.Epoch == h.Epoch && s.Next > h.Next
		if same || later {
			continue
		}
		if s.complete && left > 0 {
			left--
			continue
		}
		err := a.conn.Exec(ctx, fmt.Sprintf("ALTER TABLE snapshots DROP PARTITION (%s, %d, %d, %d)", quote(h.Topic), h.Partition, s.Epoch, s.Next-1))
		if err != nil {
			errs = append(errs, fmt.Errorf("drop the snapshot of epoch %d up to %d: %w", s.Epoch, s.Next, err))
		}
	}
	return errors.Join(errs...)
}

// quote writes a topic's name, which has letters, digits, dots, dashes and lines
// alone, as a string literal.
func quote(topic string) string { return "'" + topic + "'" }

// archived is a snapshot, complete or not.
type archived struct {
	state.Archived

	complete bool
}

// List implements [state.Archive].
func (a *Archive) List(ctx context.Context, topic string, partition int) ([]state.Archived, error) {
	all, err := a.list(ctx, topic, partition)
	if missing(err) {
		return nil, nil // Nobody has migrated yet: nobody has written.
	}
	if err != nil {
		return nil, err
	}
	var out []state.Archived
	for _, s := range all {
		if s.complete {
			out = append(out, s.Archived)
		}
	}
	return out, nil
}

// Codes of ClickHouse for a table and a database that do not exist.
const (
	unknownTable    = 60
	unknownDatabase = 81
)

// missing reports whether the table is not there. Over HTTP the code comes as text.
func missing(err error) bool {
	if err == nil {
		return false
	}
	told, ok := errors.AsType[*clickhouse.Exception](err)
	if ok {
		return told.Code == unknownTable || told.Code == unknownDatabase
	}
	return strings.Contains(err.Error(), "UNKNOWN_TABLE") || strings.Contains(err.Error(), "UNKNOWN_DATABASE")
}

func (a *Archive) list(ctx context.Context, topic string, partition int) (list []archived, err error) {
	rows, err := a.conn.Query(ctx, `SELECT epoch, kafka_offset, any(topic_id), any(partitions), any(model), any(ingested_at), any(chunks), any(bytes), uniqExact(chunk)
FROM snapshots WHERE kafka_topic = {topic:String} AND kafka_partition = {partition:Int32}
GROUP BY epoch, kafka_offset ORDER BY epoch DESC, kafka_offset DESC LIMIT {limit:UInt32}`,
		clickhouse.Named("topic", topic), clickhouse.Named("partition", strconv.Itoa(partition)), clickhouse.Named("limit", strconv.Itoa(archivedMax)))
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		s := archived{}
		s.Topic, s.Partition = topic, partition
		var offset int64
		var partitions, chunks uint32
		var bytes, there uint64
		err = rows.Scan(&s.Epoch, &offset, &s.TopicID, &partitions, &s.Model, &s.Saved, &chunks, &bytes, &there)
		if err != nil {
			return nil, fmt.Errorf("list snapshots: %w", err)
		}
		s.Next, s.Partitions, s.Chunks, s.Bytes = offset+1, int(partitions), int(chunks), int64(bytes)
		s.complete = there == uint64(chunks)
		list = append(list, s)
	}
	err = rows.Err()
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	return list, nil
}

// Chunk implements [state.Archive].
func (a *Archive) Chunk(ctx context.Context, s state.Archived, chunk int) ([]byte, error) {
	var data string
	var checksum uint64
	err := a.conn.QueryRow(ctx, `SELECT data, checksum FROM snapshots
WHERE kafka_topic = {topic:String} AND kafka_partition = {partition:Int32} AND epoch = {epoch:UInt64} AND kafka_offset = {offset:Int64}
AND chunk = {chunk:UInt32} LIMIT 1`,
		clickhouse.Named("topic", s.Topic), clickhouse.Named("partition", strconv.Itoa(s.Partition)),
		clickhouse.Named("epoch", strconv.FormatUint(s.Epoch, 10)), clickhouse.Named("offset", strconv.FormatInt(s.Next-1, 10)),
		clickhouse.Named("chunk", strconv.Itoa(chunk))).Scan(&data, &checksum)
	if err != nil {
		return nil, fmt.Errorf("read a chunk: %w", err)
	}
	b := []byte(data)
	if xxh3.Hash(b) != checksum {
		return nil, fmt.Errorf("checksum differs: %w", state.ErrDamaged)
	}
	return b, nil
}
