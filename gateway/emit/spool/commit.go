package spool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrNotDurable means that what a request is about to do cannot be put on record
// now; it may be later.
var ErrNotDurable = errors.New("not durable")

// marksInterval is how often the marks are synced. They are exact for a process
// that dies; a power loss may leave older ones, of which numbers that the log has
// make up.
const marksInterval = time.Second

// noteInterval is how often a segment says how far it is synced, which is a page
// to write: what is wrong behind that counts as torn until then, and not as damage.
const noteInterval = time.Second

// Run syncs and tends until ctx ends, and syncs once more.
func (s *Spool) Run(ctx context.Context) {
	var work sync.WaitGroup
	work.Go(func() {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			s.Tend()
			select {
			case <-ctx.Done():
				return
			case <-s.tend:
			case <-t.C:
			}
		}
	})
	defer work.Wait()
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			s.Commit()
			return
		case <-s.urgent:
		case <-s.written:
			due.Reset(s.cfg.CommitInterval)
			select {
			case <-ctx.Done():
			case <-due.C:
			case <-s.urgent:
			}
		}
		s.Commit()
	}
}

// Durable waits until the requests that were begun before survive a power loss, and
// the records that were appended before, but for those of a segment that was given
// up earlier. The error wraps [ErrNotDurable] where that cannot be had within
// Config.StrictWaitMax, or is that of ctx.
func (s *Spool) Durable(ctx context.Context) error {
	s.mu.Lock()
	if !s.strict.Load() {
		s.touch(s.marks.strict)
		s.marked = time.Time{} // The next commit syncs the marks.
		s.strict.Store(true)
	}
	c := s.next
	s.mu.Unlock()
	signal(s.urgent)
	late := time.NewTimer(s.cfg.StrictWaitMax)
	defer late.Stop()
	select {
	case <-c.done:
		return c.err
	case <-late.C:
		return fmt.Errorf("the disk takes more than %v: %w", s.cfg.StrictWaitMax, ErrNotDurable)
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // The request's own end.
	}
}

// target is a segment and how far it is to be synced.
type target struct {
	c     *chain
	seg   *segment
	end   int
	whole bool // Nothing will be written behind the end.
}

// Commit syncs what was written before it. A segment whose sync fails is not
// written to again, and its sync is not repeated: a second one would succeed and
// say nothing. Run calls it; a test may in its place.
func (s *Spool) Commit() {
	begin := s.now()
	s.mu.Lock()
	c := s.next
	s.next = newCommit()
	risk := s.risk
	s.risk = time.Time{}
	s.mu.Unlock()
	s.dirty.Store(false)
	slots := s.flight.cool()
	var err error
	broken := false
	for i := range s.chains {
		for _, t := range s.chains[i].targets() {
			err = errors.Join(err, s.sync(t, begin))
		}
		broken = broken || s.chains[i].lacks()
	}
	if s.strict.Load() {
		err = errors.Join(err, s.flight.sync())
	}
	err = errors.Join(err, s.syncMarks(begin))
	s.flight.cooled(slots, err == nil)
	s.settle(c, err, broken, risk)
	if !risk.IsZero() {
		s.metrics.committed(begin.Sub(risk).Seconds(), s.now().Sub(begin).Seconds())
	}
}

// settle tells those who wait what has become of a commit.
func (s *Spool) settle(c *commit, err error, broken bool, risk time.Time) {
	s.mu.Lock()
	switch {
	case err != nil:
		s.counts.syncsFailed.Add(1)
		if s.failing.IsZero() {
			s.log.Error("spool not synced, its segment is given up", "error", err)
		}
		c.err = fmt.Errorf("%w: %w", ErrNotDurable, err)
		s.next.err = c.err // Who waits for the next may have written before this one.
	case broken && c.err == nil:
		c.err = fmt.Errorf("no segment to write to: %w", ErrNotDurable)
	}
	s.failing = time.Time{}
	if err != nil {
		s.failing = s.now()
		if s.risk.IsZero() {
			s.risk = risk // What the dead segment holds is in danger until Kafka has it.
		}
	}
	s.mu.Unlock()
	close(c.done)
	if err != nil || broken {
		signal(s.tend)
	}
}

// targets are the chain's segments with something to sync.
func (c *chain) targets() []target {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []target
	for _, seg := range c.full {
		all = append(all, target{c, seg, seg.end, true})
	}
	c.full = nil
	if c.active != nil && c.active.end > c.active.synced {
		all = append(all, target{c, c.active, c.active.end, false})
	}
	return all
}

// lacks reports that the chain has nothing to write to.
func (c *chain) lacks() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.active == nil && c.spare == nil
}

// sync syncs a segment and notes how far. A sealed one gives its memory back.
func (s *Spool) sync(t target, now time.Time) error {
	err := t.seg.flush()
	t.c.mu.Lock()
	live := t.c.active == t.seg
	switch {
	case err != nil && live:
		t.c.abandon()
	case err == nil:
		t.seg.synced = t.end
		if live && now.Sub(t.seg.noted) >= noteInterval {
			t.seg.noted = now
			s.touch(func() { t.seg.note(t.seg.file.Bytes()) })
		}
	}
	t.c.mu.Unlock()
	if t.whole && err == nil {
		return t.seg.retire()
	}
	return err
}

// syncMarks syncs the marks when it is time.
func (s *Spool) syncMarks(now time.Time) error {
	s.mu.Lock()
	due := now.Sub(s.marked) >= marksInterval
	if due {
		s.marked = now
	}
	s.mu.Unlock()
	if !due {
		return nil
	}
	err := s.marks.file.Sync()
	if err != nil {
		s.touch(s.marks.stir)
		s.mu.Lock()
		s.marked = time.Time{} // The next commit tries again.
		s.mu.Unlock()
	}
	return err //nolint:wrapcheck // Names the file.
}
