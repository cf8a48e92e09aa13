package emit

import (
	"sync"
	"sync/atomic"
)

// queue holds encoded records between the request path and the senders, in
// order per lane. What is in flight stays in it until it is acknowledged.
type queue interface {
	// push appends r to the end of its lane. False means that there is no room.
	push(r *record) bool
	// peek appends the oldest records of a lane to dst: at most records of
	// them and about bytes, but at least one where there is one.
	peek(dst []*record, lane uint32, records int, bytes int64) []*record
	// pop removes the n oldest records of a lane, which peek has returned.
	pop(lane uint32, n int)
	// depth says how much is queued, in flight included.
	depth() (records, bytes int64)
}

// ring is the queue in memory: a ring buffer per lane, and one budget of
// records and bytes for all. A lane's buffer grows with what it holds and
// shrinks when it runs empty.
type ring struct {
	recordsMax, bytesMax int64
	records, bytes       atomic.Int64
	lanes                []laneRing
}

type laneRing struct {
	mu    sync.Mutex
	slots []*record // A power of two long; the record n places from the head is at (head+n) & (len-1).
	head  int
	count int
}

// laneSlotsMin is what an idle lane keeps.
const laneSlotsMin = 64

func newRing(lanes uint32, recordsMax, bytesMax int64) *ring {
	return &ring{recordsMax: recordsMax, bytesMax: bytesMax, lanes: make([]laneRing, lanes)}
}

func (q *ring) push(r *record) bool {
	if !q.reserve(r.size) {
		return false
	}
	l := &q.lanes[r.lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == len(l.slots) {
		l.resize(max(laneSlotsMin, 2*len(l.slots)))
	}
	*l.slot(l.count) = r
	l.count++
	return true
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

func (q *ring) peek(dst []*record, lane uint32, records int, bytes int64) []*record {
	l := &q.lanes[lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := range min(l.count, records) {
		r := *l.slot(n)
		bytes -= r.size
		if bytes < 0 && len(dst) > 0 {
			break
		}
		dst = append(dst, r)
	}
	return dst
}

func (q *ring) pop(lane uint32, n int) {
	l := &q.lanes[lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	var bytes int64
	for i := range n {
		s := l.slot(i)
		bytes += (*s).size
		*s = nil
	}
	l.head = (l.head + n) & (len(l.slots) - 1)
	l.count -= n
	if l.count == 0 && len(l.slots) > laneSlotsMin {
		l.resize(laneSlotsMin)
	}
	q.bytes.Add(-bytes)
	q.records.Add(-int64(n))
}

func (q *ring) depth() (records, bytes int64) { return q.records.Load(), q.bytes.Load() }

// slot is the place n records behind the head.
func (l *laneRing) slot(n int) **record { return &l.slots[(l.head+n)&(len(l.slots)-1)] }

// resize moves the lane to a buffer of size slots, a power of two.
func (l *laneRing) resize(size int) {
	slots := make([]*record, size)
	for n := range l.count {
		slots[n] = *l.slot(n)
	}
	l.slots, l.head = slots, 0
}
