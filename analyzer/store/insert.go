package store

import (
	"context"
	"errors"
	"time"

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

// bury sends the poison among items to vigil.dead, in order and as many in one write as
// DeadBytesMax holds: a stranger's batch may be nothing else. Records that are met again
// after a crash are buried again, under the same keys. topicID is that of their topic.
func (s *Store) bury(ctx context.Context, topicID string, items []item) error {
	var letters []outgoing
	size, first := 0, 0
	now := s.o.Now()
	for n := range items {
		if items[n].poison == nil {
			continue
		}
		l, err := letter(&items[n], topicID, now)
		if err != nil {
			return err
		}
		if size+l.size() > DeadBytesMax && len(letters) > 0 {
			err = s.inter(ctx, letters, &items[first], now)
			if err != nil {
				return err
			}
			letters, size = letters[:0], 0
		}
		if len(letters) == 0 {
			first = n
		}
		letters, size = append(letters, l), size+l.size()
	}
	if len(letters) == 0 {
		return nil
	}
	return s.inter(ctx, letters, &items[first], now)
}

// letter is what vigil.dead keeps of a poison record.
func letter(i *item, topicID string, now time.Time) (outgoing, error) {
	l := &deadletter.Letter{
		Topic: i.topic, TopicID: topicID, Partition: i.partition, Offset: i.Offset, Stage: deadletter.StageStoring,
		Reason: i.poison.Error(), Time: now, Key: i.Key, Value: i.Value,
	}
	for name, value := range i.All() {
		l.AddHeader(name, value)
	}
	key, value, attributes, err := l.Seal()
	if err != nil {
		return outgoing{}, err
	}
	out := outgoing{key: key, value: value}
	for _, h := range attributes.Headers() {
		out.headers = append(out.headers, kafka.Header(h))
	}
	return out, nil
}

// inter writes letters, of which first is the record of the first one, until the broker
// has them or ctx ends.
func (s *Store) inter(ctx context.Context, letters []outgoing, first *item, now time.Time) error {
	err := s.again(ctx, "bury", nil, func() error {
		_, err := s.broker.produce(ctx, topic.Dead, now, letters...)
		return err
	})
	if err != nil {
		return err
	}
	s.metrics.dead.Add(ctx, int64(len(letters)), metric.WithAttributes(attribute.String("topic", first.topic)))
	s.o.Logger.WarnContext(ctx, "records are poison: sent to the dead letters", "topic", first.topic, "partition", first.partition,
		"records", len(letters), "first_offset", first.Offset, "first_reason", first.poison)
	return nil
}
