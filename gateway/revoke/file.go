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

func lineBytes(raw []byte) int64 { return int64(lineOverheadBytes + len(raw)) }

func appendLine(dst []byte, keep time.Time, raw []byte) []byte {
	body := append(strconv.AppendInt(nil, keep.Unix()+1, 10), ' ') // Rounded up: never forgets too early.
	sum := crc32.Update(crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)), crc32.MakeTable(crc32.Castagnoli), raw)
	dst = append(dst, lineVersion...)
	dst = fmt.Appendf(dst, "%08x ", sum)
	dst = append(dst, body...)
	dst = append(dst, raw...)
	return append(dst, '\n')
}

func parseLine(line []byte) (keep time.Time, raw []byte, err error) {
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
	unix, err := strconv.ParseInt(string(second), 10, 64)
	if err != nil {
		return keep, nil, errDamaged
	}
	return time.Unix(unix, 0), raw, nil
}

// file is the verdict file: lines are added in memory and committed together.
type file struct {
	path   string
	max    int64
	ledger *ledger

	size atomic.Int64 // Changed only while io is held.

	io     sync.Mutex // Held while the disk works; guards the next two.
	f      *os.File   // nil before load and after close.
	broken bool       // The last write or sync failed, or a line is damaged: the file has to be written anew.

	mu      sync.Mutex // Guards the next three; never held while the disk works.
	pending []byte
	unsaved uint64        // Lines that were not kept because a limit was reached.
	wake    chan struct{} // Something is pending.
}

func newFile(dir string, limit int64, l *ledger) *file {
	return &file{path: filepath.Join(dir, FileName), max: limit, ledger: l, wake: make(chan struct{}, 1)}
}

// load reads the file, making it if it is missing, and calls take for every
// whole line. It cuts off a last line that was torn by a crash. damaged counts
// lines that are not what was written, torn is 1 where there was a torn end.
func (s *file) load(take func(keep time.Time, raw []byte)) (damaged, torn int, err error) {
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
		s.size.Add(n)
		keep, raw, err := parseLine(line)
		if err != nil {
			damaged++
			continue
		}
		take(keep, raw)
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
func (s *file) add(keep time.Time, raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int64(len(s.pending))+lineBytes(raw) > pendingBytesMax {
		s.unsaved++
		return
	}
	s.pending = appendLine(s.pending, keep, raw)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// commit makes every line that was added durable. While it waits for the disk
// more lines may be added; they share the next commit.
func (s *file) commit() error {
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	lines := s.pending
	s.pending = nil
	s.mu.Unlock()
	if len(lines) == 0 && !s.broken {
		return nil
	}
	if s.f == nil {
		return errors.New("append to verdict file: it is not open")
	}
	_, live := s.ledger.size()
	grown := s.size.Load() + int64(len(lines))
	switch {
	case s.broken, grown > max(rewriteBytesMin, 2*live) && grown <= s.max, grown > s.max && live <= s.max/2:
		return s.rewrite() // The ledger holds what the lines say.
	case grown > s.max:
		s.forgo(uint64(bytes.Count(lines, []byte{'\n'})))
		return nil
	}
	_, err := s.f.Write(lines)
	if err == nil {
		err = s.f.Sync()
	}
	if err != nil {
		// After a failed sync the kernel may have dropped the pages: what the
		// file holds is not known, so it is written anew.
		s.broken = true
		return fmt.Errorf("append to verdict file: %w", err)
	}
	s.size.Store(grown)
	return nil
}

// rewrite replaces the file by one that holds the newest record of each key
// only. A crash leaves either the old file or the new one.
func (s *file) rewrite() error {
	s.broken = true // Until it has succeeded.
	tmp := s.path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // Beside the configured file.
	if err != nil {
		return fmt.Errorf("rewrite verdict file: %w", err)
	}
	size, unsaved, err := writeAll(f, s.ledger, s.max)
	if err == nil {
		err = os.Rename(tmp, s.path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(s.path))
	}
	if err != nil {
		_ = f.Close() // The first error says it all.
		return fmt.Errorf("rewrite verdict file: %w", err)
	}
	if s.f != nil {
		_ = s.f.Close() // Replaced; nothing in it counts any more.
	}
	s.f, s.broken = f, false
	s.size.Store(size)
	s.forgo(unsaved)
	return nil
}

// forgo counts lines that are not kept.
func (s *file) forgo(lines uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsaved += lines
}

// writeAll writes the ledger to f and syncs it, at most limit bytes.
func writeAll(f *os.File, l *ledger, limit int64) (size int64, unsaved uint64, err error) {
	w := bufio.NewWriterSize(f, 256<<10)
	err = l.lines(func(line []byte) error {
		if size+int64(len(line)) > limit {
			unsaved++
			return nil
		}
		size += int64(len(line))
		_, err := w.Write(line)
		return err
	})
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	return size, unsaved, err
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
