package emit

import (
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/gateway/emit/spool"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// life is one run of the gateway: this one, or one that has ended and left records.
type life struct {
	epoch uint64
	left  *spool.Life  // Nil for this one.
	open  atomic.Int64 // Records of an ended one that Kafka has not yet.
}

// ended reports whether it is an earlier one.
func (l *life) ended() bool { return l != nil && l.left != nil }

// inherit queues what earlier lives have left, each closed by a tick that says so,
// before anything of this one.
func (e *Emitter) inherit() {
	now := e.now()
	for _, left := range e.spool.Past() {
		l := e.lives[left.Epoch]
		l.open.Store(1) // Not finished before all of it is queued.
		for _, lane := range left.Lanes {
			for _, item := range lane.Items {
				e.inheritItem(l, lane.Lane, item, now)
			}
			e.closeLane(l, lane, now)
		}
		for _, in := range left.Open {
			e.unfinished(in)
		}
		e.log.Warn("what an earlier run left is delivered", "epoch", left.Epoch, "records", l.open.Load()-1, "unfinished", len(left.Open))
		left.Lanes, left.Open = nil, nil // Queued, and large after an outage.
		e.finished(l)
	}
}

func (e *Emitter) inheritItem(l *life, lane uint32, item spool.Item, now time.Time) {
	l.open.Add(1)
	switch {
	case item.Ref.Valid():
		if sort(item.Ref.Tag) == sortEvent {
			e.requests.count.recovered.Add(1)
		}
		e.requests.queue.pushBeside(lane, entry{ref: item.Ref})
		return
	case item.Intent != nil:
		r, err := e.remake(l, lane, item)
		if err == nil {
			e.requests.count.recovered.Add(1)
			e.requests.queue.pushBeside(lane, entry{r: r})
			return
		}
		e.log.Error("request under way not read", "lane", lane, "seq", item.First, "error", err)
		item.Reason = spool.ReasonCrash
	}
	e.requests.count.recovered.Add(item.Last - item.First + 1)
	e.requests.drop(item.Reason, item.Last-item.First+1)
	t, err := e.tombstone(l, lane, gap{item.First, item.Last, item.Reason}, now)
	if err != nil { // Cannot be: every part of it is ours and short.
		e.log.Error("tombstone not written", "lane", lane, "error", err)
	}
	e.requests.queue.pushBeside(lane, entry{r: t})
}

// closeLane queues the tick by which a lane of an ended life ends.
func (e *Emitter) closeLane(l *life, lane spool.Lane, now time.Time) {
	ev := &event.RequestEvent{
		Kind: event.KindTick, Id: newID(), Time: timestamppb.New(now), Gateway: e.gateway, Epoch: l.epoch,
		Lane: lane.Lane, Seq: lane.Last + 1, Reason: event.ReasonEpochClosed,
	}
	r, err := e.control(l, lane.Lane, sortTick, ev, now)
	if err != nil { // Cannot be, as above.
		e.log.Error("epoch not closed", "epoch", l.epoch, "lane", lane.Lane, "error", err)
		return
	}
	l.open.Add(1)
	e.requests.queue.pushBeside(lane.Lane, entry{r: r})
}

// told reads the event of a request under way. Where it was let through it says
// that its end is not known; a refusal is one, whether or not it was read.
func told(in spool.Intent) (*event.RequestEvent, error) {
	ev := new(event.RequestEvent)
	err := event.Decode(in.Body, ev)
	if err != nil {
		ev.Clamp() // It was not cut to size before it was noted.
		err = ev.Check()
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // Names the field.
	}
	if ev.Decision == "" { // The answer is not known; that of a refusal is.
		ev.Decision, ev.Reason = event.DecisionPermit, ReasonUnfinished
	}
	if in.Lasting {
		ev.Id, ev.Phase = newID(), event.PhaseClose
	}
	return ev, nil
}

// unfinished emits the event of a request that had no number.
func (e *Emitter) unfinished(in spool.Intent) {
	ev, err := told(in)
	if err != nil {
		e.log.Error("request under way not read", "error", err)
		return
	}
	e.emit(Intent{slot: in.Slot}, ev, "")
}

// remake is the event of a request whose terminal record is lost, with its number.
func (e *Emitter) remake(l *life, lane uint32, item spool.Item) (*record, error) {
	ev, err := told(*item.Intent)
	if err != nil {
		return nil, err
	}
	now := e.now()
	e.complete(ev, now)
	ev.Epoch, ev.Lane, ev.Seq = l.epoch, lane, item.First
	r := &record{
		life: l, lane: lane, sort: sortEvent, seq: item.First, last: item.Last, id: ev.Id, typ: cloudevent.TypeRequest,
		time: ev.Time.AsTime(), queued: now, buf: e.buffers.get(), class: spool.Vital,
	}
	return r, r.fill(keyOf(ev), ev)
}

// known notes that Kafka has a record, and forgets what is in the spool of it.
func (e *Emitter) known(r *record) {
	if r.sort == sortEnforcement {
		e.receipts.known(r)
		return
	}
	if e.spool == nil || r.life == nil {
		return
	}
	if r.life.ended() {
		r.life.left.Known(r.lane, r.last)
		e.spool.Done(r.ref)
		e.finished(r.life)
		return
	}
	e.spool.Known(r.lane, r.last)
	e.spool.Done(r.ref)
	e.spool.End(r.slot, true)
}

// finished takes one record from those that an ended life has left.
func (e *Emitter) finished(l *life) {
	if l.open.Add(-1) == 0 {
		l.left.Finish()
	}
}
