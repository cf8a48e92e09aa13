package spool

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// Options are what a [Spool] depends on. All are required.
type Options struct {
	Config Config
	Disk   Disk
	// Gateway is this gateway's id: a spool belongs to one.
	Gateway string
	// Epoch numbers this life of the gateway; it grows with each start.
	Epoch uint64
	// Lanes is the number of lanes of this life.
	Lanes int
	// Boot names the run of the machine: a life with another was ended by a loss of
	// power. May be empty where nobody knows.
	Boot string
	// Evict is told of records that give way, with the reason: those for whose
	// place gone is true cannot be read any more. It is called by Tend.
	Evict  func(gone func(Ref) bool, reason string)
	Logger *slog.Logger
	Meter  metric.Meter
	// Stream is the attribute by which the figures of several spools are told apart.
	Stream string
	Now    func() time.Time
}

// Reasons for which records give way.
const (
	ReasonFull    = "spool_full" // The spool is as large as it may be, or the disk is full.
	ReasonExpired = "expired"    // Older than Config.AgeMax.
)

// Spool keeps records on the disk until Kafka has them.
type Spool struct {
	cfg     Config
	disk    Disk
	gateway string
	epoch   uint64
	evict   func(gone func(Ref) bool, reason string)
	log     *slog.Logger
	now     func() time.Time
	lock    io.Closer
	metrics metrics
	counts  counts

	marks   *marks
	flight  *flight
	chains  [classes]chain
	written chan struct{} // Something is to be synced.
	urgent  chan struct{} // Somebody waits for it.
	tend    chan struct{} // A segment is used up or done with.
	dirty   atomic.Bool
	strict  atomic.Bool // Somebody has waited for a sync: requests under way are synced with the log.
	open    bool        // Open has returned.

	mu       sync.Mutex
	segments []*segment // All whose files are there, oldest first. Guarded by mu.
	past     []*Life    // What earlier lives left. Guarded by mu.
	over     []*Life    // Of them, those that Kafka has all of. Guarded by mu.
	next     *commit    // What those wait for who need the next sync. Guarded by mu.
	failing  time.Time  // When a sync failed last; zero while all is well. Guarded by mu.
	risk     time.Time  // When the oldest record was written that is not synced; zero for none. Guarded by mu.
	marked   time.Time  // When the marks were synced last. Guarded by mu.
	refused  time.Time  // Until then no segment is asked for. Guarded by mu.
	backoff  time.Duration
}

// chain is the log of one class: one segment is written, one stands by.
type chain struct {
	mu     sync.Mutex
	active *segment // Nil where none could be made.
	spare  *segment
	full   []*segment // Sealed, and not yet synced to their ends.
	number uint32     // Of the newest segment.
}

// commit is a sync that somebody waits for.
type commit struct {
	done chan struct{}
	err  error // Read after done.
}

func newCommit() *commit { return &commit{done: make(chan struct{})} }

// Open takes the folder, reads what earlier lives have left, and begins a life.
// The error wraps [ErrLocked] or [ErrForeign] where the folder is another's.
func Open(o Options) (*Spool, error) {
	err := o.validate()
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	s := &Spool{
		cfg: o.Config, disk: o.Disk, gateway: o.Gateway, epoch: o.Epoch, evict: o.Evict, log: o.Logger, now: o.Now,
		written: make(chan struct{}, 1), urgent: make(chan struct{}, 1), tend: make(chan struct{}, 1), next: newCommit(),
	}
	s.lock, err = o.Disk.Lock()
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	err = s.begin(o)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", errors.Join(err, s.lock.Close()))
	}
	return s, nil
}

func (o *Options) validate() error {
	var errs []error
	if o.Disk == nil || o.Evict == nil || o.Logger == nil || o.Meter == nil || o.Now == nil {
		errs = append(errs, errors.New("disk, evict, logger, meter and clock: must be set"))
	}
	if o.Gateway == "" || o.Epoch == 0 {
		errs = append(errs, errors.New("gateway and epoch: must be set"))
	}
	if o.Lanes < 1 || o.Lanes > LanesMax {
		errs = append(errs, fmt.Errorf("lanes: must be between 1 and %d, is %d", LanesMax, o.Lanes))
	}
	return errors.Join(append(errs, o.Config.Validate())...)
}

// begin recovers earlier lives and makes the files of this one. That its segments
// cannot be made is no error: the disk may be full, which passes.
func (s *Spool) begin(o Options) error {
	err := s.recover(o.Boot)
	if err != nil {
		return err
	}
	s.marks, err = createMarks(s.disk, s.gateway, o.Boot, s.epoch, o.Lanes)
	if err != nil {
		return err
	}
	s.flight, err = createFlight(s.disk, s.epoch, s.cfg.InFlightMax)
	if err != nil {
		return err
	}
	s.metrics, err = newMetrics(o.Meter, s, o.Stream)
	if err != nil {
		return err
	}
	for class := range s.chains {
		s.provide(Class(class), s.now())
	}
	s.open = true
	return nil
}

