package spool

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Reasons for which numbers of an ended life are lost.
const (
	ReasonCrash    = "crash"    // Given out, and not in the spool when the process died.
	ReasonShutdown = "shutdown" // Left when the gateway was told to stop, and not in the spool.
	ReasonTorn     = "torn"     // Written within the last moments before a power loss.
	ReasonDamaged  = "damaged"  // Was on the disk once, and is not what it was.
)

// Life is what a gateway that has ended left in its spool.
type Life struct {
	// Epoch is the life's number.
	Epoch uint64
	// Lanes are those with something that Kafka has not, or not for certain.
	Lanes []Lane
	// Open are the events of requests that were under way and have no number.
	Open []Intent

	s      *Spool
	marks  *marks
	flight *flight
	refs   map[uint32][]Ref // What its segments have, by lane, until it is arranged.
	reason string           // For which numbers are missing.
}

// Lane is what is left of one lane of a life, in the order of its numbers and
// without a gap.
type Lane struct {
	Lane  uint32
	Items []Item
	// Last is the last number of the lane that is known to have been given out.
	Last uint64
}

// Item is a record, or the event of a request whose terminal record is lost, or
// numbers that are lost.
type Item struct {
	Ref         Ref     // Valid for a record.
	Intent      *Intent // Not nil for a request's event; its number is First.
	First, Last uint64
	Reason      string // Why the numbers are lost.
}

// Past are the lives that have ended and left something, oldest first.
func (s *Spool) Past() []*Life { return s.past }

// Known notes the last number of a lane of the life that Kafka has.
func (l *Life) Known(lane uint32, number uint64) {
	l.s.touch(func() { l.marks.set(lane, known, number) })
}

// recover reads what earlier lives have left.
func (s *Spool) recover(boot string) error {
	names, err := s.disk.List()
	if err != nil {
		return err //nolint:wrapcheck // Names the folder.
	}
	lives := make(map[uint64]*Life)
	var found []*segment
	for _, name := range names {
		var epoch uint64
		var class Class
		var number uint32
		base, kind, _ := strings.Cut(name, ".")
		n, _ := fmt.Sscanf(base, "%d-%d-%d", &epoch, &class, &number)
		if n == 0 || class >= classes || kind != "seg" && kind != "marks" && kind != "flight" {
			continue
		}
		if lives[epoch] == nil {
			lives[epoch] = &Life{Epoch: epoch, s: s, marks: &marks{}, flight: &flight{}, refs: make(map[uint32][]Ref)}
		}
		switch kind {
		case "seg":
			found = append(found, newSegment(s.disk, epoch, class, number, 0))
		case "flight":
			lives[epoch].flight.name = name
		}
	}
	if lives[s.epoch] != nil {
		return fmt.Errorf("epoch %d is in the spool already: each start needs a new one", s.epoch)
	}
	if len(lives) > livesMax {
		return fmt.Errorf("%d lives in the spool, at most %d are taken over: look at why the gateway dies, then move the folder away", len(lives), livesMax)
	}
	slices.SortFunc(found, func(a, b *segment) int { return strings.Compare(a.name, b.name) })
	for _, l := range lives {
		s.past = append(s.past, l)
	}
	slices.SortFunc(s.past, func(a, b *Life) int { return cmp.Compare(a.Epoch, b.Epoch) })
	for _, l := range s.past {
		err := l.recover(found)
		if err != nil {
			return err
		}
	}
	for _, l := range s.past { // Each may have taken over what an earlier one left.
		err := guard(func() { l.arrange(l.intents(boot), lives) })
		if err != nil {
			return err
		}
	}
	return nil
}

