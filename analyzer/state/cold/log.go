package cold

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// log is one bounded log of what was put and taken.
type log struct {
	dir string
	// A segment ends at so many bytes, or so many operations.
	segmentBytes int64
	operations   int

	live    []*segment // The oldest first; the last one is written.
	buffer  []byte     // The end of the last one, not written yet.
	read    []byte     // What take has returned.
	sealing sync.WaitGroup
	sync    func(*os.File) error // Brings a file to the disk.
	fault   error                // Why it is of no use until it is opened again.
	counts  Counts
}

func newLog(dir string, bytesMax int64) *log {
	l := &log{dir: dir, segmentBytes: bytesMax / segmentsLive}
	l.operations = int(l.segmentBytes / entitiesPer)
	l.live = []*segment{{}}
	l.sync = (*os.File).Sync
	return l
}

func (l *log) head() *segment { return l.live[len(l.live)-1] }

// put appends an entity.
func (l *log) put(key, value []byte) {
	most := int64(headBytes + 10 + len(key) + len(value))
	if l.fault != nil || most > l.segmentBytes {
		l.counts.Lost++
		return
	}
	if !l.room(most) {
		return
	}
	s, begin := l.head(), len(l.buffer)
	l.buffer = appendPut(l.buffer, key, value)
	p := place(fingerprint(key), s.size)
	s.puts = append(s.puts, p)
	s.index.add(p)
	l.appended(begin)
	l.counts.Put++
}

// take finds an entity, the newest segment first, and notes that it is gone.
func (l *log) take(key []byte) []byte {
	fp := fingerprint(key)
	for i := len(l.live) - 1; i >= 0 && l.fault == nil; i-- {
		s := l.live[i]
		var value []byte
		slot := s.index.find(fp, func(offset int64) (found bool) {
			value, found = l.look(s, offset, key)
			return found
		})
		if slot < 0 {
			continue
		}
		at := offsetOf(s.index.slots[slot])
		s.index.remove(slot)
		if !l.room(takeBytes) {
			return nil
		}
		begin, t := len(l.buffer), taking{s.number, uint32(at), fp}
		l.buffer = appendTake(l.buffer, t)
		l.head().takes = append(l.head().takes, t)
		l.appended(begin)
		l.counts.Taken++
		return value
	}
	return nil
}

// clear forgets everything, and notes that.
func (l *log) clear() {
	if l.fault != nil || l.entities() == 0 || !l.room(headBytes) {
		return
	}
	for _, s := range l.live {
		l.counts.Cleared += uint64(s.index.live)
		s.index = index{}
	}
	begin := len(l.buffer)
	l.buffer = appendClear(l.buffer)
	l.head().clear()
	l.appended(begin)
}

// appended counts the record that begins there in the buffer, and writes what is
// enough.
func (l *log) appended(begin int) {
	s, record := l.head(), l.buffer[begin:]
	s.size += int64(len(record))
	s.after = link(s.after, record)
	if len(l.buffer) >= bufferBytes {
		l.flush()
	}
}

// look reads a record and compares its key. One that is damaged is nobody's.
func (l *log) look(s *segment, offset int64, key []byte) (value []byte, found bool) {
	record, err := l.record(s, offset)
	if err == nil && !check(record) {
		err = errRecord
	}
	var of []byte
	if err == nil {
		of, value, err = putOf(record)
	}
	if err != nil {
		l.counts.Damaged++
		return nil, false
	}
	return value, bytes.Equal(of, key)
}

// record reads one, from the buffer or the file, into l.read.
func (l *log) record(s *segment, offset int64) ([]byte, error) {
	written := s.size
	if s == l.head() {
		written -= int64(len(l.buffer))
	}
	if offset >= written {
		b := l.buffer[offset-written:]
		l.read = append(l.read[:0], b[:min(int64(len(b)), lengthOf(b))]...) // What comes next is written behind it.
		return l.read, nil
	}
	l.read = slices.Grow(l.read[:0], readBytes)[:min(readBytes, written-offset)]
	_, err := s.file.ReadAt(l.read, offset)
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	if len(l.read) < headBytes {
		return nil, errRecord
	}
	n := lengthOf(l.read)
	if n > written-offset {
		return nil, errRecord
	}
	if have := int64(len(l.read)); n > have {
		l.read = slices.Grow(l.read, int(n-have))[:n]
		_, err = s.file.ReadAt(l.read[have:], offset+have)
		if err != nil {
			return nil, fmt.Errorf("read record: %w", err)
		}
	}
	return l.read[:n], nil
}

