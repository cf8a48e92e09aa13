package emit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/gateway/emit/spool"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// Care says how well an event is kept until Kafka has it.
type Care uint8

// Cares.
const (
	// Batched events survive the end of the process at once, and the loss of power
	// after the spool's next sync.
	Batched Care = iota
	// Strict ones are waited for: see [Emitter.Durable].
	Strict
	// BestEffort ones are in memory alone; what a crash takes is counted.
	BestEffort
)

// Intent stands for a request that is under way. The zero Intent is of one that a
// crash leaves nothing of, and whose event is Batched.
type Intent struct {
	// Care is how well its events are kept.
	Care Care

	slot spool.Slot
}

// Noted reports whether a crash leaves the request's event.
func (in Intent) Noted() bool { return in.slot.Held() }

// life is one run of the gateway: this one, or one that has ended and left records.
type life struct {
	epoch uint64
	left  *spool.Life  // Nil for this one.
	open  atomic.Int64 // Records of an ended one that Kafka has not yet.
}

// ended reports whether it is an earlier one.
func (l *life) ended() bool { return l != nil && l.left != nil }

// Intend notes that a request is under way, so that a crash leaves the event that
// tells of it. ev is not changed and may be the one that Conclude gets in the end.
func (e *Emitter) Intend(ev *event.RequestEvent, care Care) Intent {
	in := Intent{Care: care}
	if e.spool == nil || care == BestEffort {
		return in
	}
	buf := e.buffers.get()
	defer e.buffers.put(buf)
	out, err := event.Append((*buf)[:0], ev)
	if err != nil || len(out) > spool.IntentBytesMax {
		out, err = event.Append((*buf)[:0], brief(ev))
	}
	*buf = out
	if err != nil {
		e.log.Error("request under way not noted", "error", err)
		return in
	}
	in.slot = e.spool.Begin(out)
	return in
}

// briefBytesMax is what is left of each text that a client chooses.
const briefBytesMax = 64

// brief is an event cut to what fits into the place of a request under way.
func brief(ev *event.RequestEvent) *event.RequestEvent {
	cut := func(s string) string { return s[:min(len(s), briefBytesMax)] }
	return &event.RequestEvent{
		Kind: ev.Kind, Id: cut(ev.Id), Time: ev.Time, Phase: ev.Phase, RequestId: cut(ev.RequestId), Tenant: cut(ev.Tenant),
		Region: cut(ev.Region), Subject: cut(ev.Subject), Issuer: cut(ev.Issuer), Session: cut(ev.Session), ClientId: cut(ev.ClientId),
		Address: cut(ev.Address), Method: cut(ev.Method), Path: cut(ev.Path), Route: cut(ev.Route), Sensitivity: ev.Sensitivity,
		AuthOutcome: ev.AuthOutcome, Stream: ev.Stream, Account: cut(ev.Account),
	}
}

// Durable waits until the intents that were noted before survive a loss of power.
// The error wraps [spool.ErrNotDurable] where they cannot at present: the caller
// must not do what the request is for.
func (e *Emitter) Durable(ctx context.Context) error {
	if e.spool == nil {
		return fmt.Errorf("without a spool: %w", spool.ErrNotDurable)
	}
	return e.spool.Durable(ctx) //nolint:wrapcheck // Names what it waited for.
}

// Conclude is Emit for the terminal event of a request that was noted.
func (e *Emitter) Conclude(in Intent, ev *event.RequestEvent, traceparent string) bool {
	return e.emit(in, ev, traceparent)
}

// classOf says which events give way first: reads that were permitted, went well
// and say nothing of a sign-in.
func classOf(ev *event.RequestEvent) spool.Class {
	read := ev.Method == "GET" || ev.Method == "HEAD"
	if ev.Kind == event.KindRequest && read && ev.Phase == event.PhaseComplete && ev.Decision == event.DecisionPermit && ev.Status < 400 &&
		(ev.AuthOutcome == "" || ev.AuthOutcome == event.AuthNone) {
		return spool.Plain
	}
	return spool.Vital
}

// keep puts a record into the spool where there is one and it has room.
func (e *Emitter) keep(r *record, care Care) {
	if e.spool == nil || care == BestEffort {
		return
	}
	var head [headBytesMax]byte
	b := r.appendHead(head[:0])
	r.ref, _ = e.spool.Append(spool.Record{Class: r.class, Tag: uint8(r.sort), Lane: r.lane, First: r.seq, Last: r.last}, b, r.key, r.value)
}

// headBytesMax is room for a record's head in all ordinary cases.
const headBytesMax = 192

// appendHead appends what a record has beside key and value:
//
//	sort 1 | session 1 | ce_time 8 | queued 8 | id | traceparent | key's length 2
//
// The texts are a byte for their length and themselves.
func (r *record) appendHead(b []byte) []byte {
	session := byte(0)
	if r.typ == cloudevent.TypeSession {
		session = 1
	}
	b = append(b, byte(r.sort), session)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.time.UnixNano()))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.queued.UnixNano()))
	for _, s := range []string{r.id, r.traceparent} {
		s = s[:min(len(s), 255)]
		b = append(append(b, byte(len(s))), s...)
	}
	return binary.LittleEndian.AppendUint16(b, uint16(len(r.key)))
}

var errHead = errors.New("record of the spool has no head")

