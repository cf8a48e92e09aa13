package cold

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// point is a place in a log.
type point struct {
	segment uint64
	offset  int64
	chain   uint64
}

func (l *log) point() point {
	s := l.head()
	return point{s.number, s.size, s.after}
}

// errElsewhere means that a mark is not one of this log.
var errElsewhere = errors.New("mark is of another log")

// rewind opens the log as it was at a point.
func (l *log) rewind(to point) error {
	if to.offset < 0 || to.offset > l.segmentBytes {
		return errElsewhere
	}
	l.live = nil
	first := to.segment + 1 - min(to.segment+1, segmentsLive)
	for n := first; n <= to.segment; n++ {
		s := &segment{number: n}
		l.live = append(l.live, s)
		err := l.reopen(s, to)
		if err != nil {
			return fmt.Errorf("segment %d: %w", n, err)
		}
		if n > first && s.before != l.live[len(l.live)-2].after {
			return fmt.Errorf("segment %d: %w", n, errElsewhere)
		}
	}
	if l.head().after != to.chain {
		return errElsewhere
	}
	for i, s := range l.live {
		if !s.cleared {
			continue
		}
		for _, before := range l.live[:i] {
			before.index, before.takes = index{}, nil
		}
	}
	for _, s := range l.live {
		for _, t := range s.takes {
			l.retake(t)
		}
	}
	for _, s := range l.live[:len(l.live)-1] {
		s.puts, s.takes = nil, nil // They are in the summary.
	}
	return l.cut(to)
}

// reopen reads one segment, by its summary where there is one.
func (l *log) reopen(s *segment, to point) error {
	if to.segment == 0 && to.offset == 0 {
		return nil // Nothing has been written.
	}
	f, err := os.OpenFile(segmentName(l.dir, s.number), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	s.file = f
	fi, err := f.Stat()
	if err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	size := fi.Size()
	if s.number == to.segment {
		size = to.offset
	}
	if size > fi.Size() {
		return errElsewhere
	}
	summary, err := os.ReadFile(indexName(l.dir, s.number))
	if err != nil || !s.recall(summary, size) {
		err = s.scan(size)
		if err != nil {
			return err
		}
	}
	s.fill()
	return nil
}

// retake takes a record out again.
func (l *log) retake(t taking) {
	for _, s := range l.live {
		if s.number != t.segment {
			continue
		}
		slot := s.index.find(t.fingerprint, func(offset int64) bool { return offset == int64(t.offset) })
		if slot >= 0 {
			s.index.remove(slot)
		}
	}
}

// cut removes what came after a point, and what no mark can need.
func (l *log) cut(to point) error {
	s := l.head()
	if s.file != nil {
		err := s.file.Truncate(to.offset)
		if err != nil {
			return fmt.Errorf("truncate: %w", err)
		}
	}
	return l.sweep(func(number uint64, index bool) bool {
		return number > to.segment || number == to.segment && (index || s.file == nil) || number+segmentsKept <= to.segment
	})
}

// empty begins anew.
func (l *log) empty() error {
	for _, s := range l.live {
		if s.file != nil {
			_ = s.file.Close()
		}
	}
	l.live = []*segment{{}}
	return l.sweep(func(uint64, bool) bool { return true })
}

// sweep removes files.
func (l *log) sweep(unwanted func(number uint64, index bool) bool) error {
	files, err := os.ReadDir(l.dir)
	if err != nil {
		return fmt.Errorf("read folder: %w", err)
	}
	for _, f := range files {
		var number uint64
		name, isIndex := strings.CutSuffix(f.Name(), ".index")
		n, err := fmt.Sscanf(name, "%d.cold", &number)
		if err != nil || n != 1 || !unwanted(number, isIndex) {
			continue
		}
		err = os.Remove(filepath.Join(l.dir, f.Name()))
		if err != nil {
			return fmt.Errorf("remove: %w", err)
		}
	}
	return nil
}