// room makes place for a record of at most so many bytes. It reports false where the disk
// fails.
func (l *log) room(most int64) bool {
	s := l.head()
	if s.size+most <= l.segmentBytes && s.operations() < l.operations {
		return true
	}
	l.flush()
	if l.fault != nil {
		return false
	}
	l.seal(s)
	next := &segment{number: s.number + 1, before: s.after, after: s.after, size: beginBytes}
	next.index.slots = make([]uint64, len(s.index.slots)) // As many will come: it need not grow.
	l.live = append(l.live, next)
	l.buffer = appendBegin(l.buffer, s.after)
	if len(l.live) > segmentsLive {
		l.counts.Dropped += uint64(l.live[0].index.live)
		l.live = slices.Delete(l.live, 0, 1) // Its file is closed with it: a mark may be syncing it.
	}
	if head := l.head().number; head >= segmentsKept {
		l.discard(head - segmentsKept)
	}
	return true
}

// seal writes a full segment's index beside it.
func (l *log) seal(s *segment) {
	if s.file == nil {
		return
	}
	summary := s.summary()
	s.puts, s.takes = nil, nil
	l.sealing.Go(func() {
		// Without it the segment is read: nothing is lost but time.
		_ = os.WriteFile(indexName(l.dir, s.number), summary, 0o600)
	})
}

// discard deletes the files of a segment that no mark can need.
func (l *log) discard(number uint64) {
	l.sealing.Wait()
	_ = os.Remove(segmentName(l.dir, number))
	_ = os.Remove(indexName(l.dir, number))
}

// flush writes the buffer.
func (l *log) flush() {
	if len(l.buffer) == 0 || l.fault != nil {
		return
	}
	s, err := l.head(), error(nil)
	if s.file == nil {
		s.file, err = os.OpenFile(segmentName(l.dir, s.number), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	}
	if err == nil {
		_, err = s.file.WriteAt(l.buffer, s.size-int64(len(l.buffer)))
	}
	if err != nil {
		l.fail(fmt.Errorf("write: %w", err))
		return
	}
	l.buffer = l.buffer[:0]
}

// fail forgets everything: a log with a hole in it is not the same log again.
func (l *log) fail(err error) {
	l.fault = err
	for _, s := range l.live {
		l.counts.Lost += uint64(s.index.live)
		s.index = index{}
	}
	l.buffer = nil
}

// entities is how many there are.
func (l *log) entities() (n int) {
	for _, s := range l.live {
		n += s.index.live
	}
	return n
}

// unsynced are the segments that are not on the disk for certain. Nothing waits to be
// written.
func (l *log) unsynced() []pending {
	var list []pending
	for _, s := range l.live {
		if s.file != nil && s.synced.Load() < s.size {
			list = append(list, pending{l, s, s.file, s.size})
		}
	}
	return list
}

// pending is a segment of which so much is to be brought to the disk.
type pending struct {
	of   *log
	to   *segment
	file *os.File
	size int64
}

// sync brings it there, and with it, the first time, its name. It may be called beside
// the work. What a mark before it wanted there may be there already.
func (p pending) sync() error {
	before := p.to.synced.Load()
	if before >= p.size {
		return nil
	}
	err := p.of.sync(p.file)
	if err == nil && before == 0 {
		err = p.of.syncFolder()
	}
	if err != nil {
		return err
	}
	for before < p.size && !p.to.synced.CompareAndSwap(before, p.size) {
		before = p.to.synced.Load()
	}
	return nil
}

// syncFolder brings the names of the files to the disk, and those of the folders that
// may have been made for them.
func (l *log) syncFolder() error {
	var errs []error
	for dir, n := l.dir, 0; n < foldersMade; dir, n = filepath.Dir(dir), n+1 {
		d, err := os.Open(dir) //nolint:gosec // The operator chooses it.
		if err != nil {
			return fmt.Errorf("open folder: %w", err)
		}
		errs = append(errs, l.sync(d), d.Close())
	}
	return errors.Join(errs...)
}

// close writes nothing: what counts was synced with a mark, and where a disk has hung
// another may have these files open by now.
func (l *log) close() {
	l.sealing.Wait()
	for _, s := range l.live {
		if s.file != nil {
			_ = s.file.Close()
		}
	}
}
