package fetch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/segmentio/kafka-go/compress"

	"github.com/vigil-gateway/vigil/schemas/access"
)

// Where the fields of a batch begin, of message format 2; numbers are big-endian.
//
// Source: kafka.apache.org, "Record Batch".
const (
	atOffset     = 0
	atSize       = 8 // Of what follows this field.
	atMagic      = 16
	atChecksum   = 17 // CRC-32C of what follows this field.
	atAttributes = 21
	atLastDelta  = 23 // From the first offset to the last.
	atFirstTime  = 27
	atLastTime   = 35
	atCount      = 57
	atRecords    = 61

	sizeEnd     = atSize + 4
	checksumEnd = atChecksum + 4

	// Bits of the attributes.
	bitsCodec     = 0x07
	bitAppendTime = 0x08 // The time of every record is the last one's, the broker's.
	bitControl    = 0x20 // The records are marks of transactions.

	// recordBytesMin is what the shortest record takes: seven numbers of one byte.
	recordBytesMin = 7
)

var (
	// ErrAnswer means that what a broker sends is not an answer to what was asked.
	ErrAnswer = access.ErrAnswer
	// ErrFormat means that a batch is of a format or compression that is not read.
	ErrFormat = errors.New("format of the batch is unknown")
	// ErrChecksum means that a batch is not what was written.
	ErrChecksum = errors.New("checksum of the batch is wrong")

	errRecords = errors.New("records of the batch are malformed")
	errLarge   = fmt.Errorf("batch has more than %d B", batchBytesMax)
)

// batch is one batch of a record set, whole.
type batch []byte

// take appends the records of a record set. What is wrong with a batch behind
// another one is told when that one is asked for: the last may be cut short by what
// was asked for.
func (a *Answer) take(set []byte) error {
	set, err := a.first(set)
	for err == nil && len(set) > 0 {
		var later error
		set, later = a.first(set)
		if later != nil {
			break
		}
	}
	return err
}

// first appends the records of the first batch of a record set, of which it returns
// the rest.
func (a *Answer) first(set []byte) (rest []byte, err error) {
	if len(set) == 0 {
		return nil, nil
	}
	b, rest, whole := cut(set)
	if !whole {
		return nil, ErrAnswer
	}
	return rest, a.add(b)
}

// cut is the first batch of a record set and what is behind it.
func cut(set []byte) (b batch, rest []byte, whole bool) {
	if len(set) < atRecords {
		return nil, nil, false
	}
	size := sizeEnd + int64(binary.BigEndian.Uint32(set[atSize:]))
	if size < atRecords || size > int64(len(set)) {
		return nil, nil, false
	}
	return batch(set[:size:size]), set[size:], true
}

// add appends the records of one batch.
func (a *Answer) add(b batch) error {
	be := binary.BigEndian
	if b[atMagic] != 2 {
		return fmt.Errorf("message format %d: %w", b[atMagic], ErrFormat)
	}
	if crc32.Checksum(b[checksumEnd:], crc32.MakeTable(crc32.Castagnoli)) != be.Uint32(b[atChecksum:]) {
		return ErrChecksum
	}
	attributes := be.Uint16(b[atAttributes:])
	packing := compress.Compression(attributes & bitsCodec)
	if packing != compress.None && packing.Codec() == nil {
		return fmt.Errorf("compression %d: %w", attributes&bitsCodec, ErrFormat)
	}
	first := int64(be.Uint64(b[atOffset:]))
	a.Next = max(a.Next, first+int64(be.Uint32(b[atLastDelta:]))+1)
	if attributes&bitControl != 0 {
		return nil
	}
	have := len(a.Records)
	err := a.read(b, packing)
	if err != nil {
		a.Records = a.Records[:have]
		a.Broken = errors.Join(a.Broken, fmt.Errorf("batch at offset %d: %w", first, err))
	}
	return nil
}

// read appends the records of a batch, all of which lie in b or in what is
// unpacked from it.
func (a *Answer) read(b batch, packing compress.Compression) error {
	be := binary.BigEndian
	records := []byte(b[atRecords:])
	if packing != compress.None {
		var err error
		records, err = unpacked(packing, records)
		if err != nil {
			return err
		}
	}
	count := int(be.Uint32(b[atCount:]))
	if count > len(records)/recordBytesMin {
		return fmt.Errorf("%d records in %d B: %w", count, len(records), errRecords)
	}
	first, at := int64(be.Uint64(b[atOffset:])), int64(be.Uint64(b[atFirstTime:]))
	appended := be.Uint16(b[atAttributes:])&bitAppendTime != 0
	a.room(count)
	for range count {
		one, rest, whole := text(records)
		if !whole {
			return errRecords
		}
		r, ok := parse(one)
		if !ok {
			return errRecords
		}
		r.Offset += first
		r.Millis += at
		if appended {
			r.Millis = int64(be.Uint64(b[atLastTime:]))
		}
		a.Records = append(a.Records, r)
		records = rest
	}
	return nil
}

// room makes room for n records more.
func (a *Answer) room(n int) {
	if a.Records == nil {
		a.Records = make([]Record, 0, n)
	}
}

// parse reads one record; its offset and time are from those of its batch.
func parse(b []byte) (r Record, ok bool) {
	if len(b) < recordBytesMin-1 {
		return r, false
	}
	b = b[1:] // Attributes, of which none is in use.
	var n int
	r.Millis, n = varint(b)
	if n <= 0 {
		return r, false
	}
	b = b[n:]
	r.Offset, n = varint(b)
	if n <= 0 {
		return r, false
	}
	r.Key, b, ok = text(b[n:])
	if !ok {
		return r, false
	}
	r.Value, b, ok = text(b)
	if !ok {
		return r, false
	}
	headers, n := varint(b)
	if n <= 0 || headers < 0 || headers > int64(len(b)) {
		return r, false
	}
	r.n, r.list = int(headers), b[n:len(b):len(b)]
	return r, true
}

// unpacked is what was compressed.
func unpacked(packing compress.Compression, packed []byte) ([]byte, error) {
	from := packing.Codec().NewReader(bytes.NewReader(packed))
	defer func() { _ = from.Close() }() // It reads from memory.
	var out bytes.Buffer
	out.Grow(4 * len(packed)) // What events are compressed to is a quarter of them.
	_, err := out.ReadFrom(io.LimitReader(from, batchBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", packing, err)
	}
	if out.Len() > batchBytesMax {
		return nil, errLarge
	}
	return out.Bytes(), nil
}
