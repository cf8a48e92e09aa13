package revoke

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// walk calls visit for each line of places, in the order of the file. It stops
// where visit returns an error. A line that is not what was written, or that
// somebody has cut off, is left out, and no other for its sake. Called with io held.
func (s *file) walk(places []place, visit func(p *place, raw []byte) error) error {
	r := bufio.NewReaderSize(nil, 256<<10)
	offset := int64(0)
	from := func(at int64) {
		offset = at
		r.Reset(io.NewSectionReader(s.f, at, s.size.Load()-at))
	}
	from(0)
	for i := 0; i < len(places); {
		p := &places[i]
		if p.at < offset {
			from(p.at) // The end of the line before it is gone.
		}
		line, n, err := readLine(r)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read verdict file: %w", err)
		}
		at := offset
		offset += n
		if p.at != at {
			if n == 0 {
				return nil
			}
			continue
		}
		i++
		_, raw, err := parseLine(line)
		if err != nil {
			continue
		}
		err = visit(p, raw)
		if err != nil {
			return err
		}
	}
	return nil
}

// live calls visit with the newest record of each key, as long as it is the one
// that was verified.
func (s *file) live(visit func(raw []byte)) error {
	s.io.Lock()
	defer s.io.Unlock()
	return s.walk(s.ledger.places(), func(p *place, raw []byte) error {
		if s.ledger.newestAt(*p, raw) {
			visit(raw)
		}
		return nil
	})
}

// visit calls take with the lines of places.
func (s *file) visit(places []place, take func(p place, raw []byte)) error {
	s.io.Lock()
	defer s.io.Unlock()
	if s.f == nil {
		return errors.New("read verdict file: it is not open")
	}
	return s.walk(places, func(p *place, raw []byte) error {
		take(*p, raw)
		return nil
	})
}

// rewrite replaces the file by one that holds one record of each key and the lines
// that were taken. A crash leaves either the old file or the new one.
func (s *file) rewrite() error {
	s.broken = true // Until it has succeeded.
	tmp := s.path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // Beside the configured file.
	if err != nil {
		return fmt.Errorf("rewrite verdict file: %w", err)
	}
	places := s.ledger.places()
	n, err := s.writeAll(f, places)
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
	s.ledger.move(places)
	s.ledger.written(s.taken.lines[:n.added], n.copied)
	s.size.Store(n.size)
	s.forgo(n.unsaved)
	s.done()
	return nil
}

// extent is how much a rewritten file holds.
type extent struct {
	copied, size int64 // Bytes of what was copied, and of all.
	added        int   // How many of the taken lines are in it.
	unsaved      uint64
}

// writeAll writes the lines of places and those that were taken to f and syncs it,
// at most max bytes. It notes in places where each lies.
func (s *file) writeAll(f *os.File, places []place) (extent, error) {
	w := bufio.NewWriterSize(f, 256<<10)
	var x extent
	var text []byte
	read := 0
	err := s.walk(places, func(p *place, raw []byte) error {
		read++
		text = appendLine(text[:0], p.keep, raw)
		if x.size+int64(len(text)) > s.max {
			x.unsaved++
			return nil
		}
		p.to = x.size
		x.size += int64(len(text))
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		return x, err
	}
	x.unsaved += uint64(len(places) - read)
	x.copied = x.size
	text = s.taken.text
	for ; x.added < len(s.taken.lines); x.added++ {
		end := int64(len(text))
		if x.added+1 < len(s.taken.lines) {
			end = s.taken.lines[x.added+1].at
		}
		if x.copied+end > s.max {
			break
		}
		x.size = x.copied + end
	}
	x.unsaved += uint64(len(s.taken.lines) - x.added)
	_, err = w.Write(text[:x.size-x.copied])
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	return x, err
}