// readHead reads what appendHead and the parts behind it have put into b.
func (r *record) readHead(b []byte) error {
	if len(b) < 18 {
		return errHead
	}
	r.sort, r.typ = sort(b[0]), cloudevent.TypeRequest
	if b[1] == 1 {
		r.typ = cloudevent.TypeSession
	}
	r.time = time.Unix(0, int64(binary.LittleEndian.Uint64(b[2:]))).UTC()
	r.queued = time.Unix(0, int64(binary.LittleEndian.Uint64(b[10:])))
	b = b[18:]
	for _, s := range []*string{&r.id, &r.traceparent} {
		if len(b) < 1 || len(b) < 1+int(b[0]) {
			return errHead
		}
		*s = string(b[1 : 1+b[0]])
		b = b[1+int(b[0]):]
	}
	if len(b) < 2 {
		return errHead
	}
	n := int(binary.LittleEndian.Uint16(b))
	b = b[2:]
	if len(b) < n || r.sort > sortTombstone {
		return errHead
	}
	r.key, r.value = b[:n:n], b[n:]
	r.weigh()
	return nil
}

// load reads a record from the spool. Where the disk does not hold it any more,
// it is the tombstone of its numbers.
func (e *Emitter) load(lane uint32, ref spool.Ref) *record {
	r := &record{life: e.lives[ref.Epoch()], lane: lane, seq: ref.First, last: ref.Last(), ref: ref, buf: e.buffers.get(), class: spool.Vital}
	b, err := ref.Read((*r.buf)[:0])
	*r.buf = b
	if err == nil {
		err = r.readHead(b)
	}
	if err == nil {
		return r
	}
	e.buffers.put(r.buf)
	e.log.Error("event in the spool not read", "lane", lane, "seq", ref.First, "error", err)
	if sort(ref.Tag) == sortEvent {
		e.requests.drop(spool.ReasonDamaged, 1)
	}
	t := e.stand(lane, []spool.Ref{ref}, spool.ReasonDamaged)
	t.ref = ref
	return t
}

// stand is the tombstone of records that are in the spool no more.
func (e *Emitter) stand(lane uint32, run []spool.Ref, reason string) *record {
	t, err := e.tombstone(e.lives[run[0].Epoch()], lane, gap{run[0].First, run[len(run)-1].Last(), reason}, e.now())
	if err != nil { // Cannot be: every part of it is ours and short.
		e.log.Error("tombstone not written", "lane", lane, "error", err)
	}
	return t
}

// evict puts tombstones in the place of what the spool has given up.
func (e *Emitter) evict(gone func(spool.Ref) bool, reason string) {
	for lane := range e.requests.lanes {
		e.requests.queue.replace(lane, gone, func(run []spool.Ref) *record {
			for _, ref := range run {
				if sort(ref.Tag) == sortEvent {
					e.requests.drop(reason, 1)
				}
			}
			return e.stand(lane, run, reason)
		})
	}
}

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
func told(body []byte) (*event.RequestEvent, error) {
	ev := new(event.RequestEvent)
	err := event.Decode(body, ev)
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
	return ev, nil
}

// unfinished emits the event of a request that had no number.
func (e *Emitter) unfinished(in spool.Intent) {
	ev, err := told(in.Body)
	if err != nil {
		e.log.Error("request under way not read", "error", err)
		return
	}
	e.emit(Intent{slot: in.Slot}, ev, "")
}

// remake is the event of a request whose terminal record is lost, with its number.
func (e *Emitter) remake(l *life, lane uint32, item spool.Item) (*record, error) {
	ev, err := told(item.Intent)
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
}

// finished takes one record from those that an ended life has left.
func (e *Emitter) finished(l *life) {
	if l.open.Add(-1) == 0 {
		l.left.Finish()
	}
}

// openSpool opens the spool of the configuration and lists the lives in it; lanes
// is how many there are of all.
func (e *Emitter) openSpool(o Options) (lanes uint32, err error) {
	lanes = o.Lanes.Count
	e.lives = map[uint64]*life{o.Epoch: {epoch: o.Epoch}}
	e.life = e.lives[o.Epoch]
	if o.Config.Spool.Dir == "" {
		return lanes, nil
	}
	disk, err := spool.NewFolder(o.Config.Spool.Dir)
	if err != nil {
		return 0, err //nolint:wrapcheck // Names the folder.
	}
	e.spool, err = spool.Open(spool.Options{
		Config: o.Config.Spool, Disk: disk, Gateway: o.Gateway, Epoch: o.Epoch, Lanes: int(o.Lanes.Count), Evict: e.evict,
		Logger: o.Logger, Meter: o.Meter, Now: o.Now,
	})
	if err != nil {
		return 0, err //nolint:wrapcheck // Names its package.
	}
	for _, left := range e.spool.Past() {
		e.lives[left.Epoch] = &life{epoch: left.Epoch, left: left}
		for _, lane := range left.Lanes {
			lanes = max(lanes, lane.Lane+1)
		}
	}
	return lanes, nil
}

// runSpool runs the spool until ctx ends, where there is one.
func (e *Emitter) runSpool(ctx context.Context, work *sync.WaitGroup) {
	if e.spool != nil {
		work.Go(func() { e.spool.Run(ctx) })
	}
}

// Close gives the spool back, for an emitter that is not run.
func (e *Emitter) Close() error {
	if e.spool == nil {
		return nil
	}
	return e.spool.Close() //nolint:wrapcheck // Names its package.
}
