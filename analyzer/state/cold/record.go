package cold

import (
	"encoding/binary"
	"errors"

	"github.com/zeebo/xxh3"
)

// A record is
//
//	8 B XXH3-64 of the rest, 4 B length of what follows, 1 B operation,
//
// and then, of a put, the length of the key as a uvarint, key and value; of a take,
// 8 B segment, 4 B offset and 4 B fingerprint of the record that was taken; of what
// begins every segment but the first, the chain before it; of what clears everything,
// nothing. Integers are little-endian.
const (
	opPut byte = 1 + iota
	opTake
	opBegin
	opClear
)

const (
	headBytes = 8 + 4 + 1
	takeBytes = headBytes + 16
	// beginBytes is the length of what begins a segment.
	beginBytes = headBytes + 8
)

// errRecord means that bytes are no record.
var errRecord = errors.New("record is damaged")

// taking is which record was taken.
type taking struct {
	segment     uint64
	offset      uint32
	fingerprint uint32
}

// appendPut writes a put behind buf.
func appendPut(buf, key, value []byte) []byte {
	at := len(buf)
	buf = append(buf, make([]byte, headBytes-1)...)
	buf = append(buf, opPut)
	buf = binary.AppendUvarint(buf, uint64(len(key)))
	buf = append(append(buf, key...), value...)
	finish(buf[at:])
	return buf
}

// appendTake writes a take behind buf.
func appendTake(buf []byte, t taking) []byte {
	at := len(buf)
	buf = append(buf, make([]byte, headBytes-1)...)
	buf = append(buf, opTake)
	buf = binary.LittleEndian.AppendUint64(buf, t.segment)
	buf = binary.LittleEndian.AppendUint32(buf, t.offset)
	buf = binary.LittleEndian.AppendUint32(buf, t.fingerprint)
	finish(buf[at:])
	return buf
}

// appendBegin writes the begin of a segment behind buf.
func appendBegin(buf []byte, chain uint64) []byte {
	at := len(buf)
	buf = append(buf, make([]byte, headBytes-1)...)
	buf = append(buf, opBegin)
	buf = binary.LittleEndian.AppendUint64(buf, chain)
	finish(buf[at:])
	return buf
}

// appendClear writes what clears everything behind buf.
func appendClear(buf []byte) []byte {
	at := len(buf)
	buf = append(buf, make([]byte, headBytes-1)...)
	buf = append(buf, opClear)
	finish(buf[at:])
	return buf
}

// finish writes length and sum into a record.
func finish(record []byte) {
	binary.LittleEndian.PutUint32(record[8:], uint32(len(record)-headBytes+1))
	binary.LittleEndian.PutUint64(record, xxh3.Hash(record[8:]))
}

// lengthOf is how long the record is whose head this is.
func lengthOf(head []byte) int64 {
	return int64(binary.LittleEndian.Uint32(head[8:])) + headBytes - 1
}

// check reports whether a whole record is as it was written.
func check(record []byte) bool {
	return len(record) >= headBytes && lengthOf(record) == int64(len(record)) &&
		binary.LittleEndian.Uint64(record) == xxh3.Hash(record[8:])
}

// putOf reads a put that was checked.
func putOf(record []byte) (key, value []byte, err error) {
	body := record[headBytes:]
	n, w := binary.Uvarint(body)
	if record[headBytes-1] != opPut || w <= 0 || n > uint64(len(body)-w) {
		return nil, nil, errRecord
	}
	return body[w : w+int(n)], body[w+int(n):], nil
}

// takeOf reads a take that was checked.
func takeOf(record []byte) (taking, error) {
	if record[headBytes-1] != opTake || len(record) != takeBytes {
		return taking{}, errRecord
	}
	body := record[headBytes:]
	return taking{binary.LittleEndian.Uint64(body), binary.LittleEndian.Uint32(body[8:]), binary.LittleEndian.Uint32(body[12:])}, nil
}

// link is the chain of all records of a log behind one more.
func link(chain uint64, record []byte) uint64 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], chain)
	copy(b[8:], record[:8])
	return xxh3.Hash(b[:])
}

// fingerprint is what an index knows of a key.
func fingerprint(key []byte) uint32 {
	h := xxh3.Hash(key)
	return uint32(h>>32) ^ uint32(h)
}
