package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/access"
)

// record is one record of a topic, out of the client's buffers.
type record struct {
	topic     string
	partition int
	offset    int64
	time      time.Time
	key       []byte
	value     []byte // Nil is a tombstone.
	headers   []kafka.Header
}

// header looks a header up.
func (r record) header(name string) ([]byte, bool) {
	return access.Header(r.headers, name)
}

// broker reads and writes partitions, one request at a time.
type broker struct {
	client *kafka.Client
	access *access.Access
}

// fetch reads on from offset; it waits at most wait for a record to come. end
// is the end of the partition. The error wraps kafka.OffsetOutOfRange where
// the offset has been deleted or never was.
func (b broker) fetch(ctx context.Context, topic string, partition int, offset int64, wait time.Duration) (records []record, end int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, wait+requestTimeout)
	defer cancel()
	resp, err := b.client.Fetch(ctx, &kafka.FetchRequest{
		Topic: topic, Partition: partition, Offset: offset,
		MinBytes: 1, MaxBytes: fetchBytes, MaxWait: max(wait, time.Millisecond),
	})
	if err == nil {
		err = resp.Error
	}
	if err != nil {
		return nil, 0, fmt.Errorf("fetch %s/%d at %d: %w", topic, partition, offset, b.access.Explain(err, access.Read, "topic "+topic))
	}
	for {
		rec, err := resp.Records.ReadRecord()
		if err != nil {
			if errors.Is(err, io.EOF) || len(records) > 0 { // The last batch of an answer may be cut short.
				return records, resp.HighWatermark, nil
			}
			return nil, 0, fmt.Errorf("read %s/%d at %d: %w", topic, partition, offset, err)
		}
		r := record{topic: topic, partition: partition, offset: rec.Offset, time: rec.Time, headers: rec.Headers}
		r.key, err = access.Bytes(rec.Key)
		if err == nil {
			r.value, err = access.Bytes(rec.Value)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read record %s/%d/%d: %w", topic, partition, rec.Offset, err)
		}
		if r.offset >= offset { // A batch may begin before what was asked for.
			records = append(records, r)
		}
	}
}

// bounds returns the first offset of a partition and its end.
func (b broker) bounds(ctx context.Context, topic string, partition int) (first, end int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := b.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		topic: {kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition)},
	}})
	if err != nil {
		return 0, 0, fmt.Errorf("list offsets of %s/%d: %w", topic, partition, err)
	}
	for _, p := range resp.Topics[topic] {
		if p.Partition == partition {
			return p.FirstOffset, p.LastOffset, p.Error
		}
	}
	return 0, 0, fmt.Errorf("list offsets of %s/%d: %w", topic, partition, kafka.UnknownTopicOrPartition)
}

// produce writes one record to partition 0 of a topic, acknowledged by all
// replicas, and returns its offset. An error leaves open whether it was written.
func (b broker) produce(ctx context.Context, topic string, key, value []byte, headers []kafka.Header, at time.Time) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := b.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, Partition: 0, RequiredAcks: kafka.RequireAll, Compression: kafka.Zstd,
		Records: kafka.NewRecordReader(kafka.Record{Time: at, Key: kafka.NewBytes(key), Value: kafka.NewBytes(value), Headers: headers}),
	})
	if err == nil {
		err = resp.Error
	}
	if err != nil {
		return 0, fmt.Errorf("produce to %s: %w", topic, b.access.Explain(err, access.Write, "topic "+topic))
	}
	return resp.BaseOffset, nil
}
