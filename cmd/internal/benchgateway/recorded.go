//go:build linux

package benchgateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// recorded counts the requests of a gateway that its Kafka has an event of.
func recorded(ctx context.Context, v *vigil) (int, error) {
	tr := &kafka.Transport{}
	defer tr.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(v.kafka...), Transport: tr, Timeout: answerMax}
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic.Requests}})
	if err != nil {
		return 0, fmt.Errorf("list partitions: %w", err)
	}
	seen := make(map[string]struct{})
	for _, t := range meta.Topics {
		for _, p := range t.Partitions {
			err := read(ctx, client, p.ID, v.id, seen)
			if err != nil {
				return 0, err
			}
		}
	}
	return len(seen), nil
}

// read notes in seen the finished requests of a gateway that a partition has.
func read(ctx context.Context, client *kafka.Client, partition int, gateway string, seen map[string]struct{}) error {
	for offset := int64(0); ; {
		resp, err := client.Fetch(ctx, &kafka.FetchRequest{
			Topic: topic.Requests, Partition: partition, Offset: offset, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Millisecond,
		})
		if err == nil {
			err = resp.Error
		}
		if err != nil {
			return fmt.Errorf("fetch at %d: %w", offset, err)
		}
		from := offset
		for {
			r, err := resp.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("read at %d: %w", offset, err)
			}
			offset = r.Offset + 1
			value, err := kafka.ReadAll(r.Value)
			if err != nil {
				return fmt.Errorf("read at %d: %w", r.Offset, err)
			}
			e := new(event.RequestEvent)
			if event.Decode(value, e) == nil && e.Gateway == gateway && e.Terminal() {
				seen[e.RequestId] = struct{}{}
			}
		}
		if offset == from {
			return nil
		}
	}
}
