package revoke

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// FileName is the verdict file's name in Config.Dir. A line is
//
//	v1 CRC KEEP JWS
//
// CRC-32C of the rest in hexadecimal, the Unix second until which the key has
// to be remembered, and the envelope as it came.
const FileName = "verdicts.log"

const (
	lineVersion = "v1 "
	// lineOverheadBytes is the line without its envelope: version, CRC, ten
	// digits of time, spaces and newline.
	lineOverheadBytes = len(lineVersion) + 8 + 1 + 10 + 1 + 1
)

// errDamaged means that a line is not what was written.
var errDamaged = errors.New("damaged line")

func appendLine(dst []byte, keep int64, raw []byte) []byte {
	body := append(strconv.AppendInt(nil, keep, 10), ' ')
	sum := crc32.Update(crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)), crc32.MakeTable(crc32.Castagnoli), raw)
	dst = append(dst, lineVersion...)
	dst = fmt.Appendf(dst, "%08x ", sum)
	dst = append(dst, body...)
	dst = append(dst, raw...)
	return append(dst, '\n')
}

func parseLine(line []byte) (keep int64, raw []byte, err error) {
	rest, ok := bytes.CutPrefix(line, []byte(lineVersion))
	sum, body, ok2 := bytes.Cut(rest, []byte{' '})
	second, raw, ok3 := bytes.Cut(body, []byte{' '})
	if !ok || !ok2 || !ok3 {
		return keep, nil, errDamaged
	}
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if err != nil || uint32(want) != crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) {
		return keep, nil, errDamaged
	}
	keep, err = strconv.ParseInt(string(second), 10, 64)
	if err != nil {
		return keep, nil, errDamaged
	}
	return keep, raw, nil
}

// file is the verdict file: lines are added in memory and committed together.
// What it holds and nobody changes any more is not in memory.
type file struct {
	path   string
	max    int64
	ledger *ledger

	size atomic.Int64 // Of what is known to be durable; changed only while io is held.

	io     sync.Mutex // Held while the disk works; guards the next three.
	f      *os.File   // nil before load and after close.
	broken bool       // The last write or sync failed, or a line is damaged: the file has to be written anew.
	taken  batch      // Lines on their way to the disk, also after it has refused them.

	mu      sync.Mutex // Guards the next four; never held while the disk works.
	pending batch
	waiting int64         // Bytes of pending and taken.
	unsaved uint64        // Lines that were not kept because a limit was reached.
	wake    chan struct{} // Something is pending.
}

// batch is lines that go to the disk together.
type batch struct {
	text  []byte
	lines []line
}

// line is what the ledger has to know of a line once it is written.
type line struct {
	key        name
	epoch, seq uint64
	at         int64 // Where it begins in the batch.
}

// append adds the lines of another batch.
func (b *batch) append(other batch) {
	base := int64(len(b.text))
	b.text = append(b.text, other.text...)
	for _, l := range other.lines {
		l.at += base
		b.lines = append(b.lines, l)
	}
}

func newFile(dir string, limit int64, l *ledger) *file {
	return &file{path: filepath.Join(dir, FileName), max: limit, ledger: l, wake: make(chan struct{}, 1)}
}

// load reads the file, making it if it is missing, and calls take for every
// whole line. It cuts off a last line that was torn by a crash. damaged counts
// lines that are not what was written, torn is 1 where there was a torn end.
func (s *file) load(take func(at int64, keep time.Time, raw []byte)) (damaged, torn int, err error) {
	s.io.Lock()
	defer s.io.Unlock()
	err = os.MkdirAll(filepath.Dir(s.path), 0o700)
	if err != nil {
		return 0, 0, fmt.Errorf("make verdict directory: %w", err)
	}
	s.f, err = os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return 0, 0, fmt.Errorf("open verdict file: %w", err)
	}
	r := bufio.NewReaderSize(s.f, 64<<10)
	for {
		line, n, err := readLine(r)
		switch {
		case errors.Is(err, io.EOF):
			if n > 0 {
				torn = 1
			}
			s.broken = damaged > 0
			return damaged, torn, s.end()
		case err != nil:
			return damaged, torn, fmt.Errorf("read verdict file: %w", err)
		}
		at := s.size.Add(n) - n
		keep, raw, err := parseLine(line)
		if err != nil {
			damaged++
			// It may be the line's end that is gone, and the next line be in it: nothing
			// within a line looks like its beginning.
			next := max(bytes.LastIndex(line, []byte(lineVersion)), 0)
			at += int64(next)
			keep, raw, err = parseLine(line[next:])
		}
		if err == nil {
			take(at, time.Unix(keep, 0), raw)
		}
	}
}

