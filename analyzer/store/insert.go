package store

import (
	"context"
	"errors"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/schemas/deadletter"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// insert stores one block, trying again until ClickHouse has it or ctx ends. A try
// that ran out of time gives the next one twice as much. waiting is called after each
// try that failed; late says that it ran out of time.
func (s *Store) insert(ctx context.Context, b block, token string, waiting func(late bool)) error {
	began, c := s.o.Now(), s.o.Config
	err := s.again(ctx, "insert", nil, func() error {
		err := s.migrate(ctx)
		if err == nil {
			began = s.o.Now()
			err = b.insert(ctx, s.conn, s.spare, token, &c)
		}
		s.down.Store(err != nil)
		late := errors.Is(err, errLate)
		if late {
			c.InsertTimeout = min(2*c.InsertTimeout, patienceMax*s.o.Config.InsertTimeout)
		}
		if err != nil {
			waiting(late)
		}
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

// bury sends a poison record to vigil.dead. A record that is met again after a
// crash is buried again, under the same key.
func (s *Store) bury(ctx context.Context, i item) error {
	now := s.o.Now()
	l := &deadletter.Letter{
		Topic: i.topic, Partition: i.partition, Offset: i.Offset, Stage: deadletter.StageStoring,
		Reason: i.poison.Error(), Time: now, Key: i.Key, Value: i.Value,
	}
	for name, value := range i.All() {
		l.AddHeader(name, value)
	}
	key, value, attributes, err := l.Seal()
	if err != nil {
		return err
	}
	var headers []kafka.Header
	for _, h := range attributes.Headers() {
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
		"offset", i.Offset, "reason", i.poison)
	return nil
}
