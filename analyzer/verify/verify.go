package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// Options say what to read and whom to believe. Brokers, Keys and Unsigned are required.
type Options struct {
	// Brokers are host:port addresses to begin with.
	Brokers []string
	// Access says how they are reached and as whom; nil is plain text, as nobody.
	Access *access.Access
	// Keys are the gateways' public keys.
	Keys seal.Keys
	// Unsigned says what is thought of records without a seal.
	Unsigned seal.Policy
	// Since leaves out what came before, by the broker's time; zero reads all that is
	// retained. From does so by offset, in each partition.
	Since time.Time
	From  int64
}

// ErrUnreachable means that no broker has answered.
var ErrUnreachable = errors.New("kafka does not answer")

const (
	clientID       = "vigil-verify"
	requestTimeout = 10 * time.Second
	fetchWait      = 100 * time.Millisecond
	fetchBytes     = 4 << 20
	// emptyMax is after how many reads without a record the end of a partition is
	// taken for reached: what is left there are no records.
	emptyMax = 20
)

// record is one record of the topic.
type record struct {
	offset     int64
	key, value []byte
	headers    []kafka.Header
}

func (r record) header(name string) ([]byte, bool) {
	return access.Header(r.headers, name)
}

func (r record) decode(ev *event.RequestEvent) error {
	at, err := cloudevent.Read(r.header)
	switch {
	case err != nil:
		return fmt.Errorf("headers: %w", err)
	case at.ContentType == cloudevent.JSON:
		return event.DecodeJSON(r.value, ev)
	}
	return event.Decode(r.value, ev)
}

// Run reads and verifies. The error wraps [ErrUnreachable] where nobody answers.
func Run(ctx context.Context, o Options) (Report, error) {
	transport := o.Access.Transport(clientID)
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(o.Brokers...), Transport: transport, Timeout: requestTimeout}
	md, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic.Requests}})
	if err != nil {
		return Report{}, fmt.Errorf("%w: %w", ErrUnreachable, o.Access.Explain(err, access.Describe, "topic "+topic.Requests))
	}
	if len(md.Topics) != 1 || md.Topics[0].Error != nil || len(md.Topics[0].Partitions) == 0 {
		return Report{}, fmt.Errorf("there is no topic %s", topic.Requests)
	}
	t := &tally{lives: make(map[life]*Life)}
	n, roots := len(md.Topics[0].Partitions), seal.NewRoots()
	for id := range n {
		p := &partition{o: o, tally: t}
		p.collector = seal.NewCollector(o.Keys, roots, int32(id), func(r record) seal.Record {
			return seal.Record{Key: r.key, Value: r.value, Header: r.header}
		})
		err = p.read(ctx, client, id)
		if err != nil {
			return Report{}, fmt.Errorf("partition %d: %w", id, err)
		}
	}
	return t.report(n), nil
}

// read verifies one partition up to where it ends now.
func (p *partition) read(ctx context.Context, client *kafka.Client, id int) error {
	from, end, err := p.bounds(ctx, client, id)
	if err != nil {
		return err
	}
	found := func(head *seal.Head, records []record) { p.batch(from, head, records) }
	next := from
	for empty := 0; next < end && empty < emptyMax; empty++ {
		records, err := p.fetch(ctx, client, id, next)
		if err != nil {
			return err
		}
		for _, r := range records {
			if r.offset < next && next > from || r.offset >= end {
				continue
			}
			p.collector.Add(r, found)
			next, empty = max(next, r.offset+1), 0
		}
	}
	p.collector.End(found)
	return nil
}

// bounds are the first offset to look at and the end.
func (p *partition) bounds(ctx context.Context, client *kafka.Client, id int) (from, end int64, err error) {
	ask := []kafka.OffsetRequest{kafka.FirstOffsetOf(id), kafka.LastOffsetOf(id)}
	if !p.o.Since.IsZero() {
		ask = append(ask, kafka.TimeOffsetOf(id, p.o.Since))
	}
	resp, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic.Requests: ask}})
	if err != nil {
		return 0, 0, fmt.Errorf("list offsets: %w", err)
	}
	for _, one := range resp.Topics[topic.Requests] {
		if one.Partition != id {
			continue
		}
		from, end = max(one.FirstOffset, p.o.From), one.LastOffset
		since := int64(-1)
		for offset := range one.Offsets {
			since = max(since, offset)
		}
		switch {
		case p.o.Since.IsZero():
		case since < 0:
			from = end // Nothing is as young.
		default:
			from = max(from, since)
		}
		return from, end, one.Error
	}
	return 0, 0, fmt.Errorf("list offsets: %w", kafka.UnknownTopicOrPartition)
}

// fetch is one read. It begins where the broker's own batch does.
func (p *partition) fetch(ctx context.Context, client *kafka.Client, id int, offset int64) ([]record, error) {
	resp, err := client.Fetch(ctx, &kafka.FetchRequest{
		Topic: topic.Requests, Partition: id, Offset: offset, MinBytes: 1, MaxBytes: fetchBytes, MaxWait: fetchWait,
	})
	if err == nil {
		err = resp.Error
	}
	if err != nil {
		return nil, fmt.Errorf("fetch at %d: %w", offset, p.o.Access.Explain(err, access.Read, "topic "+topic.Requests))
	}
	var out []record
	for {
		rec, err := resp.Records.ReadRecord()
		if errors.Is(err, io.EOF) || err != nil && len(out) > 0 { // The last batch of an answer may be cut short.
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read at %d: %w", offset, err)
		}
		r := record{offset: rec.Offset, headers: rec.Headers}
		r.key, err = access.Bytes(rec.Key)
		if err == nil {
			r.value, err = access.Bytes(rec.Value)
		}
		if err != nil {
			return nil, fmt.Errorf("read record %d: %w", rec.Offset, err)
		}
		out = append(out, r)
	}
}
