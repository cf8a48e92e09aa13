package announce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/fetch"
)

// ErrRefused means that the broker will never take a record: it is too large,
// or this process may not write there. Every other fault is retried.
var ErrRefused = errors.New("broker refuses the record")

// errStalled means that a read has gone on without a record for too long.
var errStalled = errors.New("nothing comes")

// Record is one record to write.
type Record struct {
	Key     []byte
	Value   []byte // nil is a tombstone.
	Headers []cloudevent.Header
}

// Writer appends records to a given partition, without linger, acknowledged by
// all replicas. Safe for concurrent use.
type Writer struct {
	access    *access.Access
	ids       *access.TopicIDs
	transport *kafka.Transport
	client    *kafka.Client
	reader    *fetch.Reader
	throttle  *fetch.Throttle
	logger    *slog.Logger
	metrics   *metrics
	stall     time.Duration // Within which a read must show a record.
}

// NewWriter returns a writer to the given brokers ("host:port"), which are reached
// through via; nil is plain text, as nobody. Close ends it.
func NewWriter(via *access.Access, brokers []string, logger *slog.Logger, meter metric.Meter) (*Writer, error) {
	if len(brokers) == 0 {
		return nil, errors.New("announce: brokers: at least one is required")
	}
	m, err := newMetrics(meter)
	if err != nil {
		return nil, fmt.Errorf("announce: metrics: %w", err)
	}
	// A short metadata TTL: a moved leader is found within it.
	t := via.Transport("vigil-analyzer")
	t.MetadataTTL = time.Second
	throttle, err := fetch.NewThrottle("vigil.analyzer", t.ClientID, logger, meter)
	if err != nil {
		return nil, fmt.Errorf("announce: %w", err)
	}
	addr := kafka.TCP(brokers...)
	w := &Writer{
		access: via, ids: access.NewTopicIDs(via, t.ClientID, brokers), transport: t, reader: fetch.New(t, addr), throttle: throttle,
		logger: logger, metrics: m, stall: readTimeout,
	}
	w.client = &kafka.Client{Addr: addr, Transport: t}
	return w, nil
}

// Close ends idle connections. No call may be under way.
func (w *Writer) Close() { w.transport.CloseIdleConnections() }

// Write appends records in order and returns once all replicas have them. It
// tries until ctx ends; after an attempt that timed out the records may stand
// twice. The error wraps [ErrRefused], or is that of ctx.
func (w *Writer) Write(ctx context.Context, topic string, partition int, records ...Record) error {
	for len(records) > 0 {
		n, size := 1, records[0].size()
		for n < len(records) && size+records[n].size() <= writeBytesMax {
			size += records[n].size()
			n++
		}
		err := w.batch(ctx, topic, partition, records[:n])
		if err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

// size is about what a record takes on the wire.
func (r Record) size() int {
	n := recordOverheadBytes + len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += recordOverheadBytes + len(h.Key) + len(h.Value)
	}
	return n
}

// batch writes records as one batch, which a broker takes or refuses as a whole.
func (w *Writer) batch(ctx context.Context, topic string, partition int, records []Record) error {
	backoff := writeBackoff
	for {
		err := w.attempt(ctx, topic, partition, records)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("write to %s/%d: %w", topic, partition, context.Cause(ctx))
		case errors.Is(err, ErrRefused):
			return fmt.Errorf("write to %s/%d: %w", topic, partition, err)
		}
		w.metrics.retries.Add(ctx, 1, metric.WithAttributes(attribute.String("topic", topic)))
		w.logger.WarnContext(ctx, "write to kafka is repeated", "topic", topic, "partition", partition, "error", err)
		wait := time.NewTimer(backoff)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
		}
		backoff = min(2*backoff, writeBackoffMax)
	}
}

func (w *Writer) attempt(ctx context.Context, topic string, partition int, records []Record) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	batch := make([]kafka.Record, len(records))
	for i, r := range records {
		batch[i].Key = kafka.NewBytes(r.Key)
		if r.Value != nil {
			batch[i].Value = kafka.NewBytes(r.Value)
		}
		for _, h := range r.Headers {
			batch[i].Headers = append(batch[i].Headers, kafka.Header(h))
		}
	}
	resp, err := w.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(batch...),
	})
	if err == nil {
		err = resp.Error
	}
	if err == nil && len(resp.RecordErrors) > 0 {
		err = fmt.Errorf("%d records: %w", len(resp.RecordErrors), ErrRefused)
	}
	var code kafka.Error
	if errors.As(err, &code) && !code.Temporary() {
		return fmt.Errorf("%w: %w", ErrRefused, w.access.Explain(err, access.Write, "topic "+topic))
	}
	return w.access.Explain(err, access.Write, "topic "+topic)
}

