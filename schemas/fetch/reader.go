package fetch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	wire "github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/vigil-gateway/vigil/schemas/access"
)

// Versions of the fetch request that are spoken: 4 is the first that carries
// message format 2, 12 the first of another layout.
const (
	versionMin = 4
	versionMax = 11
)

// Reader reads partitions.
type Reader struct {
	transport *kafka.Transport
	brokers   net.Addr
	unpacker  unpacker
}

// New returns a reader that reaches the brokers at an address of [kafka.TCP]
// through a transport, which stays the caller's.
func New(transport *kafka.Transport, brokers net.Addr) *Reader {
	return NewBounded(transport, brokers, batchBytesMax)
}

// NewBounded is [New] for topics whose batches are small: one with more than so many
// bytes, as it came or unpacked, at most [topic.BatchBytesMax], is passed over.
func NewBounded(transport *kafka.Transport, brokers net.Addr, batchBytes int) *Reader {
	return &Reader{transport: transport, brokers: brokers, unpacker: unpacker{most: min(batchBytes, batchBytesMax)}}
}

// Request says what is read.
type Request struct {
	Topic     string
	Partition int
	Offset    int64
	// BytesMax is the most that is asked for; a first batch that is larger comes whole.
	BytesMax int64
	// Wait is how long the broker holds the request open while no record is there, in
	// whole milliseconds.
	Wait time.Duration
}

// Answer is what one read gave.
type Answer struct {
	Records []Record
	// Next is the offset to read on from, End the end of the partition.
	Next, End int64
	// Throttle is how long the broker answers nothing more to this client, because of a
	// quota; it has given no records then, and End is not known. Whoever reads has to wait
	// as long.
	Throttle time.Duration
	// Broken says which batches cannot be read and are passed over; nil for none.
	Broken error
}

// Split parts the records in front of an offset from the others: a batch may begin
// before what was asked for.
func (a *Answer) Split(offset int64) (before, from []Record) {
	n := 0
	for n < len(a.Records) && a.Records[n].Offset < offset {
		n++
	}
	return a.Records[:n], a.Records[n:]
}

// Bounds returns the first offset of a partition and its end. The error is that of ctx
// or the transport, or the [kafka.Error] that the broker gives.
func (r *Reader) Bounds(ctx context.Context, topic string, partition int) (first, end int64, err error) {
	client := kafka.Client{Addr: r.brokers, Transport: r.transport}
	resp, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		topic: {kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition)},
	}})
	if err != nil {
		return 0, 0, fmt.Errorf("list offsets: %w", err)
	}
	for _, p := range resp.Topics[topic] {
		if p.Partition == partition {
			return p.FirstOffset, p.LastOffset, p.Error
		}
	}
	return 0, 0, kafka.UnknownTopicOrPartition
}

// once is Read, and a heldBackError.
func (r *Reader) once(ctx context.Context, q Request) (Answer, error) {
	m, err := r.transport.RoundTrip(ctx, r.brokers, &patient{clientID: r.transport.ClientID, batchBytes: r.unpacker.bound(), Request: wire.Request{
		ReplicaID: -1, MaxWaitTime: int32(q.Wait.Milliseconds()), MinBytes: 1, MaxBytes: int32(q.BytesMax), SessionID: -1, SessionEpoch: -1,
		Topics: []wire.RequestTopic{{Topic: q.Topic, Partitions: []wire.RequestPartition{{
			Partition: int32(q.Partition), CurrentLeaderEpoch: -1, FetchOffset: q.Offset, LogStartOffset: -1, PartitionMaxBytes: int32(q.BytesMax),
		}}}},
	}})
	var part *partial
	in, ok := m.(*raw)
	switch {
	case errors.As(err, &part):
		in = part.in
	case err != nil:
		return Answer{}, fmt.Errorf("fetch: %w", err)
	case !ok:
		return Answer{}, fmt.Errorf("fetch: %T: %w", m, ErrAnswer)
	}
	a := Answer{Next: q.Offset}
	set, err := in.open(&a)
	if err == nil {
		err = a.take(&r.unpacker, set, max(askedShare*int(q.BytesMax), r.unpacker.bound()))
	}
	if err != nil {
		return Answer{}, fmt.Errorf("fetch: %w", err)
	}
	return a, nil
}

// exchange is a request that writes itself and reads its answer.
type exchange struct {
	wire.Request

	clientID   string
	batchBytes int // What the records of a batch that is read have at most.
	version    int16
}

