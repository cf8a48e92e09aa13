package spool

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Class says which records give way first when the spool is full.
type Class uint8

// Classes, the first to go first.
const (
	// Plain are reads that were permitted and went well.
	Plain Class = iota
	// Vital is everything else: denials, sign-ins, changes, streams, and what
	// speaks of a lane.
	Vital
	classes = 2
)

// A segment begins with a header:
//
//	magic 8 | version 4 | class 4 | epoch 8 | number 4 | size 4 | owner 16 | crc 4 | … 64: synced 8 | synced, inverted 8 | newest 8 | newest, inverted 8
//
// What is below synced was on the disk once: bytes that are wrong there are
// damage, above they are what a power loss has torn. newest is the time of the
// newest record then, in Unix nanoseconds, 0 for none.
const (
	segmentMagic   = "vigilseg"
	segmentVersion = 1
	segmentHeader  = 128
	syncedAt       = 64
	newestAt       = 80
	// segmentsMin is what a spool cannot do without: per class one that is
	// written and one that is ready to follow.
	segmentsMin = 2 * classes
)

// errHeader means that a file is no segment, or not the one that its name says.
var errHeader = errors.New("segment header damaged")

// segment is one file of records of one class and life.
type segment struct {
	name   string
	class  Class
	epoch  uint64
	number uint32
	size   int
	salt   uint32
	disk   Disk

	// Written under the lock of its chain.
	end        int
	synced     int
	noted      time.Time // When the file was told how far it is synced.
	born, last time.Time // Of its first and newest record.

	pending atomic.Int64 // Records that Kafka has not yet.
	sealed  atomic.Bool  // Nothing more is written to it.
	gone    atomic.Bool  // Its file is removed or about to be.
	damaged bool         // Is set aside in the end.

	mu   sync.Mutex
	file File // Nil while nobody needs it.
}

func segmentName(epoch uint64, class Class, number uint32) string {
	return fmt.Sprintf("%020d-%d-%08d.seg", epoch, class, number)
}

func newSegment(d Disk, epoch uint64, class Class, number uint32, size int) *segment {
	name := segmentName(epoch, class, number)
	return &segment{
		name: name, class: class, epoch: epoch, number: number, size: size, disk: d, end: segmentHeader, synced: segmentHeader,
		salt: checksum(0, []byte(name)),
	}
}

// owner is a gateway's id in the length that a header has for it.
func owner(gateway string) []byte {
	sum := sha256.Sum256([]byte(gateway))
	return sum[:16]
}

// create makes the segment's file.
func (s *segment) create(gateway string) error {
	f, err := s.disk.Create(s.name, s.size)
	if err != nil {
		return err //nolint:wrapcheck // Names the file.
	}
	err = guard(func() { s.head(f, gateway) })
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", s.name, err), f.Close(), s.disk.Remove(s.name))
	}
	return nil
}

// head writes the header.
func (s *segment) head(f File, gateway string) {
	b, le := f.Bytes(), binary.LittleEndian
	copy(b, segmentMagic)
	le.PutUint32(b[8:], segmentVersion)
	le.PutUint32(b[12:], uint32(s.class))
	le.PutUint64(b[16:], s.epoch)
	le.PutUint32(b[24:], s.number)
	le.PutUint32(b[28:], uint32(s.size))
	copy(b[32:48], owner(gateway))
	le.PutUint32(b[48:], checksum(s.salt, b[:48]))
	s.file = f
	s.note(b)
}

// note writes how far the segment is synced, and of when its newest record is; the
// next sync makes that durable.
func (s *segment) note(b []byte) {
	var newest uint64
	if !s.last.IsZero() {
		newest = uint64(s.last.UnixNano())
	}
	binary.LittleEndian.PutUint64(b[newestAt:], newest)
	binary.LittleEndian.PutUint64(b[newestAt+8:], ^newest)
	binary.LittleEndian.PutUint64(b[syncedAt:], uint64(s.synced))
	binary.LittleEndian.PutUint64(b[syncedAt+8:], ^uint64(s.synced))
}

