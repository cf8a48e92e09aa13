package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/deadletter"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/fetch"
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
	// ErrUnproven means that nobody can say any more that the record is of the gateway
	// that it names, or that it is not: a seal is of a batch, and the batch is gone
	// from its topic.
	ErrUnproven = errors.New("whose record it is cannot be proven")
)

// DeadOptions are what [Dead] depends on. Config alone is required.
type DeadOptions struct {
	Config Config
	Access *access.Access // Nil is plain text, as nobody.
	Conn   driver.Conn    // The caller closes it; nil where the letters are only read.
	Keys   Opener         // Nil where no verdict is stored.
	// Seals and Unsigned decide whose records are believed, as in [Options].
	Seals    seal.Keys
	Unsigned seal.Policy
}

// Dead reads vigil.dead and stores what can be read now. It is for people's
// tools: the store itself writes letters and never reads them.
type Dead struct {
	o      DeadOptions
	broker broker
	kinds  map[string]kind
	ids    map[string]string // Of the topics that were asked for theirs.
	done   func()
}

// OpenDead returns a reader of the dead letters on the brokers of o.Config. The
// caller closes it.
func OpenDead(o DeadOptions) *Dead {
	transport := o.Access.Transport(clientID)
	d := &Dead{o: o, broker: newBroker(o.Config.Brokers, transport, o.Access), kinds: make(map[string]kind), ids: make(map[string]string), done: transport.CloseIdleConnections}
	for _, k := range kinds(o.Keys, o.Seals, o.Unsigned) {
		if k.topic != topic.Verdicts || o.Keys != nil {
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
		got, err := d.broker.fetch(ctx, topic.Dead, 0, next, fetchWait, nil)
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
// [ErrPoison], [ErrNotKept], [ErrNotStored], [ErrUnproven] or [seal.RefusedError] where
// the letter is at fault.
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
	err = d.prove(ctx, &i, l.TopicID)
	if err != nil {
		return 0, err
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
		err = b.insert(ctx, d.o.Conn, newSpares(), fmt.Sprintf("dead-%s-%s-%d-%d-%d-%s", l.Topic, l.TopicID, l.Partition, l.Offset, at.UnixMilli(), b.table), &d.o.Config)
		if err != nil {
			return added, err
		}
		added += b.rows
	}
	return added, nil
}

// prove gives the event of a letter the batch that it came in, and fails where it is
// not believed. A letter is no proof: whoever may write letters writes what he likes.
// topicID is that of the topic as the letter has it.
func (d *Dead) prove(ctx context.Context, i *item, topicID string) error {
	e, ok := i.message.(*event.RequestEvent)
	if !ok || d.o.Seals == nil {
		return nil
	}
	head, err := d.head(ctx, i.record, topicID)
	if err != nil {
		return err
	}
	switch {
	case head != nil:
		i.head = head
	case d.o.Seals.Seals(e.Gateway):
		return fmt.Errorf("gateway %s seals what it writes, and %s/%d holds no such record at %d: %w", e.Gateway, i.topic, i.partition, i.Offset, ErrUnproven)
	default:
		i.head = &seal.Head{Gateway: e.Gateway, Cause: seal.CauseUnsigned}
	}
	refused := d.o.Unsigned.Admit(d.o.Seals, i.head, i.head.Cause, e)
	if refused != nil {
		return refused
	}
	return nil
}

// gone reports whether the topic of an id is there no more, also where another one has
// its name.
func (d *Dead) gone(ctx context.Context, name, topicID string) (bool, error) {
	there, known := d.ids[name]
	if !known {
		var err error
		there, err = d.broker.topicID(ctx, name)
		if errors.Is(err, kafka.UnknownTopicOrPartition) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		d.ids[name] = there
	}
	return another(there, topicID), nil
}

// head is the batch in which a record stands in its topic, which has that id; nil where
// it does not.
func (d *Dead) head(ctx context.Context, r record, topicID string) (*seal.Head, error) {
	gone, err := d.gone(ctx, r.topic, topicID)
	if err != nil || gone {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchWait+requestTimeout)
	defer cancel()
	got, err := d.broker.reader.Read(ctx, fetch.Request{Topic: r.topic, Partition: r.partition, Offset: r.Offset, BytesMax: fetchBytes, Wait: fetchWait})
	for _, gone := range []error{kafka.OffsetOutOfRange, kafka.UnknownTopicOrPartition, protocol.ErrNoTopic, protocol.ErrNoPartition} {
		if errors.Is(err, gone) {
			return nil, nil //nolint:nilnil // No head is an answer.
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read %s/%d at %d: %w", r.topic, r.partition, r.Offset, d.o.Access.Explain(err, access.Read, "topic "+r.topic))
	}
	var of *seal.Head
	s := newSealed(d.o.Seals, seal.NewRoots(), r.topic, r.partition)
	found := func(head *seal.Head, one record) {
		if one.Offset == r.Offset && bytes.Equal(one.Key, r.Key) && bytes.Equal(one.Value, r.Value) {
			of = head
		}
	}
	for i := range got.Records { // From the beginning of the batch, which is one of Kafka's too.
		s.add(record{&got.Records[i], r.topic, r.partition}, found)
	}
	s.end(found)
	return of, nil
}

// has reports whether a letter's rows are in a table.
func (d *Dead) has(ctx context.Context, table string, l *deadletter.Letter, at time.Time) (bool, error) {
	var n uint64
	// A table of ours, numbers, and a topic that is one of ours: nothing needs quoting.
	err := d.o.Conn.QueryRow(ctx, fmt.Sprintf(
		"SELECT count() FROM %s WHERE ingested_at = fromUnixTimestamp64Milli(%d, 'UTC') AND kafka_topic = '%s' AND kafka_partition = %d AND kafka_offset = %d",
		table, at.UnixMilli(), l.Topic, l.Partition, l.Offset)).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look into %s: %w", table, err)
	}
	return n > 0, nil
}
