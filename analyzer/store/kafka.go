package store

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/fetch"
)

// record is one record of a topic. It holds the memory of the whole read that it
// came with.
type record struct {
	*fetch.Record

	topic     string
	partition int
}

// broker reads and writes partitions, one request at a time.
type broker struct {
	client   *kafka.Client
	ids      *access.TopicIDs
	reader   *fetch.Reader
	throttle *fetch.Throttle // Nil says nothing where it waits.
	access   *access.Access
}

// newBroker reaches the brokers through a transport, which stays the caller's.
func newBroker(brokers []string, transport *kafka.Transport, via *access.Access) broker {
	addr := kafka.TCP(brokers...)
	return broker{client: &kafka.Client{Addr: addr, Transport: transport}, ids: access.NewTopicIDs(via, clientID, brokers), reader: fetch.New(transport, addr), access: via}
}

// fetch reads on from offset; it waits at most wait for a record to come, and for as
// long as a quota holds reading back, before which it calls held where that is not nil.
// The answer has no record in front of offset. The error wraps kafka.OffsetOutOfRange
// where the offset has been deleted or never was.
func (b broker) fetch(ctx context.Context, topic string, partition int, offset int64, wait time.Duration, held func(context.Context)) (fetch.Answer, error) {
	for {
		a, err := b.once(ctx, topic, partition, offset, wait)
		if err != nil {
			return a, fmt.Errorf("read %s/%d at %d: %w", topic, partition, offset, b.access.Explain(err, access.Read, "topic "+topic))
		}
		if a.Throttle == 0 {
			_, a.Records = a.Split(offset)
			return a, nil
		}
		if held != nil {
			held(ctx)
		}
		b.throttle.Wait(ctx, topic, partition, a.Throttle)
	}
}

func (b broker) once(ctx context.Context, topic string, partition int, offset int64, wait time.Duration) (fetch.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+requestTimeout)
	defer cancel()
	return b.reader.Read(ctx, fetch.Request{
		Topic: topic, Partition: partition, Offset: offset, BytesMax: fetchBytes, Wait: max(wait, time.Millisecond),
	})
}

// bounds returns the first offset of a partition and its end.
func (b broker) bounds(ctx context.Context, topic string, partition int) (first, end int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	first, end, err = b.reader.Bounds(ctx, topic, partition)
	if err != nil {
		return 0, 0, fmt.Errorf("bounds of %s/%d: %w", topic, partition, err)
	}
	return first, end, nil
}

// topicID is what tells a topic from others that had its name before, "" where the
// broker is too old to say.
func (b broker) topicID(ctx context.Context, topic string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return b.ids.Of(ctx, topic) //nolint:wrapcheck // It says what and where.
}

// outgoing is a record to write.
type outgoing struct {
	key, value []byte
	headers    []kafka.Header
}

// size is about what it takes on the wire.
func (o *outgoing) size() int {
	n := recordOverheadBytes + len(o.key) + len(o.value)
	for _, h := range o.headers {
		n += recordOverheadBytes + len(h.Key) + len(h.Value)
	}
	return n
}

// produce writes records as one batch to partition 0 of a topic, acknowledged by all
// replicas, and returns the offset of the first. An error leaves open whether they were
// written.
func (b broker) produce(ctx context.Context, topic string, at time.Time, records ...outgoing) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	batch := make([]kafka.Record, len(records))
	for i, r := range records {
		batch[i] = kafka.Record{Time: at, Key: kafka.NewBytes(r.key), Value: kafka.NewBytes(r.value), Headers: r.headers}
	}
	resp, err := b.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, Partition: 0, RequiredAcks: kafka.RequireAll, Compression: kafka.Zstd, Records: kafka.NewRecordReader(batch...),
	})
	if err == nil {
		err = resp.Error
	}
	if err != nil {
		return 0, fmt.Errorf("produce to %s: %w", topic, b.access.Explain(err, access.Write, "topic "+topic))
	}
	return resp.BaseOffset, nil
}
