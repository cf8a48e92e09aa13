package spool

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Tend removes what is done with, gives up what is too old, and sees to it that
// each class has a segment standing by; for that plain reads give way, the oldest
// first. Run calls it; a test may in its place. It is not called twice at once.
func (s *Spool) Tend() {
	now := s.now()
	s.expire(now)
	s.forget()
	for class := range s.chains {
		s.provide(Class(class), now)
	}
}

// sweep removes the files of segments that are done with.
func (s *Spool) sweep() {
	var done []*segment
	s.mu.Lock()
	s.segments = slices.DeleteFunc(s.segments, func(seg *segment) bool {
		is := seg.sealed.Load() && seg.pending.Load() <= 0
		if is {
			done = append(done, seg)
		}
		return is
	})
	s.mu.Unlock()
	for _, seg := range done {
		s.remove(seg)
	}
}

// remove gives a segment's file back, or sets it aside where it is damaged.
func (s *Spool) remove(seg *segment) {
	seg.gone.Store(true)
	err := seg.park()
	if seg.damaged {
		err = errors.Join(err, s.disk.SetAside(seg.name))
	} else {
		err = errors.Join(err, s.disk.Remove(seg.name))
	}
	if err != nil {
		s.log.Error("spool segment not removed", "error", err)
	}
}

// expire gives up segments whose newest record is older than records may be.
func (s *Spool) expire(now time.Time) {
	for i := range s.chains {
		c := &s.chains[i]
		c.mu.Lock()
		if c.active != nil && c.active.end > segmentHeader && now.Sub(c.active.born) > s.cfg.AgeMax {
			c.turn()
		}
		c.mu.Unlock()
	}
	s.mu.Lock()
	var old []*segment
	for _, seg := range s.segments {
		if seg.sealed.Load() && !seg.last.IsZero() && now.Sub(seg.last) > s.cfg.AgeMax && seg.pending.Load() > 0 {
			old = append(old, seg)
		}
	}
	s.mu.Unlock()
	for _, seg := range old {
		s.giveUp(seg, ReasonExpired)
	}
}

// giveUp drops what a sealed segment holds.
func (s *Spool) giveUp(seg *segment, reason string) {
	s.log.Warn("events in the spool give way", "segment", seg.name, "records", seg.pending.Load(), "reason", reason)
	s.counts.evicted.Add(uint64(max(seg.pending.Load(), 0)))
	s.evict(func(r Ref) bool { return r.seg == seg }, reason)
	seg.pending.Store(0)
}

// provide makes the segment that follows the one that is written.
func (s *Spool) provide(class Class, now time.Time) {
	c := &s.chains[class]
	c.mu.Lock()
	ready := c.spare != nil
	number := c.number + 1
	c.mu.Unlock()
	s.mu.Lock()
	early := now.Before(s.refused)
	s.mu.Unlock()
	if ready || early {
		return
	}
	seg, err := s.make(class, number)
	s.mu.Lock()
	if err != nil {
		if s.backoff == 0 {
			s.log.Error("no room for a spool segment", "class", class, "error", err)
		}
		s.backoff = min(max(2*s.backoff, retryFirst), retryLast)
		s.refused = now.Add(s.backoff)
		s.mu.Unlock()
		s.counts.starved.Add(1)
		return
	}
	s.backoff, s.refused = 0, time.Time{}
	s.segments = append(s.segments, seg)
	s.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number, c.spare = number, seg
	if c.active == nil {
		c.turn()
		signal(s.tend)
	}
}

// errFull means that nothing that is less worth could give way.
var errFull = errors.New("spool is full")

// make makes a segment's file, after others have given way where there is no room.
// The first of a life need none: what earlier lives left is nobody's to give up
// before it was asked for.
func (s *Spool) make(class Class, number uint32) (*segment, error) {
	for s.open && s.bytes()+s.cfg.SegmentBytes > s.cfg.BytesMax {
		if !s.yield() {
			return nil, fmt.Errorf("%w: %d B", errFull, s.cfg.BytesMax)
		}
	}
	for {
		seg := newSegment(s.disk, s.epoch, class, number, int(s.cfg.SegmentBytes))
		err := seg.create(s.gateway)
		if err == nil {
			err = s.disk.Sync()
			if err == nil {
				return seg, nil
			}
			return nil, errors.Join(err, seg.park(), s.disk.Remove(seg.name))
		}
		if !s.open || !s.yield() {
			return nil, err
		}
	}
}

// yield gives up the oldest segment of plain reads. False means that there is none.
func (s *Spool) yield() bool {
	s.mu.Lock()
	var oldest *segment
	for _, seg := range s.segments {
		if seg.class == Plain && seg.sealed.Load() {
			oldest = seg
			break
		}
	}
	s.mu.Unlock()
	if oldest == nil {
		return false
	}
	if oldest.pending.Load() > 0 {
		s.giveUp(oldest, ReasonFull)
	}
	s.sweep()
	return true
}

// bytes is what the segments take.
func (s *Spool) bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var n int64
	for _, seg := range s.segments {
		n += int64(seg.size)
	}
	return n
}