// recover reads the life's files, its own among found.
func (l *Life) recover(found []*segment) error {
	var m *marks
	var err error
	fault := guard(func() { m, err = openMarks(l.s.disk, l.s.gateway, l.Epoch) })
	err = errors.Join(err, fault)
	if errors.Is(err, ErrForeign) {
		return err
	}
	if err == nil {
		l.marks = m
	} else if !errors.Is(err, fs.ErrNotExist) {
		l.s.log.Error("marks of an ended life not read", "epoch", l.Epoch, "error", err)
	}
	l.reason = ReasonCrash
	if l.marks.closed() {
		l.reason = ReasonShutdown
	}
	for _, seg := range found {
		if seg.epoch != l.Epoch {
			continue
		}
		var err error
		fault := guard(func() { err = l.read(seg) })
		if fault != nil {
			err = l.spoilt(seg, fault)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// spoilt takes a segment for damaged that the disk could not read to its end: what was
// found until then is delivered.
func (l *Life) spoilt(seg *segment, fault error) error {
	l.reason, seg.damaged = ReasonDamaged, true
	l.s.counts.damaged.Add(1)
	l.s.log.Error("spool segment not read to its end, the rest of it is lost", "segment", seg.name, "records", seg.pending.Load(), "error", fault)
	if !slices.Contains(l.s.segments, seg) {
		l.s.segments = append(l.s.segments, seg)
	}
	return seg.park()
}

// read adds what a segment holds to the life's records.
func (l *Life) read(seg *segment) error {
	seg.sealed.Store(true)
	seg.born, seg.last = l.s.now(), l.s.now()
	f, err := seg.disk.Open(seg.name)
	if err != nil {
		return err //nolint:wrapcheck // Names the file.
	}
	seg.file = f
	b := f.Bytes()
	seg.size = len(b)
	err = seg.check(b, l.s.gateway)
	if errors.Is(err, ErrForeign) {
		return errors.Join(err, seg.park())
	}
	if err == nil {
		seg.last = seg.newest(b, seg.last) // It has aged while nobody ran.
		seg.born = seg.last
	}
	seg.damaged = err != nil
	from := min(segmentHeader, len(b))
	end, hole := scan(b, from, seg.salt, func(at int, f frame) {
		if f.lane >= LanesMax || f.first+uint64(f.span) <= l.marks.get(f.lane, known) {
			return
		}
		seg.pending.Add(1)
		l.refs[f.lane] = append(l.refs[f.lane], Ref{seg: seg, at: uint32(at), size: uint32(len(f.body)), First: f.first, Span: f.span, Tag: f.tag})
	})
	if seg.damaged && (len(b) < segmentHeader || blank(b[:segmentHeader])) {
		seg.damaged = false // It died before its header was written or synced.
		hole = from
	}
	seg.damaged = seg.damaged || end < seg.synced || hole != noHole && hole < seg.synced
	seg.end = end
	switch {
	case seg.damaged:
		l.reason = ReasonDamaged
		l.s.counts.damaged.Add(1)
		l.s.log.Error("spool segment is damaged, the rest of it is delivered", "segment", seg.name, "records", seg.pending.Load())
	case hole != noHole && end > from:
		if l.reason != ReasonDamaged {
			l.reason = ReasonTorn
		}
		l.s.counts.torn.Add(1)
		l.s.log.Warn("spool segment ends in the middle of a record", "segment", seg.name, "at", hole)
	}
	l.s.segments = append(l.s.segments, seg)
	l.settle(seg)
	return seg.park()
}

// settle syncs what the life had not: from now on a power loss leaves it too.
// Where the disk refuses, the records are as good as they were.
func (l *Life) settle(seg *segment) {
	if seg.end <= seg.synced || seg.pending.Load() == 0 {
		return
	}
	err := seg.flush()
	if err != nil {
		l.s.counts.syncsFailed.Add(1)
		l.s.log.Error("spool segment of an ended life not synced", "segment", seg.name, "error", err)
		return
	}
	seg.synced = seg.end
	seg.note(seg.file.Bytes())
}

// intents reads the requests that were under way. After a loss of power the file
// may be half a minute old, and most of what it says be over: then nothing is said,
// unless it was synced with the log.
func (l *Life) intents(boot string) []Intent {
	if l.flight.name == "" {
		return nil
	}
	f, err := openFlight(l.s.disk, l.flight.name)
	if err != nil {
		l.s.log.Error("requests under way of an ended life not read", "epoch", l.Epoch, "error", err)
		return nil
	}
	l.flight = f
	if !l.marks.current(boot) {
		return nil
	}
	all, torn := f.intents()
	l.s.counts.torn.Add(uint64(torn))
	return all
}

// arrange puts what was found into the order of the lanes' numbers, and what was
// under way where its number is missing.
func (l *Life) arrange(under []Intent, lives map[uint64]*Life) {
	numbered := make(map[uint32]map[uint64]Intent)
	for _, i := range under {
		by := lives[i.epoch]
		switch {
		case i.number == 0, by != nil && by.marks.lanes > 0 && i.number > by.last(i.lane):
			l.Open = append(l.Open, i)
		case by != l: // A later life has given it a number, or one that has ended well.
		case numbered[i.lane] == nil:
			numbered[i.lane] = map[uint64]Intent{i.number: i}
		default:
			numbered[i.lane][i.number] = i
		}
	}
	for n := range uint32(LanesMax) {
		marked := int(n) < l.marks.lanes
		if len(l.refs[n]) == 0 && (!marked || l.marks.get(n, issued) == 0) {
			continue
		}
		slices.SortStableFunc(l.refs[n], func(a, b Ref) int { return cmp.Compare(a.First, b.First) })
		l.Lanes = append(l.Lanes, l.lane(n, marked, numbered[n]))
	}
	l.refs = nil
}

// last is the last number of a lane that was given out.
func (l *Life) last(lane uint32) uint64 {
	last := max(l.marks.get(lane, issued), l.marks.get(lane, known))
	for _, r := range l.refs[lane] {
		last = max(last, r.First+uint64(r.Span))
	}
	return last
}

// lane lines up one lane. Without marks nobody knows what came before the first
// record that is left.
func (l *Life) lane(n uint32, marked bool, under map[uint64]Intent) Lane {
	out, refs := Lane{Lane: n, Last: l.last(n)}, l.refs[n]
	out.Items = make([]Item, 0, len(refs)+1)
	next := l.marks.get(n, known) + 1
	if !marked {
		next = refs[0].First
	}
	for _, r := range refs {
		end := r.First + uint64(r.Span)
		if end < next {
			r.seg.done(1) // There twice.
			continue
		}
		if r.First > next {
			out.Items = l.missing(out.Items, next, r.First, under)
		}
		out.Items = append(out.Items, Item{Ref: r, First: r.First, Last: end})
		next = end + 1
	}
	out.Items = l.missing(out.Items, next, out.Last+1, under)
	return out
}

// missing appends what stands for the numbers from next up to, not including, end.
func (l *Life) missing(items []Item, next, end uint64, under map[uint64]Intent) []Item {
	var found []uint64
	for number := range under {
		if number >= next && number < end {
			found = append(found, number)
		}
	}
	slices.Sort(found)
	for _, number := range found {
		if number > next {
			items = append(items, Item{First: next, Last: number - 1, Reason: l.reason})
		}
		items = append(items, Item{Intent: new(under[number]), First: number, Last: number})
		next = number + 1
	}
	if next < end {
		items = append(items, Item{First: next, Last: end - 1, Reason: l.reason})
	}
	return items
}