// end puts the write position behind the last whole line.
func (s *file) end() error {
	err := s.f.Truncate(s.size.Load())
	if err == nil {
		_, err = s.f.Seek(s.size.Load(), io.SeekStart)
	}
	if err == nil {
		err = syncDir(filepath.Dir(s.path)) // The file may be new.
	}
	if err != nil {
		return fmt.Errorf("prepare verdict file: %w", err)
	}
	return nil
}

// readLine returns the next line without its newline, and its length with it.
// A line longer than any that we write comes back cut short: it is damaged.
func readLine(r *bufio.Reader) (line []byte, n int64, err error) {
	for {
		part, err := r.ReadSlice('\n')
		n += int64(len(part))
		if len(line) <= verdict.EnvelopeBytesMax+lineOverheadBytes {
			line = append(line, part...)
		}
		switch {
		case err == nil:
			return line[:max(0, len(line)-1)], n, nil
		case errors.Is(err, bufio.ErrBufferFull):
		default:
			return nil, n, err
		}
	}
}

// add queues a line for the next commit.
func (s *file) add(v *verdict.Verdict, keep time.Time, raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	size := int64(lineOverheadBytes + len(raw))
	if s.waiting+size > pendingBytesMax {
		s.unsaved++
		return
	}
	at := len(s.pending.text)
	s.pending.text = appendLine(s.pending.text, keep.Unix(), raw)
	s.pending.lines = append(s.pending.lines, line{key: keyOf(v), epoch: v.Epoch, seq: v.Seq, at: int64(at)})
	s.waiting += int64(len(s.pending.text) - at)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// commit makes every line that was added durable. While it waits for the disk
// more lines may be added; they share the next commit. Lines that the disk has
// refused stay in memory and are tried again.
func (s *file) commit() error {
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	s.taken.append(s.pending)
	s.pending = batch{}
	s.mu.Unlock()
	if len(s.taken.text) == 0 && !s.broken {
		return nil
	}
	if s.f == nil {
		return errors.New("append to verdict file: it is not open")
	}
	_, live := s.ledger.size()
	grown := s.size.Load() + int64(len(s.taken.text))
	switch {
	case s.broken, grown > max(rewriteBytesMin, 2*live) && grown <= s.max, grown > s.max && live <= s.max/2:
		return s.rewrite()
	case grown > s.max:
		s.forgo(uint64(len(s.taken.lines)))
		s.done()
		return nil
	}
	_, err := s.f.Write(s.taken.text)
	if err == nil {
		err = s.f.Sync()
	}
	if err != nil {
		// After a failed sync the kernel may have dropped the pages: what the
		// file holds behind its last good line is not known, so it is written anew.
		s.broken = true
		return fmt.Errorf("append to verdict file: %w", err)
	}
	s.ledger.written(s.taken.lines, s.size.Load())
	s.size.Store(grown)
	s.done()
	return nil
}

// done forgets the lines that were taken: they are durable, or were forgone.
func (s *file) done() {
	s.mu.Lock()
	s.waiting -= int64(len(s.taken.text))
	s.mu.Unlock()
	s.taken = batch{}
}

// forgo counts lines that are not kept.
func (s *file) forgo(lines uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsaved += lines
}

// close commits what is pending and closes the file.
func (s *file) close() error {
	err := s.commit()
	s.io.Lock()
	defer s.io.Unlock()
	if s.f != nil {
		err = errors.Join(err, s.f.Close())
		s.f = nil
	}
	return err
}

func (s *file) lost() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unsaved
}

// syncDir makes a rename or a new file in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // The configured directory.
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