// Required takes the version that the connection has agreed on.
func (x *exchange) Required(versions map[protocol.ApiKey]int16) bool {
	x.version = min(versions[protocol.Fetch], versionMax)
	return true
}

// number is the correlation id of every request: a connection carries one at a time.
const number = 1

// RawExchange sends the request and reads its answer into memory of its own. The error
// of an answer that is too large is a [partial] one.
func (x *exchange) RawExchange(conn io.ReadWriter) (protocol.Message, error) {
	if x.version < versionMin {
		return nil, fmt.Errorf("the broker speaks version %d: %w", x.version, ErrFormat)
	}
	err := protocol.WriteRequest(conn, x.version, number, x.clientID, &x.Request)
	if err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	most := answerHeadBytes + max(int(x.MaxBytes), x.batchBytes+atRecords)
	body, err := access.ReadAnswer(conn, uint32(most))
	large := errors.Is(err, access.ErrLarge)
	if large {
		body = make([]byte, answerHeadBytes)
		_, err = io.ReadFull(conn, body)
	}
	if err != nil {
		return nil, fmt.Errorf("receive: %w", unexpected(err))
	}
	if binary.BigEndian.Uint32(body) != number {
		return nil, fmt.Errorf("answer to another request: %w", ErrAnswer)
	}
	in := &raw{version: x.version, body: body[4:], begin: large}
	if large {
		return nil, &partial{in}
	}
	return in, nil
}

// unexpected is the error of a connection that ends in the middle.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// raw is an answer as it came.
type raw struct {
	version int16
	body    []byte
	begin   bool // That is all there is of it.
}

// partial is the begin of an answer that is not read to its end: an error, so that the
// transport gives its connection up.
type partial struct{ in *raw } // Not embedded: it would be an answer.

func (*partial) Error() string { return "answer is too large" }

// ApiKey makes it an answer to kafka-go.
func (*raw) ApiKey() protocol.ApiKey { return protocol.Fetch } //nolint:revive // The name is kafka-go's.

// open reads what stands before the records of the one partition that was asked
// for, and returns the records.
func (in *raw) open(a *Answer) (set []byte, err error) {
	c := cursor{b: in.body}
	c.skip(4) // How long the broker would have us wait, which it does itself.
	if in.version >= 7 {
		code := kafka.Error(c.int16())
		c.skip(4) // The session, which is none.
		if code != 0 {
			return nil, code
		}
	}
	if c.int32() != 1 {
		return nil, fmt.Errorf("other than one topic: %w", ErrAnswer)
	}
	c.skip(int(c.int16())) // Its name.
	if c.int32() != 1 {
		return nil, fmt.Errorf("other than one partition: %w", ErrAnswer)
	}
	c.skip(4) // Its number.
	code := kafka.Error(c.int16())
	a.End = c.int64()
	c.skip(8) // The end of what is decided.
	if in.version >= 5 {
		c.skip(8) // The first offset.
	}
	c.skip(16 * max(0, int(c.int32()))) // Transactions that were given up.
	if in.version >= 11 {
		c.skip(4) // Who else could be read from.
	}
	if code != 0 {
		return nil, code
	}
	size := int(c.int32())
	if c.short {
		return nil, fmt.Errorf("%d B: %w", len(in.body), ErrAnswer)
	}
	if size <= 0 {
		return nil, nil
	}
	if in.begin {
		return c.b, nil
	}
	set = c.take(size)
	if c.short {
		return nil, fmt.Errorf("%d B of records in %d: %w", size, len(in.body), ErrAnswer)
	}
	return set, nil
}

// cursor reads what stands one behind the other. What is beyond the end is zero,
// and short says so.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.b, c.short = nil, true
		return nil
	}
	taken := c.b[:n]
	c.b = c.b[n:]
	return taken
}

func (c *cursor) skip(n int) { c.take(n) }

func (c *cursor) int16() int16 {
	b := c.take(2)
	if b == nil {
		return 0
	}
	return int16(binary.BigEndian.Uint16(b))
}

func (c *cursor) int32() int32 {
	b := c.take(4)
	if b == nil {
		return 0
	}
	return int32(binary.BigEndian.Uint32(b))
}

func (c *cursor) int64() int64 {
	b := c.take(8)
	if b == nil {
		return 0
	}
	return int64(binary.BigEndian.Uint64(b))
}
