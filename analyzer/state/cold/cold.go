package cold

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
)

// Shelf is a cold store on disk. See the package for its laws.
type Shelf struct {
	lasting, passing *log

	unsafe atomic.Bool // A sync has failed: nobody knows what is on the disk.
}

// Counts are what a shelf has done since it was opened.
type Counts struct {
	// Put and Taken are entities that came and went.
	Put, Taken uint64
	// Cleared are those that were forgotten at once.
	Cleared uint64
	// Dropped made room for others at the bound, Lost were forgotten because the disk
	// failed or they were too large, Damaged could not be read.
	Dropped, Lost, Damaged uint64
}

// Open opens the shelf in a folder, which it creates, as it was at a mark; "" is
// the mark of an empty one. A bound of bytesMax is cut to [BytesLeast] and
// [BytesMost]. The error says why the shelf cannot be had as it was then; it is empty
// in that case, and nil where the folder cannot be used.
func Open(dir string, bytesMax int64, mark string) (*Shelf, error) {
	bytesMax = min(max(bytesMax, BytesLeast), BytesMost)
	s := &Shelf{
		lasting: newLog(filepath.Join(dir, "lasting"), bytesMax-bytesMax/4),
		passing: newLog(filepath.Join(dir, "passing"), bytesMax/4),
	}
	for _, l := range s.logs() {
		err := os.MkdirAll(l.dir, 0o700)
		if err != nil {
			return nil, fmt.Errorf("cold store: %w", err)
		}
	}
	why := s.rewind(mark)
	if mark != "" && why == nil {
		return s, nil
	}
	for _, l := range s.logs() {
		err := l.empty()
		if err != nil {
			return nil, fmt.Errorf("cold store: %w", err)
		}
	}
	return s, why
}

func (s *Shelf) logs() [2]*log { return [2]*log{s.lasting, s.passing} }

func (s *Shelf) rewind(mark string) error {
	if mark == "" {
		return nil
	}
	var to [2]point
	n, err := fmt.Sscanf(mark, markForm,
		&to[0].segment, &to[0].offset, &to[0].chain, &to[1].segment, &to[1].offset, &to[1].chain)
	if err != nil || n != 6 {
		return fmt.Errorf("cold store: mark %q: %w", mark, errElsewhere)
	}
	for i, l := range s.logs() {
		err := l.rewind(to[i])
		if err != nil {
			return fmt.Errorf("cold store: %s: %w", l.dir, err)
		}
	}
	return nil
}

// markForm has segment, offset and chain of either log.
const markForm = "%d.%d.%x-%d.%d.%x"

// Put implements [entity.Cold].
func (s *Shelf) Put(key, value []byte, lasts bool) {
	if lasts {
		s.lasting.put(key, value)
	} else {
		s.passing.put(key, value)
	}
	s.agree()
}

// agree makes the fault of one log that of the shelf.
func (s *Shelf) agree() {
	fault := s.Fault()
	for _, l := range s.logs() {
		if fault != nil && l.fault == nil {
			l.fail(fault)
		}
	}
}

// Take implements [entity.Cold].
func (s *Shelf) Take(key []byte) []byte {
	value := s.lasting.take(key)
	if value == nil {
		value = s.passing.take(key)
	}
	s.agree()
	return value
}

// Clear implements [entity.Cold].
func (s *Shelf) Clear() {
	for _, l := range s.logs() {
		l.clear()
	}
	s.agree()
}

// Mark names the point at which the shelf is. It is worth something once secure
// has returned nil: then what is before it is on the disk, whatever has become of the
// marks before it. secure may be called beside whatever the shelf does next.
func (s *Shelf) Mark() (mark string, secure func() error) {
	var list []pending
	for _, l := range s.logs() {
		l.flush()
		list = append(list, l.unsynced()...)
	}
	a, b := s.lasting.point(), s.passing.point()
	if s.unsafe.Load() {
		for _, l := range s.logs() {
			l.fail(errUnsafe)
		}
	}
	s.agree()
	fault := s.Fault()
	return fmt.Sprintf(markForm, a.segment, a.offset, a.chain, b.segment, b.offset, b.chain), func() error {
		if fault != nil {
			return fault
		}
		if s.unsafe.Load() {
			return errUnsafe // Since the mark.
		}
		var errs []error
		for _, p := range list {
			errs = append(errs, p.sync())
		}
		err := errors.Join(errs...)
		if err != nil {
			s.unsafe.Store(true)
		}
		return err
	}
}

// errUnsafe means that a sync has failed, after which what was written may be gone.
var errUnsafe = errors.New("disk did not keep what was written")

// Fault says why the shelf keeps nothing any more, nil where it does.
func (s *Shelf) Fault() error { return errors.Join(s.lasting.fault, s.passing.fault) }

// Entities is how many are on it.
func (s *Shelf) Entities() int { return s.lasting.entities() + s.passing.entities() }

// Counts says what has happened.
func (s *Shelf) Counts() Counts {
	a, b := s.lasting.counts, s.passing.counts
	return Counts{
		Put: a.Put + b.Put, Taken: a.Taken + b.Taken, Cleared: a.Cleared + b.Cleared, Dropped: a.Dropped + b.Dropped, Lost: a.Lost + b.Lost, Damaged: a.Damaged + b.Damaged,
	}
}

// Close ends the use of a shelf. What was done since the last mark may be lost.
func (s *Shelf) Close() {
	for _, l := range s.logs() {
		l.close()
	}
}
