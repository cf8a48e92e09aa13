package emit

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/gateway/emit/spool"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// lane hands out the numbers of one lane. Its mutex covers numbering, encoding
// and queueing, so that the order in the queue is the order of the numbers.
type lane struct {
	ticking atomic.Bool // A tick waits in the queue.

	mu     sync.Mutex
	next   uint64 // The last number given out.
	gaps   []gap  // Dropped numbers that wait for their tombstone; contiguous, the newest is next.
	closed bool
	flood  flood
}

// gap is a range of numbers dropped for one reason.
type gap struct {
	first, last uint64
	reason      string
}

// enqueue numbers ev, encodes it into r and queues it, in the spool too where in
// asks for that. The order of the writes is the spool's law: see its package.
func (e *Emitter) enqueue(r *record, key []byte, ev *event.RequestEvent, in Intent) bool {
	l := &e.lane[r.lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		e.requests.drop(ReasonClosed, 1)
		return false
	}
	l.next++
	ev.Lane, ev.Seq = r.lane, l.next
	r.seq, r.last = l.next, l.next
	e.issued(r.lane, l.next, r.queued)
	stands := false // The place of its request, for it.
	if e.spool != nil {
		e.spool.Closing(in.slot, r.lane, l.next)
		e.spool.Issue(r.lane, l.next)
		defer func() {
			if !stands {
				e.spool.End(in.slot, in.Care == Strict)
			}
		}()
	}
	if e.summarises(l, r, key, ev, in.Care) {
		e.lose(l, r, ReasonSummarised)
		return false
	}
	r.buf = e.buffers.get()
	err := r.fill(key, ev)
	switch {
	case errors.Is(err, event.ErrTooLarge):
		e.lose(l, r, ReasonTooLarge)
	case err != nil:
		e.lose(l, r, ReasonMalformed)
	case !e.settle(r.lane, r.queued):
		e.lose(l, r, ReasonQueueFull)
	default:
		var queued bool
		queued, stands = e.push(r, in)
		if queued {
			return true
		}
		e.lose(l, r, ReasonQueueFull)
	}
	return false
}

// issued tells that a number has been given out, before anybody can have scored it.
func (e *Emitter) issued(lane uint32, seq uint64, at time.Time) {
	if e.issuer != nil {
		e.issuer.Issued(lane, seq, at)
	}
}

// push keeps a record and queues it; queued is false where there is no room. A strict
// one that the spool has no room for is in memory alone: until Kafka has it the place of
// its request stands for it.
func (e *Emitter) push(r *record, in Intent) (queued, stands bool) {
	e.keep(r, in.Care)
	if in.Care == Strict && !r.ref.Valid() {
		r.slot, stands = in.slot, in.slot.Held()
	}
	if e.requests.queue.push(r) {
		return true, stands
	}
	r.slot = spool.Slot{}
	return false, false
}

// lose notes that the newest number of a lane was dropped. Callers hold l.mu.
func (e *Emitter) lose(l *lane, r *record, reason string) {
	e.buffers.put(r.buf)
	e.requests.drop(reason, 1)
	n := len(l.gaps)
	if n > 0 && (l.gaps[n-1].reason == reason || n == rangesMax) {
		l.gaps[n-1].last = r.seq
		return
	}
	l.gaps = append(l.gaps, gap{r.seq, r.seq, reason})
}

// settle queues the tombstones of a lane's gaps. Nothing may enter the lane
// before it has succeeded: false means that there is no room. Callers hold the
// lane's mutex.
func (e *Emitter) settle(n uint32, now time.Time) bool {
	l := &e.lane[n]
	for len(l.gaps) > 0 {
		r, err := e.tombstone(e.life, n, l.gaps[0], now)
		if err == nil {
			queued, _ := e.push(r, Intent{})
			if queued {
				l.gaps = l.gaps[1:]
				continue
			}
		}
		e.buffers.put(r.buf)
		return false
	}
	l.gaps = nil
	return true
}

// tombstone returns the record that stands for a gap in a life's lane.
func (e *Emitter) tombstone(of *life, n uint32, g gap, now time.Time) (*record, error) {
	ev := &event.RequestEvent{
		Kind: event.KindTombstone, Id: newID(), Time: timestamppb.New(now), Gateway: e.gateway, Epoch: of.epoch,
		Lane: n, Seq: g.first, SeqEnd: g.last, Reason: g.reason,
	}
	return e.control(of, n, sortTombstone, ev, now)
}

// control returns a record that speaks of a lane, not of a request.
func (e *Emitter) control(of *life, n uint32, s sort, ev *event.RequestEvent, now time.Time) (*record, error) {
	r := &record{
		life: of, lane: n, sort: s, seq: ev.Seq, last: max(ev.Seq, ev.SeqEnd), class: spool.Vital, id: ev.Id, typ: cloudevent.TypeRequest,
		time: now, queued: now, buf: e.buffers.get(),
	}
	return r, r.fill(topic.SourceKey(e.gateway+"/"+strconv.FormatUint(of.epoch, 10), int(n)), ev)
}

// tick lets every lane say that the gateway lives, until ctx ends.
func (e *Emitter) tick(ctx context.Context) {
	t := time.NewTicker(e.cfg.Tick)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			for n := range e.lane {
				e.beat(uint32(n))
			}
		case <-ctx.Done():
			return
		}
	}
}

// beat queues a tick of one lane, unless the previous one still waits or there
// is no room. A tick that is left out takes no number.
func (e *Emitter) beat(n uint32) {
	l := &e.lane[n]
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ticking.Load() && e.settle(n, e.now()) {
		e.say(n, "")
	}
}

// say queues a tick of a lane that is settled. Callers hold the lane's mutex.
func (e *Emitter) say(n uint32, reason string) {
	l, now := &e.lane[n], e.now()
	ev := &event.RequestEvent{
		Kind: event.KindTick, Id: newID(), Time: timestamppb.New(now), Gateway: e.gateway, Epoch: e.life.epoch,
		Lane: n, Seq: l.next + 1, Reason: reason,
	}
	r, err := e.control(e.life, n, sortTick, ev, now)
	if err != nil {
		return
	}
	l.ticking.Store(true) // Before push: the sender may be done with it at once.
	if e.spool != nil {
		e.spool.Issue(n, l.next+1)
	}
	e.issued(n, l.next+1, now) // Also where the tick is left out: the next of the lane has its number.
	queued, _ := e.push(r, Intent{})
	if !queued {
		l.ticking.Store(false)
		e.buffers.put(r.buf)
		return
	}
	l.next++
	e.requests.wake(n)
}

// settled reports that no lane has a gap without tombstone, after an attempt
// to write what there is.
func (e *Emitter) settled() bool {
	all := true
	for n := range e.lane {
		l := &e.lane[n]
		l.mu.Lock()
		all = e.settle(uint32(n), e.now()) && all
		l.mu.Unlock()
	}
	return all
}

// close refuses everything from now on.
func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}
