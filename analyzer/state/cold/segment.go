package cold

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/zeebo/xxh3"
)

// segment is a part of a log, in a file of its own.
type segment struct {
	number uint64
	file   *os.File
	size   int64 // With what is not written yet.
	index  index

	// What has happened in it, in order, as it is written beside it: since everything was
	// cleared, where cleared says that it was.
	puts    []uint64
	takes   []taking
	cleared bool
	// before and after are the chain where it begins and ends.
	before, after uint64
	// synced is up to where the file is on the disk for certain. Whoever has brought it
	// there says so, which may be beside the work.
	synced atomic.Int64
}

func segmentName(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%012d.cold", number))
}

func indexName(dir string, number uint64) string { return segmentName(dir, number) + ".index" }

// operations is how many there were.
func (s *segment) operations() int { return len(s.puts) + len(s.takes) }

// note takes a record down that begins at an offset.
func (s *segment) note(record []byte, offset int64) error {
	switch record[headBytes-1] {
	case opPut:
		key, _, err := putOf(record)
		if err != nil {
			return err
		}
		s.puts = append(s.puts, place(fingerprint(key), offset))
	case opTake:
		t, err := takeOf(record)
		if err != nil {
			return err
		}
		s.takes = append(s.takes, t)
	case opClear:
		if len(record) != headBytes {
			return errRecord
		}
		s.clear()
	case opBegin:
		if offset != 0 || len(record) != beginBytes {
			return errRecord
		}
		s.before = binary.LittleEndian.Uint64(record[headBytes:])
		s.after = s.before
		return nil
	default:
		return errRecord
	}
	s.after = link(s.after, record)
	return nil
}

// clear notes that everything was cleared.
func (s *segment) clear() { s.puts, s.takes, s.cleared = nil, nil, true }

// scan reads a segment from its file, up to an offset.
func (s *segment) scan(end int64) error {
	in := bufio.NewReaderSize(io.NewSectionReader(s.file, 0, end), 1<<20)
	s.puts, s.takes, s.cleared, s.before, s.after = nil, nil, false, 0, 0
	var record []byte
	for offset := int64(0); offset < end; offset += int64(len(record)) {
		head, err := in.Peek(headBytes)
		if err != nil {
			return fmt.Errorf("read record: %w", errors.Join(errRecord, err))
		}
		n := lengthOf(head)
		if n < headBytes || n > end-offset {
			return errRecord
		}
		record = append(record[:0], make([]byte, n)...)
		_, err = io.ReadFull(in, record)
		if err != nil {
			return fmt.Errorf("read record: %w", err)
		}
		if !check(record) {
			return errRecord
		}
		err = s.note(record, offset)
		if err != nil {
			return err
		}
	}
	s.size = end
	return nil
}

// summary is the file of a full segment's index:
//
//	8 B chain before, 8 B chain after, 8 B size, 8 B puts, 8 B takes, 8 B whether
//	everything was cleared before them, 8 B a put, 16 B a take, 8 B XXH3-64 of
//	everything before.
func (s *segment) summary() []byte {
	b := make([]byte, 0, summaryBytes+8*len(s.puts)+16*len(s.takes))
	cleared := uint64(0)
	if s.cleared {
		cleared = 1
	}
	for _, v := range []uint64{s.before, s.after, uint64(s.size), uint64(len(s.puts)), uint64(len(s.takes)), cleared} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	for _, p := range s.puts {
		b = binary.LittleEndian.AppendUint64(b, p)
	}
	for _, t := range s.takes {
		b = binary.LittleEndian.AppendUint64(b, t.segment)
		b = binary.LittleEndian.AppendUint32(b, t.offset)
		b = binary.LittleEndian.AppendUint32(b, t.fingerprint)
	}
	return binary.LittleEndian.AppendUint64(b, xxh3.Hash(b))
}

// summaryBytes is the length of a summary of nothing.
const summaryBytes = 7 * 8

// recall reads a segment's summary; false where it cannot be used.
func (s *segment) recall(b []byte, size int64) bool {
	if len(b) < summaryBytes || binary.LittleEndian.Uint64(b[len(b)-8:]) != xxh3.Hash(b[:len(b)-8]) {
		return false
	}
	var head [6]uint64
	for i := range head {
		head[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	b = b[8*len(head) : len(b)-8]
	room := uint64(len(b))
	if head[3] > room/8 || head[4] > room/16 || 8*head[3]+16*head[4] != room || head[2] != uint64(size) || head[5] > 1 {
		return false
	}
	s.before, s.after, s.size, s.cleared = head[0], head[1], size, head[5] == 1
	s.puts, s.takes = make([]uint64, head[3]), make([]taking, head[4])
	for i := range s.puts {
		s.puts[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	b = b[8*len(s.puts):]
	for i := range s.takes {
		t := b[16*i:]
		s.takes[i] = taking{binary.LittleEndian.Uint64(t), binary.LittleEndian.Uint32(t[8:]), binary.LittleEndian.Uint32(t[12:])}
	}
	return true
}

// fill makes the index of all that was put.
func (s *segment) fill() {
	s.index = index{}
	for _, p := range s.puts {
		s.index.add(p)
	}
}