// check reads the header. The error wraps [ErrForeign] or [errHeader].
func (s *segment) check(b []byte, gateway string) error {
	le := binary.LittleEndian
	if len(b) < segmentHeader || string(b[:8]) != segmentMagic || le.Uint32(b[8:]) != segmentVersion ||
		le.Uint32(b[48:]) != checksum(s.salt, b[:48]) {
		return fmt.Errorf("%s: %w", s.name, errHeader)
	}
	if string(b[32:48]) != string(owner(gateway)) {
		return fmt.Errorf("%s: %w", s.name, ErrForeign)
	}
	synced := le.Uint64(b[syncedAt:])
	if synced == ^le.Uint64(b[syncedAt+8:]) && synced <= uint64(len(b)) {
		s.synced = int(synced)
	}
	return nil
}

// newest is the time of the segment's newest record as its header notes it: that of
// the last note, so that records after it may be younger. Where the header says
// nothing, or something that cannot be, it is now.
func (s *segment) newest(b []byte, now time.Time) time.Time {
	if len(b) < segmentHeader {
		return now
	}
	noted := binary.LittleEndian.Uint64(b[newestAt:])
	at := time.Unix(0, int64(noted))
	if noted == 0 || noted != ^binary.LittleEndian.Uint64(b[newestAt+8:]) || at.After(now) {
		return now
	}
	return at
}

// open maps the file where it is not. Callers hold s.mu.
func (s *segment) open() error {
	if s.file != nil {
		return nil
	}
	if s.gone.Load() {
		return fmt.Errorf("%s: %w", s.name, errGone)
	}
	f, err := s.disk.Open(s.name)
	if err != nil {
		return err //nolint:wrapcheck // Names the file.
	}
	s.file = f
	return nil
}

// park gives the file's memory back; the next read takes it again.
func (s *segment) park() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.Close() //nolint:wrapcheck // Names the file.
}

// retire notes that a sealed segment is synced to its end, and parks it.
func (s *segment) retire() error {
	s.mu.Lock()
	var err error
	if s.file != nil {
		err = guard(func() { s.note(s.file.Bytes()) })
	}
	s.mu.Unlock()
	return errors.Join(err, s.park())
}

// flush syncs the file, where it is still there.
func (s *segment) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	return s.file.Sync() //nolint:wrapcheck // Names the file.
}

// done takes one record from the segment, or all of them.
func (s *segment) done(n int64) (empty bool) { return s.pending.Add(-n) <= 0 && s.sealed.Load() }

// ErrDamaged means that the disk does not hold a record any more.
var ErrDamaged = errors.New("record damaged")

var errGone = errors.New("segment is removed")

// Ref is where a record is in the spool. The zero Ref is nowhere.
type Ref struct {
	seg  *segment
	at   uint32
	size uint32 // Of the body.
	// First and Span are the numbers that the record stands for: Span more than the first.
	First uint64
	Span  uint32
	// Tag is what the record's writer has put there.
	Tag uint8
}

// Record is what is appended, without its body.
type Record struct {
	Class Class
	// Tag is kept beside the record for its writer.
	Tag  uint8
	Lane uint32
	// First and Last are the numbers that the record stands for, at most 2³² of them.
	First, Last uint64
}

// Epoch is the life that the record is of.
func (r Ref) Epoch() uint64 { return r.seg.epoch }

// Last is the last number that the record stands for.
func (r Ref) Last() uint64 { return r.First + uint64(r.Span) }

// Valid reports whether r is a record's place.
func (r Ref) Valid() bool { return r.seg != nil }

// Size is the body's length in bytes.
func (r Ref) Size() int { return int(r.size) }

// Since is when the segment that holds the record was begun, or the record's
// life ended: it is at least about as old.
func (r Ref) Since() time.Time { return r.seg.born }

// Read appends the record's body to dst. The error wraps [ErrDamaged] where the
// file does not hold it any more.
func (r Ref) Read(dst []byte) ([]byte, error) {
	s := r.seg
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.open()
	if err != nil {
		return dst, errors.Join(ErrDamaged, err)
	}
	out, whole := dst, false
	fault := guard(func() {
		b := s.file.Bytes()
		if int64(r.at)+frameHeader+int64(r.size) > int64(len(b)) {
			return
		}
		f, ok := readFrame(b[r.at:], s.salt^r.at)
		if ok && f.first == r.First && len(f.body) == int(r.size) {
			out, whole = append(dst, f.body...), true
		}
	})
	if !whole {
		return dst, errors.Join(fmt.Errorf("%s at %d: %w", s.name, r.at, ErrDamaged), fault)
	}
	return out, nil
}
