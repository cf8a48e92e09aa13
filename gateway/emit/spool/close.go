package spool

import (
	"errors"
	"fmt"
	"slices"
)

// Close ends the life. Where Kafka has every number that it gave out, nothing is
// left of it; else the next life delivers what there is. It is called after Run
// has returned and nothing is appended any more.
func (s *Spool) Close() error {
	for i := range s.chains {
		c := &s.chains[i]
		c.mu.Lock()
		c.turn() // What was written,
		c.turn() // and what stood by.
		c.mu.Unlock()
	}
	s.touch(s.marks.close)
	s.Commit()
	s.forget()
	whole := false
	s.touch(func() { whole = s.marks.settled() })
	s.mu.Lock()
	whole = whole && !slices.ContainsFunc(s.segments, func(seg *segment) bool { return seg.epoch == s.epoch })
	var err error
	for _, seg := range s.segments {
		err = errors.Join(err, seg.park())
	}
	s.mu.Unlock()
	if s.flight.shut() && whole {
		err = errors.Join(err, s.marks.release(s.disk), s.flight.release(s.disk))
	} else {
		err = errors.Join(err, s.marks.file.Sync(), s.marks.file.Close(), s.flight.close())
	}
	for _, l := range s.past {
		if l.marks.file != nil {
			err = errors.Join(err, l.marks.file.Close())
		}
		err = errors.Join(err, l.flight.close())
	}
	err = errors.Join(err, s.lock.Close())
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// shut gives no place to a request any more, and reports whether none has one.
func (f *flight) shut() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = len(f.free)+len(f.cooling) == len(f.b)/slotBytes
	f.free, f.over = nil, true
	return f.idle
}

// close gives the file's memory back, unless a request that the gateway did not wait
// for may still write to it: then the end of the process does.
func (f *flight) close() error {
	if f.file == nil || !f.idle {
		return nil
	}
	return f.file.Close() //nolint:wrapcheck // Names the file.
}

// release closes and removes the file.
func (f *flight) release(d Disk) error {
	if f.file == nil {
		return nil
	}
	err := errors.Join(f.file.Close(), d.Remove(f.name))
	f.file, f.b = nil, nil
	return err
}

// release closes and removes the file of the marks.
func (m *marks) release(d Disk) error {
	if m.file == nil {
		return nil
	}
	err := errors.Join(m.file.Close(), d.Remove(m.name))
	m.file, m.b, m.lanes = nil, nil, 0
	return err
}

// Finish forgets the life: Kafka has all that it left.
func (l *Life) Finish() {
	l.s.mu.Lock()
	l.s.over = append(l.s.over, l)
	l.s.mu.Unlock()
	signal(l.s.tend)
}

// forget removes the files of the lives that are finished: their segments first,
// since the marks say that those are done with.
func (s *Spool) forget() {
	s.sweep()
	s.mu.Lock()
	over := s.over
	s.over = nil
	s.mu.Unlock()
	for _, l := range over {
		err := errors.Join(l.marks.release(s.disk), l.flight.release(s.disk))
		if err != nil {
			s.log.Error("files of an ended life not removed", "epoch", l.Epoch, "error", err)
		}
	}
}
