//go:build bench

package e2e_test

import (
	"context"
	wire "encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/topic"
)

// bareLoop is the least that any product on this broker can do: a record to
// one topic, a consumer that answers to a second topic, a consumer of that.
// It uses kafka-go as the gateway and the analyzer do, through a client for
// each of them: one request in flight per partition, the same linger for the
// records and none for the answers, long polls, acknowledgement by all replicas.
type bareLoop struct {
	gateway, analyzer *kafka.Client
	there, back       string
	partitions        int
	linger            time.Duration
	// patient repeats what fails, as the product does, instead of failing the test.
	patient bool

	mu   sync.Mutex
	took []time.Duration // From the record's birth to its answer's arrival. Guarded by mu.
}

func newBareLoop(brokers []string, partitions int, linger time.Duration) *bareLoop {
	client := func() *kafka.Client {
		return &kafka.Client{Addr: kafka.TCP(brokers...), Transport: &kafka.Transport{MetadataTTL: 2 * time.Second}}
	}
	return &bareLoop{gateway: client(), analyzer: client(), there: "bare.there", back: "bare.back", partitions: partitions, linger: linger}
}

// run sends rate records of size bytes a second for a time, has each of every
// answered, and returns the latencies of the answers.
func (b *bareLoop) run(t *testing.T, rate, every, size int, lasts time.Duration) []time.Duration {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.took = nil
	var work sync.WaitGroup
	queues := make([]chan []byte, b.partitions)
	for p := range queues {
		queues[p] = make(chan []byte, 10_000)
		thereEnd, backEnd := b.end(t, b.there, p), b.end(t, b.back, p)
		work.Go(func() { b.produce(ctx, t, p, queues[p]) })
		work.Go(func() { b.consume(ctx, t, b.analyzer, b.there, p, thereEnd, b.answer(ctx, t, p)) })
		work.Go(func() { b.consume(ctx, t, b.gateway, b.back, p, backEnd, b.note) })
	}
	began := time.Now()
	asked := 0
	for i := 0; ; i++ {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if due.Sub(began) > lasts {
			break
		}
		time.Sleep(time.Until(due))
		value := make([]byte, size)
		if i%every == 0 {
			value[0] = 1
			asked++
		}
		wire.LittleEndian.PutUint64(value[1:], uint64(time.Now().UnixNano()))
		queues[rand.IntN(b.partitions)] <- value // As a hash of the subject spreads them.
	}
	for deadline := time.Now().Add(waitMax); b.answers() < asked; time.Sleep(lookGap) {
		if time.Now().After(deadline) {
			t.Errorf("bare loop: %d of %d answers", b.answers(), asked)
			break
		}
	}
	cancel()
	work.Wait()
	return b.took
}

func (b *bareLoop) answers() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.took)
}

// end is where a partition ends now. One that has just been made may have no
// leader yet.
func (b *bareLoop) end(t *testing.T, name string, partition int) int64 {
	t.Helper()
	for deadline := time.Now().Add(waitMax); time.Now().Before(deadline); time.Sleep(lookGap) {
		resp, err := b.gateway.ListOffsets(t.Context(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{name: {kafka.LastOffsetOf(partition)}}})
		if err != nil {
			continue
		}
		for _, p := range resp.Topics[name] {
			if p.Partition == partition && p.Error == nil {
				return p.LastOffset
			}
		}
	}
	t.Fatalf("bare loop: %s/%d has no end", name, partition)
	return 0
}

func (b *bareLoop) answer(ctx context.Context, t *testing.T, partition int) func([]byte) {
	t.Helper()
	return func(value []byte) {
		if value[0] == 1 {
			b.send(ctx, t, b.analyzer, b.back, partition, [][]byte{value})
		}
	}
}

func (b *bareLoop) note(value []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.took = append(b.took, time.Since(time.Unix(0, int64(wire.LittleEndian.Uint64(value[1:])))))
}

func (b *bareLoop) produce(ctx context.Context, t *testing.T, partition int, queue <-chan []byte) {
	t.Helper()
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
		b.send(ctx, t, b.gateway, b.there, partition, batch)
	}
}

func (b *bareLoop) send(ctx context.Context, t *testing.T, client *kafka.Client, name string, partition int, values [][]byte) {
	t.Helper()
	for again := true; again; {
		records := make([]kafka.Record, len(values)) // Its readers are used up by one attempt.
		for i, v := range values {
			records[i] = kafka.Record{Time: time.Now(), Value: kafka.NewBytes(v)}
		}
		resp, err := client.Produce(ctx, &kafka.ProduceRequest{
			Topic: name, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
		})
		if err == nil {
			err = resp.Error
		}
		again = b.fault(ctx, t, "produce", err)
	}
}

// fault reports whether an operation is to be done again.
func (b *bareLoop) fault(ctx context.Context, t *testing.T, what string, err error) bool {
	t.Helper()
	switch {
	case err == nil || ctx.Err() != nil:
		return false
	case !b.patient:
		t.Errorf("%s: %v", what, err)
		return false
	}
	time.Sleep(10 * time.Millisecond)
	return true
}

func (b *bareLoop) consume(ctx context.Context, t *testing.T, client *kafka.Client, name string, partition int, offset int64, each func([]byte)) {
	t.Helper()
	for ctx.Err() == nil {
		resp, err := client.Fetch(ctx, &kafka.FetchRequest{
			Topic: name, Partition: partition, Offset: offset, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond,
		})
		if err == nil {
			err = resp.Error
		}
		if err != nil {
			if !b.fault(ctx, t, "fetch", err) {
				return
			}
			continue
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
