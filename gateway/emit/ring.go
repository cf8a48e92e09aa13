package emit

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-gateway/vigil/gateway/emit/spool"
)

// ring holds encoded records between the request path and the senders, in order
// per lane: a ring buffer per lane, and one budget of records and bytes for what
// is in memory. What has no room there is in the spool alone, and is read when
// its turn comes. What is in flight stays until it is acknowledged. A lane's
// buffer grows with what it holds and shrinks when it runs empty.
type ring struct {
	recordsMax, bytesMax int64
	records, bytes       atomic.Int64 // In memory.
	spooled              atomic.Int64 // In the spool alone.
	beside               atomic.Int64 // In memory beside the budget: read from the spool, or in the place of what is lost.
	buffers              *buffers
	load                 func(lane uint32, ref spool.Ref) *record // Reads a record; it stands for a loss where there is none. Nil keeps all in memory.
	lanes                []laneRing
}

type laneRing struct {
	mu      sync.Mutex
	slots   []entry // A power of two long; the entry n places from the head is at (head+n) & (len-1).
	head    int
	count   int
	changed uint64 // Counts what has moved entries that are not in flight.
}

// entry is a record's place in its lane.
type entry struct {
	r   *record // Nil while the record is in the spool alone.
	ref spool.Ref
}

// laneSlotsMin is what an idle lane keeps.
const laneSlotsMin = 64

func newRing(lanes uint32, recordsMax, bytesMax int64, b *buffers, load func(uint32, spool.Ref) *record) *ring {
	return &ring{recordsMax: recordsMax, bytesMax: bytesMax, buffers: b, load: load, lanes: make([]laneRing, lanes)}
}

// push appends r to the end of its lane; where memory has no room, as its place
// in the spool. False means that there is neither.
func (q *ring) push(r *record) bool {
	r.resident = q.reserve(r.size)
	if !r.resident && (q.load == nil || !r.ref.Valid()) {
		return false
	}
	if r.resident {
		q.add(r.lane, entry{r: r, ref: r.ref})
		return true
	}
	ref := r.ref
	q.buffers.put(r.buf)
	q.pushBeside(r.lane, entry{ref: ref})
	return true
}

// pushBeside appends an entry to its lane beside the budget.
func (q *ring) pushBeside(lane uint32, e entry) {
	if e.r == nil {
		q.spooled.Add(1)
	} else {
		q.beside.Add(1)
	}
	q.add(lane, e)
}

// add appends an entry to its lane.
func (q *ring) add(lane uint32, e entry) {
	l := &q.lanes[lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == len(l.slots) {
		l.resize(max(laneSlotsMin, 2*len(l.slots)))
	}
	*l.slot(l.count) = e
	l.count++
}

// reserve takes one record of size bytes from the budget, or nothing.
func (q *ring) reserve(size int64) bool {
	if q.records.Add(1) > q.recordsMax {
		q.records.Add(-1)
		return false
	}
	if q.bytes.Add(size) > q.bytesMax {
		q.bytes.Add(-size)
		q.records.Add(-1)
		return false
	}
	return true
}

// peek appends the oldest records of a lane to dst: at most records of them and
// about bytes, but at least one where there is one. One sender peeks at a lane and
// pops from it.
func (q *ring) peek(dst []*record, lane uint32, records int, bytes int64) []*record {
	l := &q.lanes[lane]
	begin := len(dst)
	for {
		dst = dst[:begin]
		absent, left := 0, bytes
		var refs []spool.Ref // Where those are that are absent; others are not looked at.
		l.mu.Lock()
		for n := range min(l.count, records) {
			e := *l.slot(n)
			size := int64(e.ref.Size() + recordOverheadBytes)
			if e.r != nil {
				size = e.r.size
			}
			left -= size
			if left < 0 && len(dst) > 0 {
				break
			}
			dst = append(dst, e.r)
			if e.r == nil {
				absent++
				refs = append(refs, make([]spool.Ref, n-len(refs))...)
				refs = append(refs, e.ref)
			}
		}
		changed := l.changed
		l.mu.Unlock()
		if absent == 0 {
			return dst
		}
		for i, r := range dst[begin:] {
			if r == nil {
				dst[begin+i] = q.load(lane, refs[i])
			}
		}
		if l.loaded(dst[begin:], changed) {
			q.spooled.Add(-int64(absent))
			q.beside.Add(int64(absent))
			return dst
		}
	}
}

// loaded puts records that were read into the places that they were read for.
// False means that those have moved.
func (l *laneRing) loaded(records []*record, changed uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed != changed {
		return false
	}
	for n, r := range records {
		l.slot(n).r = r
	}
	return true
}

// pop removes the n oldest records of a lane, which peek has returned.
func (q *ring) pop(lane uint32, n int) {
	l := &q.lanes[lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	var bytes, records int64
	for i := range n {
		s := l.slot(i)
		if s.r.resident {
			bytes += s.r.size
			records++
		}
		*s = entry{}
	}
	l.head = (l.head + n) & (len(l.slots) - 1)
	l.count -= n
	if l.count == 0 && len(l.slots) > laneSlotsMin {
		l.resize(laneSlotsMin)
	}
	q.bytes.Add(-bytes)
	q.records.Add(-records)
	q.beside.Add(records - int64(n))
}

// replace puts one record in the place of each run of entries that are in the
// spool alone and gone from there; stand makes it for the run.
func (q *ring) replace(lane uint32, gone func(spool.Ref) bool, stand func(run []spool.Ref) *record) {
	l := &q.lanes[lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	var run []spool.Ref
	kept := 0
	flush := func() {
		if len(run) > 0 {
			*l.slot(kept) = entry{r: stand(run)}
			kept++
			l.changed++
			q.beside.Add(1)
			run = run[:0]
		}
	}
	for n := range l.count {
		e := *l.slot(n)
		if e.r != nil || !gone(e.ref) {
			flush()
			*l.slot(kept) = e
			kept++
			continue
		}
		if len(run) > 0 && (run[0].Epoch() != e.ref.Epoch() || run[len(run)-1].Last()+1 != e.ref.First) {
			flush()
		}
		run = append(run, e.ref)
		q.spooled.Add(-1)
	}
	flush()
	for n := kept; n < l.count; n++ {
		*l.slot(n) = entry{}
	}
	l.count = kept
}

// each visits the entries of a lane, oldest first.
func (q *ring) each(lane uint32, visit func(entry)) {
	l := &q.lanes[lane]
	l.mu.Lock()
	entries := make([]entry, l.count)
	for n := range entries {
		entries[n] = *l.slot(n)
	}
	l.mu.Unlock()
	for _, e := range entries {
		visit(e)
	}
}

// oldest is when the lane's first record was queued, false for none.
func (q *ring) oldest(lane uint32) (time.Time, bool) {
	l := &q.lanes[lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.count == 0:
		return time.Time{}, false
	case l.slot(0).r != nil:
		return l.slot(0).r.queued, true
	}
	return l.slot(0).ref.Since(), true
}

// depth says how much is queued, in flight included: all records, and the bytes
// in memory.
func (q *ring) depth() (records, bytes int64) {
	return q.records.Load() + q.spooled.Load() + q.beside.Load(), q.bytes.Load()
}

// slot is the place n entries behind the head.
func (l *laneRing) slot(n int) *entry { return &l.slots[(l.head+n)&(len(l.slots)-1)] }

// resize moves the lane to a buffer of size slots, a power of two.
func (l *laneRing) resize(size int) {
	slots := make([]entry, size)
	for n := range l.count {
		slots[n] = *l.slot(n)
	}
	l.slots, l.head = slots, 0
}
