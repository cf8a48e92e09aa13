//go:build bench

package e2e_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/topic"
)

// bareLoop is the least that any product on this broker can do: a record to
// one topic, a consumer that answers to a second topic, a consumer of that.
// It uses kafka-go as the gateway and the analyzer do: one request in flight
// per partition, the same linger, long polls. Every hundredth record is answered.
type bareLoop struct {
	client     *kafka.Client
	there      string
	back       string
	partitions int
	linger     time.Duration

	mu   sync.Mutex
	took []time.Duration // From the record's birth to its answer's arrival. Guarded by mu.
}

// answerEvery is how many records share one answer: verdicts are rare.
const answerEvery = 100

// run sends rate records of size bytes a second for d and returns the
// latencies of the answers.
func (b *bareLoop) run(ctx context.Context, t *testing.T, rate, size int, d time.Duration) []time.Duration {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	queues := make([]chan []byte, b.partitions)
	for p := range queues {
		queues[p] = make(chan []byte, 10_000)
		work.Go(func() { b.produce(ctx, t, b.there, p, queues[p]) })
		work.Go(func() { b.consume(ctx, t, b.there, p, b.answer(ctx, t, p)) })
		work.Go(func() { b.consume(ctx, t, b.back, p, b.note) })
	}
	began := time.Now()
	for i := 0; ; i++ {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if due.Sub(began) > d {
			break
		}
		time.Sleep(time.Until(due))
		value := make([]byte, size)
		if i%answerEvery == 0 {
			value[0] = 1
		}
		binary.LittleEndian.PutUint64(value[1:], uint64(time.Now().UnixNano()))
		queues[i%b.partitions] <- value
	}
	time.Sleep(time.Second)
	cancel()
	work.Wait()
	return b.took
}

func (b *bareLoop) answer(ctx context.Context, t *testing.T, partition int) func([]byte) {
	return func(value []byte) {
		if value[0] == 1 {
			b.send(ctx, t, b.back, partition, [][]byte{value})
		}
	}
}

func (b *bareLoop) note(value []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.took = append(b.took, time.Since(time.Unix(0, int64(binary.LittleEndian.Uint64(value[1:])))))
}

func (b *bareLoop) produce(ctx context.Context, t *testing.T, name string, partition int, queue <-chan []byte) {
	for {
		var batch [][]byte
		select {
		case <-ctx.Done():
			return
		case v := <-queue:
			batch = append(batch, v)
		}
		time.Sleep(b.linger)
		for len(queue) > 0 && len(batch) < 500 {
			batch = append(batch, <-queue)
		}
		b.send(ctx, t, name, partition, batch)
	}
}

func (b *bareLoop) send(ctx context.Context, t *testing.T, name string, partition int, values [][]byte) {
	records := make([]kafka.Record, len(values))
	for i, v := range values {
		records[i] = kafka.Record{Time: time.Now(), Value: kafka.NewBytes(v)}
	}
	resp, err := b.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: name, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	if err == nil {
		err = resp.Error
	}
	if err != nil && ctx.Err() == nil {
		t.Errorf("produce: %v", err)
	}
}

func (b *bareLoop) consume(ctx context.Context, t *testing.T, name string, partition int, each func([]byte)) {
	offset := int64(0)
	for ctx.Err() == nil {
		resp, err := b.client.Fetch(ctx, &kafka.FetchRequest{
			Topic: name, Partition: partition, Offset: offset, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond,
		})
		if err == nil {
			err = resp.Error
		}
		if err != nil {
			if ctx.Err() == nil {
				t.Errorf("fetch: %v", err)
			}
			return
		}
		for {
			rec, err := resp.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Errorf("read: %v", err)
				return
			}
			value, err := kafka.ReadAll(rec.Value)
			if err != nil {
				t.Errorf("read: %v", err)
				return
			}
			offset = rec.Offset + 1
			each(value)
		}
	}
}

// bareTopics are made beside the product's for the bare loop.
func bareTopics(partitions int) []topic.Spec {
	return []topic.Spec{
		{Name: "bare.there", Partitions: partitions, Retention: time.Hour},
		{Name: "bare.back", Partitions: partitions, Retention: time.Hour},
	}
}