// Issue notes the last number that a lane has given out. It comes before anything
// with that number, so that a number without a record is known to be lost. Each
// lane has one caller at a time.
func (s *Spool) Issue(lane uint32, number uint64) {
	s.touch(func() { s.marks.set(lane, issued, number) })
}

// Known notes the last number of a lane that Kafka has. Each lane has one caller
// at a time.
func (s *Spool) Known(lane uint32, number uint64) {
	s.touch(func() { s.marks.set(lane, known, number) })
}

// touch writes to marks or slots. What a disk that fails does not take would be
// missing after a crash, and is counted.
func (s *Spool) touch(f func()) {
	err := guard(f)
	if err != nil {
		s.fault(err)
	}
}

// fault counts a write that the disk has not taken.
func (s *Spool) fault(err error) {
	if s.counts.faults.Add(1) == 1 {
		s.log.Error("spool not written", "error", err)
	}
}

// Append writes a record whose body is parts, one behind the other. Once it has
// returned true the record survives the end of the process, and after the next
// Commit that of the machine. False means that there is no room at this moment. It
// never waits for the disk.
func (s *Spool) Append(r Record, parts ...[]byte) (Ref, bool) {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if n > BodyBytesMax {
		s.counts.refused.Add(1)
		return Ref{}, false
	}
	now := s.now()
	c := &s.chains[r.Class]
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active == nil || c.active.end+frameSize(n) > c.active.size {
		c.turn()
		signal(s.tend)
	}
	seg := c.active
	if seg == nil {
		s.counts.refused.Add(1)
		return Ref{}, false
	}
	at := seg.end
	err := guard(func() { putFrame(seg.file.Bytes()[at:], seg.salt^uint32(at), r, parts...) })
	if err != nil { // As good as a sync that fails: nothing more is written to it.
		s.fault(err)
		c.abandon()
		s.counts.refused.Add(1)
		signal(s.tend)
		return Ref{}, false
	}
	seg.pending.Add(1)
	if at == segmentHeader {
		seg.born = now
	}
	seg.last = now
	seg.end += frameSize(n)
	if !s.dirty.Load() && !s.dirty.Swap(true) {
		s.soil(now)
	}
	return Ref{seg: seg, at: uint32(at), size: uint32(n), First: r.First, Span: uint32(r.Last - r.First), Tag: r.Tag}, true
}

// soil notes that something is to be synced.
func (s *Spool) soil(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.risk.IsZero() {
		s.risk = now
	}
	signal(s.written)
}

// turn puts the spare in place of the segment that is written. Callers hold c.mu.
func (c *chain) turn() {
	if c.active != nil {
		c.active.sealed.Store(true)
		c.full = append(c.full, c.active)
	}
	c.active, c.spare = c.spare, nil
}

// abandon puts the spare in place of a segment that the disk has given up; it is
// not synced any more. Callers hold c.mu.
func (c *chain) abandon() {
	dead := c.active
	c.turn()
	c.full = slices.DeleteFunc(c.full, func(one *segment) bool { return one == dead })
}

// Done takes a record from the spool: Kafka has it, or nobody wants it any more.
func (s *Spool) Done(r Ref) {
	if r.Valid() && r.seg.done(1) {
		signal(s.tend)
	}
}

// Begin keeps the event of a request that is now under way, so that a crash leaves
// it. The zero Slot means that there is no place for it, which is counted. A quarter of
// the places is for strict requests, which are refused without one: whoever holds many
// others open does not refuse them to everybody.
func (s *Spool) Begin(body []byte, strict bool) Slot {
	var slot Slot
	s.touch(func() { slot = s.flight.begin(body, strict) })
	if !slot.Held() {
		s.counts.uncovered.Add(1)
	}
	return slot
}

// Lasts notes that the request is one that lasts: it has had another event before
// its terminal one.
func (s *Spool) Lasts(slot Slot) {
	if slot.Held() {
		s.touch(slot.lasting)
	}
}

// Closing says which number of this life the request's terminal record is about to
// get.
func (s *Spool) Closing(slot Slot, lane uint32, number uint64) {
	if slot.Held() {
		s.touch(func() { slot.closing(s.epoch, lane, number) })
	}
}

// End gives a request's place back once its terminal record is in the spool, or with
// Kafka.
// strict keeps it until that record is synced.
func (s *Spool) End(slot Slot, strict bool) {
	if slot.Held() {
		slot.of.end(slot, strict)
	}
}

// signal sends unless a signal is already waiting.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
