package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/vigil-gateway/vigil/analyzer/fetch"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/deadletter"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// Why a dead letter was not stored. Every other error is the servers'.
var (
	// ErrPoison means that the record cannot be read by this version either.
	ErrPoison = errors.New("the record still cannot be read")
	// ErrNotKept means that the letter does not hold the whole record.
	ErrNotKept = errors.New("the letter does not hold the whole record")
	// ErrNotStored means that the letter is not of the storing path: what was not
	// scored in its time has no score.
	ErrNotStored = errors.New("not a letter of the storing path")
)

// Dead reads vigil.dead and stores what can be read now. It is for people's
// tools: the store itself writes letters and never reads them.
type Dead struct {
	config Config
	conn   driver.Conn // Nil where only the letters are read.
	broker broker
	kinds  map[string]kind
	done   func()
}

// OpenDead returns a reader of the dead letters on the brokers of c. conn may
// be nil where nothing is replayed, keys where no verdict is. The caller closes
// it, and conn.
func OpenDead(c Config, via *access.Access, keys Opener, conn driver.Conn) *Dead {
	transport := via.Transport(clientID)
	d := &Dead{config: c, conn: conn, kinds: make(map[string]kind), done: transport.CloseIdleConnections}
	d.broker = newBroker(c.Brokers, transport, via)
	for _, k := range kinds(keys, nil, seal.Accept) {
		if k.topic != topic.Verdicts || keys != nil {
			d.kinds[k.topic] = k
		}
	}
	return d
}

// Close ends the connections to the brokers.
func (d *Dead) Close() { d.done() }

// Walk calls visit with every letter that is kept, oldest first, at most the
// newest DeadMax. A record that was met twice has two letters. What is no
// letter is counted and passed over.
func (d *Dead) Walk(ctx context.Context, visit func(*deadletter.Letter) error) (strangers int, err error) {
	first, end, err := d.broker.bounds(ctx, topic.Dead, 0)
	if err != nil {
		return 0, err
	}
	misses := 0
	for next := max(first, end-DeadMax); next < end; {
		got, err := d.broker.fetch(ctx, topic.Dead, 0, next, fetchWait)
		if err != nil {
			return strangers, err
		}
		if got.Next <= next {
			misses++
			if misses >= missMax { // A hole in the log, such as a control record.
				next, misses = next+1, 0
			}
			continue
		}
		next, misses = got.Next, 0
		if got.Broken != nil { // Whole batches, of which the number of records is not known.
			strangers++
		}
		for i := range got.Records {
			l := new(deadletter.Letter)
			err = json.Unmarshal(got.Records[i].Value, l)
			if err != nil || l.Topic == "" {
				strangers++
				continue
			}
			err = visit(l)
			if err != nil {
				return strangers, err
			}
		}
	}
	return strangers, nil
}

// Replay stores what the record of a letter says, if it can be read now, as of
// the letter's time and the record's own position: repeated, it finds its rows
// and adds none. It returns how many rows it has added. The error wraps
// [ErrPoison], [ErrNotKept] or [ErrNotStored] where the letter is at fault.
func (d *Dead) Replay(ctx context.Context, l *deadletter.Letter) (added int, err error) {
	k, known := d.kinds[l.Topic]
	if l.Stage != deadletter.StageStoring || !known {
		return 0, fmt.Errorf("%s, %s: %w", l.Stage, l.Topic, ErrNotStored)
	}
	if l.Bytes != len(l.Value) {
		return 0, fmt.Errorf("%d of %d bytes: %w", len(l.Value), l.Bytes, ErrNotKept)
	}
	r := record{&fetch.Record{Offset: l.Offset, Millis: l.Time.UnixMilli(), Key: l.Key, Value: l.Value}, l.Topic, l.Partition}
	for name, value := range l.Headers {
		r.Add(name, value)
	}
	i := k.item(r)
	if i.poison != nil {
		return 0, fmt.Errorf("%w: %w", ErrPoison, i.poison)
	}
	// A memory of its own: the lane has gone on, and has counted this number as missing.
	to := k.collect(newMemory(nil), 1)
	at := l.Time.UTC().Truncate(time.Millisecond)
	to.add(i, position{topic: l.Topic, partition: int32(l.Partition), offset: l.Offset, at: at})
	for _, b := range to.blocks() {
		there, err := d.has(ctx, b.table, l, at)
		if err != nil {
			return added, err
		}
		if there {
			continue
		}
		// The token stops a second person who does the same at the same moment.
		err = b.insert(ctx, d.conn, newSpares(), fmt.Sprintf("dead-%s-%d-%d-%d-%s", l.Topic, l.Partition, l.Offset, at.UnixMilli(), b.table), &d.config)
		if err != nil {
			return added, err
		}
		added += b.rows
	}
	return added, nil
}

// has reports whether a letter's rows are in a table.
func (d *Dead) has(ctx context.Context, table string, l *deadletter.Letter, at time.Time) (bool, error) {
	var n uint64
	// A table of ours, numbers, and a topic that is one of ours: nothing needs quoting.
	err := d.conn.QueryRow(ctx, fmt.Sprintf(
		"SELECT count() FROM %s WHERE ingested_at = fromUnixTimestamp64Milli(%d, 'UTC') AND kafka_topic = '%s' AND kafka_partition = %d AND kafka_offset = %d",
		table, at.UnixMilli(), l.Topic, l.Partition, l.Offset)).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look into %s: %w", table, err)
	}
	return n > 0, nil
}
