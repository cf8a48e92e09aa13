package fetch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"unsafe"

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
	errLarge   = errors.New("batch is larger than any that is read")
)

// batch is one batch of a record set, whole.
type batch []byte

// taker appends the records of one record set to an answer.
type taker struct {
	*Answer

	unpacker *unpacker
	spent    int // Bytes that what is unpacked takes, and the list of records.
	broken   []error
	more     int // Batches that are broken, too.
}

// take appends the records of a record set, as far as most bytes of memory last. What
// is wrong with a batch behind another one is told when that one is asked for: the
// last may be cut short by what was asked for.
func (a *Answer) take(u *unpacker, set []byte, most int) error {
	t := taker{Answer: a, unpacker: u}
	set, err := t.first(set)
	for err == nil && len(set) > 0 && t.spent < most {
		var later error
		set, later = t.first(set)
		if later != nil {
			break
		}
	}
	if t.more > 0 {
		t.broken = append(t.broken, fmt.Errorf("and %d batches more", t.more))
	}
	a.Broken = errors.Join(t.broken...)
	return err
}

// first appends the records of the first batch of a record set, of which it returns
// the rest.
func (t *taker) first(set []byte) (rest []byte, err error) {
	if len(set) == 0 {
		return nil, nil
	}
	b, rest, whole := cut(set)
	if whole {
		return rest, t.add(b)
	}
	if len(set) < atRecords || set[atMagic] != 2 || binary.BigEndian.Uint32(set[atSize:]) <= uint32(t.unpacker.bound()+atRecords) {
		return nil, ErrAnswer
	}
	t.passOver(set, errLarge) // The answer has its head alone.
	return nil, nil
}

// passOver goes on behind a batch that cannot be read, of which b has the head.
func (t *taker) passOver(b []byte, why error) {
	t.behind(b)
	if len(t.broken) == brokenMax {
		t.more++
		return
	}
	t.broken = append(t.broken, fmt.Errorf("batch at offset %d: %w", int64(binary.BigEndian.Uint64(b[atOffset:])), why))
}

// behind goes on behind a batch.
func (t *taker) behind(b []byte) {
	last := int64(max(0, int32(binary.BigEndian.Uint32(b[atLastDelta:]))))
	t.Next = max(t.Next, int64(binary.BigEndian.Uint64(b[atOffset:]))+last+1)
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
func (t *taker) add(b batch) error {
	be := binary.BigEndian
	if b[atMagic] != 2 {
		return fmt.Errorf("message format %d: %w", b[atMagic], ErrFormat)
	}
	if crc32.Checksum(b[checksumEnd:], crc32.MakeTable(crc32.Castagnoli)) != be.Uint32(b[atChecksum:]) {
		return ErrChecksum
	}
	t.behind(b)
	if be.Uint16(b[atAttributes:])&bitControl != 0 {
		return nil
	}
	have := len(t.Records)
	err := t.read(b)
	if err != nil {
		t.Records = t.Records[:have]
		t.passOver(b, err)
	}
	return nil
}

// read appends the records of a batch, all of which lie in b or in what is
// unpacked from it.
func (t *taker) read(b batch) error {
	be := binary.BigEndian
	count, last := int(be.Uint32(b[atCount:])), int64(int32(be.Uint32(b[atLastDelta:])))
	if len(b)-atRecords > t.unpacker.bound() || count > batchRecordsMax {
		return errLarge
	}
	attributes := be.Uint16(b[atAttributes:])
	packing := compress.Compression(attributes & bitsCodec)
	records, err := t.unpacker.unpack(packing, b[atRecords:])
	if packing != compress.None {
		t.spent += cap(records) // Also of one that is broken: it has cost time.
	}
	if err != nil {
		return err
	}
	if count > len(records)/recordBytesMin {
		return fmt.Errorf("%d records in %d B: %w", count, len(records), errRecords)
	}
	first, at := int64(be.Uint64(b[atOffset:])), int64(be.Uint64(b[atFirstTime:]))
	t.room(count)
	before := int64(-1)
	for range count {
		one, rest, whole := text(records)
		if !whole {
			return errRecords
		}
		r, ok := parse(one)
		if !ok || r.Offset <= before || r.Offset > last {
			return errRecords
		}
		before = r.Offset
		r.Offset += first
		r.Millis += at
		if attributes&bitAppendTime != 0 {
			r.Millis = int64(be.Uint64(b[atLastTime:]))
		}
		t.Records = append(t.Records, r)
		records = rest
	}
	if len(records) > 0 {
		return fmt.Errorf("%d B behind the last record: %w", len(records), errRecords)
	}
	return nil
}

// room makes room for n records more.
func (t *taker) room(n int) {
	t.spent += n * int(unsafe.Sizeof(Record{}))
	if t.Records == nil {
		t.Records = make([]Record, 0, n)
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