// TopicID is [access.TopicIDs.Of] a topic, within writeTimeout.
func (w *Writer) TopicID(ctx context.Context, topic string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return w.ids.Of(ctx, topic) //nolint:wrapcheck // It says what and where.
}

// Partitions returns how many partitions a topic has.
func (w *Writer) Partitions(ctx context.Context, topic string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	resp, err := w.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return 0, fmt.Errorf("metadata of %s: %w", topic, w.access.Explain(err, access.Describe, "topic "+topic))
	}
	for _, t := range resp.Topics {
		if t.Name == topic && t.Error == nil && len(t.Partitions) > 0 {
			return len(t.Partitions), nil
		}
	}
	return 0, fmt.Errorf("metadata of %s: %w", topic, kafka.UnknownTopicOrPartition)
}

// Read visits every record of a partition, from an offset or where that is gone the
// first one to the end as it is now, which it returns. It may take as long as it takes,
// also because a quota holds it back, but must get on.
func (w *Writer) Read(ctx context.Context, topic string, partition int, from int64, visit func(kafka.Message)) (end int64, err error) {
	return w.read(ctx, w.stall, topic, partition, from, visit)
}

// read is Read with another time within which a record must come. Time in which a quota
// holds it back does not count.
func (w *Writer) read(ctx context.Context, stall time.Duration, topic string, partition int, from int64, visit func(kafka.Message)) (end int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(stall, func() { cancel(errStalled) })
	defer stalled.Stop()
	first, last, err := w.bounds(ctx, topic, partition)
	if err != nil {
		return 0, fmt.Errorf("read offsets of %s/%d: %w", topic, partition, errors.Join(w.access.Explain(err, access.Describe, "topic "+topic), context.Cause(ctx)))
	}
	if from > last {
		from = first // The topic was made anew.
	}
	end = max(first, from)
	for stalls := 0; end < last; {
		a, err := w.fetch(ctx, stall, topic, partition, end)
		if err != nil {
			return 0, fmt.Errorf("read %s/%d at %d: %w", topic, partition, end, errors.Join(w.access.Explain(err, access.Read, "topic "+topic), context.Cause(ctx)))
		}
		if a.Throttle > 0 {
			stalled.Stop()
			w.throttle.Wait(ctx, topic, partition, a.Throttle)
			stalled.Reset(stall)
			continue
		}
		_, records := a.Split(end)
		for i := range records {
			if ctx.Err() != nil {
				return 0, fmt.Errorf("read %s/%d at %d: %w", topic, partition, records[i].Offset, context.Cause(ctx))
			}
			visit(message(&records[i]))
			stalled.Reset(stall)
		}
		if a.Next <= end {
			stalls++
		}
		if stalls > stallsMax {
			return 0, fmt.Errorf("read %s/%d at %d of %d: no progress", topic, partition, end, last)
		}
		end = max(end, a.Next)
	}
	return end, nil
}

// message is a record that may be kept: it shares no memory with those that came with it.
// Of its headers it has the one that says what waits.
func message(r *fetch.Record) kafka.Message {
	m := kafka.Message{Offset: r.Offset, Time: r.Time(), Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value)}
	waiting, ok := r.Header(headerHeld)
	if ok {
		m.Headers = []kafka.Header{{Key: headerHeld, Value: bytes.Clone(waiting)}}
	}
	return m
}

// waitingIn is what the record of a verdict carries that waits, nil for nothing.
func waitingIn(m kafka.Message) []byte {
	if len(m.Headers) == 0 {
		return nil
	}
	return m.Headers[0].Value
}

// fetch is one read, for which a broker has stall.
func (w *Writer) fetch(ctx context.Context, stall time.Duration, topic string, partition int, offset int64) (fetch.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, stall)
	defer cancel()
	a, err := w.reader.Read(ctx, fetch.Request{Topic: topic, Partition: partition, Offset: offset, BytesMax: readBytesMax, Wait: writeBackoffMax})
	if err == nil && a.Broken != nil {
		w.logger.WarnContext(ctx, "batches that cannot be read are passed over", "topic", topic, "partition", partition, "error", a.Broken)
	}
	return a, err
}

// bounds are the first offset of a partition and its end.
func (w *Writer) bounds(ctx context.Context, topic string, partition int) (first, end int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return w.reader.Bounds(ctx, topic, partition) //nolint:wrapcheck // Explained by Read.
}
