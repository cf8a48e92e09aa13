package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// insert stores one block, trying again until ClickHouse has it or ctx ends.
func (s *Store) insert(ctx context.Context, b block, token string) error {
	began := s.o.Now()
	err := s.again(ctx, "insert", nil, func() error {
		err := s.migrate(ctx)
		if err == nil {
			began = s.o.Now()
			err = b.insert(ctx, s.conn, token, s.o.Config.InsertTimeout)
		}
		s.down.Store(err != nil)
		return err
	})
	if err != nil {
		return err
	}
	table := metric.WithAttributes(attribute.String("table", b.table))
	s.rows.Add(int64(b.rows))
	s.metrics.rows.Add(ctx, int64(b.rows), table)
	s.metrics.insert.Record(ctx, s.o.Now().Sub(began).Seconds(), table)
	return nil
}

// deadLetter is a record that could not be read, as vigil.dead keeps it.
type deadLetter struct {
	Topic     string    `json:"topic"`
	Partition int       `json:"partition"`
	Offset    int64     `json:"offset"`
	Reason    string    `json:"reason"`
	Time      time.Time `json:"time"`
	Key       []byte    `json:"key,omitempty"`
	Value     []byte    `json:"value,omitempty"`
	// Bytes is the value's whole size; more than Value has where that was cut.
	Bytes   int               `json:"bytes"`
	Headers map[string][]byte `json:"headers,omitempty"`
}

// bury sends a poison record to vigil.dead. A record that is met again after a
// crash is buried again, under the same key.
func (s *Store) bury(ctx context.Context, i item) error {
	letter := deadLetter{
		Topic: i.topic, Partition: i.partition, Offset: i.offset, Reason: i.poison.Error(), Time: i.time,
		Key: i.key, Value: i.value[:min(len(i.value), DeadValueMax)], Bytes: len(i.value), Headers: make(map[string][]byte),
	}
	size := 0
	for _, h := range i.headers {
		size += len(h.Key) + len(h.Value)
		if size <= DeadValueMax {
			letter.Headers[h.Key] = h.Value
		}
	}
	value, err := json.Marshal(letter)
	if err != nil {
		return fmt.Errorf("encode dead letter: %w", err)
	}
	key := append(topic.SourceKey(i.topic, i.partition), 0)
	key = strconv.AppendInt(key, i.offset, 10)
	now := s.o.Now()
	var headers []kafka.Header
	for _, h := range (cloudevent.Attributes{
		ID: fmt.Sprintf("%s/%d/%d", i.topic, i.partition, i.offset), Source: "//vigil/analyzer/store",
		Type: cloudevent.TypeDead, Time: now, ContentType: cloudevent.JSON,
	}).Headers() {
		headers = append(headers, kafka.Header{Key: h.Key, Value: h.Value})
	}
	err = s.again(ctx, "bury", nil, func() error {
		_, err := s.broker.produce(ctx, topic.Dead, key, value, headers, now)
		return err
	})
	if err != nil {
		return err
	}
	s.metrics.dead.Add(ctx, 1, metric.WithAttributes(attribute.String("topic", i.topic)))
	s.o.Logger.WarnContext(ctx, "record is poison: sent to the dead letters", "topic", i.topic, "partition", i.partition,
		"offset", i.offset, "reason", letter.Reason)
	return nil
}
