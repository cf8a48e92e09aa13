package benchpipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/topic"
)

const (
	// produceRecords go out in one request, about what a gateway's linger gathers.
	produceRecords = 500
	// fetchBytes is what a worker of either path asks for.
	fetchBytes = 1 << 20
)

// produce writes all records to partition 0 of vigil.requests.
func (l *load) produce(ctx context.Context, client *kafka.Client) error {
	batch := make([]kafka.Record, 0, produceRecords)
	for chunk := range slices.Chunk(l.records, produceRecords) {
		batch = batch[:0]
		for i := range chunk {
			batch = append(batch, l.message(&chunk[i]))
		}
		resp, err := client.Produce(ctx, &kafka.ProduceRequest{
			Topic: topic.Requests, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(batch...),
		})
		if err == nil {
			err = resp.Error
		}
		if err != nil {
			return fmt.Errorf("produce: %w", err)
		}
	}
	return nil
}

// fetch reads n records of partition 0 of vigil.requests and looks into none.
func fetch(ctx context.Context, client *kafka.Client, n int) error {
	for offset := int64(0); offset < int64(n); {
		resp, err := client.Fetch(ctx, &kafka.FetchRequest{
			Topic: topic.Requests, Offset: offset, MinBytes: 1, MaxBytes: fetchBytes, MaxWait: time.Second,
		})
		if err == nil {
			err = resp.Error
		}
		if err != nil {
			return fmt.Errorf("fetch at %d: %w", offset, err)
		}
		for {
			r, err := resp.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("read at %d: %w", offset, err)
			}
			err = errors.Join(r.Key.Close(), r.Value.Close())
			if err != nil {
				return fmt.Errorf("release at %d: %w", offset, err)
			}
			offset = r.Offset + 1
		}
	}
	return nil
}
