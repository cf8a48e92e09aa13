package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
)

// ErrApart means that partitions cannot be in one request: nothing has been sent.
var ErrApart = errors.New("partitions that need requests of their own")

// Part is what one partition gets of a request.
type Part struct {
	Partition int
	// Batch is a whole record batch in the form of Kafka's protocol, behind its length in
	// four bytes. It may be read until the request has been answered, and after an error
	// for longer.
	Batch []byte
}

// Produce stores batches in partitions of a topic that have one leader, and returns
// what has become of each, nil where it is stored by all replicas in sync. The error
// wraps [ErrApart] where the cluster does not take the partitions together.
func (c *Client) Produce(ctx context.Context, topic string, parts []Part) ([]error, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	partitions := make([]rawproduce.RequestPartition, len(parts))
	for i, p := range parts {
		partitions[i] = rawproduce.RequestPartition{Partition: int32(p.Partition), RecordSet: protocol.RawRecordSet{Reader: bytes.NewReader(p.Batch)}}
	}
	m, err := c.transport.RoundTrip(ctx, c.Addr, &rawproduce.Request{
		Acks: int16(kafka.RequireAll), Timeout: int32((c.Timeout / 2).Milliseconds()), // Leaves time for the answer.
		Topics: []rawproduce.RequestTopic{{Topic: topic, Partitions: partitions}},
	})
	if _, early := errors.AsType[*rawproduce.Error](err); early && len(parts) > 1 {
		return nil, fmt.Errorf("%w: %w", ErrApart, err)
	}
	if err != nil {
		return nil, fmt.Errorf("produce: %w", err)
	}
	res, ok := m.(*produce.Response)
	if !ok || len(res.Topics) == 0 {
		return nil, fmt.Errorf("produce: %w", protocol.ErrNoTopic)
	}
	out := make([]error, len(parts))
	for i, p := range parts {
		out[i] = answerTo(p.Partition, res.Topics[0].Partitions)
	}
	return out, nil
}

// answerTo is what an answer says of one partition.
func answerTo(partition int, all []produce.ResponsePartition) error {
	for i := range all {
		a := &all[i]
		switch {
		case int(a.Partition) != partition:
		case a.ErrorCode == 0:
			return nil
		case a.ErrorMessage != "":
			return fmt.Errorf("%w: %s", kafka.Error(a.ErrorCode), a.ErrorMessage)
		default:
			return kafka.Error(a.ErrorCode)
		}
	}
	return fmt.Errorf("produce: %w", protocol.ErrNoPartition) // Nobody knows whether it is stored: it is sent again.
}
