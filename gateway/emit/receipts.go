package emit

import (
	"context"
	"errors"
	"path/filepath"
	"sync"

	"github.com/vigil-gateway/vigil/gateway/emit/spool"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
)

// receipts keep enforcements on disk until Kafka has them, in a spool of their own:
// they have no lanes, and events must not take their room. Their numbers are the
// spool's alone. What a crash makes double is one row, by its id.
type receipts struct {
	e     *Emitter
	spool *spool.Spool // Nil where they are in memory alone.

	mu   sync.Mutex
	next uint64 // The last number given out. Guarded by mu, which makes the order in the queue that of the numbers.
}

const (
	// receiptsFolder is the folder in the spool's.
	receiptsFolder = "enforcements"
	// receiptsBytesMax is how large it may grow: some 30,000 enforcements.
	receiptsBytesMax = 16 << 20
)

// openReceipts opens the spool of enforcements where there is one of events.
func (e *Emitter) openReceipts(o Options) error {
	e.receipts = &receipts{e: e}
	if o.Config.Spool.Dir == "" {
		return nil
	}
	disk, err := spool.NewFolder(filepath.Join(o.Config.Spool.Dir, receiptsFolder))
	if err != nil {
		return err //nolint:wrapcheck // Names the folder.
	}
	c := o.Config.Spool
	c.BytesMax, c.SegmentBytes, c.InFlightMax = receiptsBytesMax, spool.SegmentBytesMin, 1
	e.receipts.spool, err = spool.Open(spool.Options{
		Config: c, Disk: disk, Gateway: o.Gateway, Epoch: o.Epoch, Lanes: 1, Boot: boot(),
		Evict:  func(func(spool.Ref) bool, string) {}, // All of them are in memory, too.
		Logger: o.Logger, Meter: o.Meter, Stream: "enforcements", Now: o.Now,
	})
	return err //nolint:wrapcheck // Names its package.
}

// push keeps and queues an enforcement. False means that there is no room.
func (p *receipts) push(r *record) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	r.seq, r.last = p.next, p.next
	if p.spool != nil {
		p.spool.Issue(0, p.next)
		var head [headBytesMax]byte
		b := r.appendHead(head[:0])
		r.ref, _ = p.spool.Append(spool.Record{Class: spool.Vital, Tag: uint8(r.sort), First: r.seq, Last: r.last}, b, r.key, r.value)
	}
	if p.e.enforcements.queue.push(r) {
		return true
	}
	p.forget(r)
	return false
}

// forget takes a record from the spool.
func (p *receipts) forget(r *record) {
	if p.spool != nil {
		p.spool.Done(r.ref)
	}
}

// known notes that Kafka has an enforcement.
func (p *receipts) known(r *record) {
	switch {
	case p.spool == nil:
		return
	case r.life.ended():
		r.life.left.Known(0, r.last)
		p.forget(r)
		p.e.finished(r.life)
		return
	}
	p.spool.Known(0, r.last)
	p.forget(r)
}

// inherit queues what earlier lives have left, before anything of this one.
func (p *receipts) inherit() {
	if p.spool == nil {
		return
	}
	for _, left := range p.spool.Past() {
		l := &life{epoch: left.Epoch, left: left}
		l.open.Store(1) // Not finished before all of it is queued.
		for _, lane := range left.Lanes {
			for _, item := range lane.Items {
				p.take(l, item)
			}
		}
		left.Lanes = nil
		p.e.finished(l)
	}
}

// take queues one record of an ended life, or counts what is lost of it.
func (p *receipts) take(l *life, item spool.Item) {
	s := p.e.enforcements
	n := item.Last - item.First + 1
	s.count.recovered.Add(n)
	reason := item.Reason
	if item.Ref.Valid() {
		r, err := p.read(l, item.Ref)
		if err == nil {
			l.open.Add(1)
			s.queue.pushBeside(0, entry{r: r, ref: item.Ref})
			return
		}
		p.e.log.Error("enforcement in the spool not read", "epoch", l.epoch, "error", err)
		p.spool.Done(item.Ref)
		reason = spool.ReasonDamaged
	}
	s.drop(reason, n)
	l.left.Known(0, item.Last)
}

// errSort means that a record of the spool is no enforcement.
var errSort = errors.New("record of the spool is no enforcement")

func (p *receipts) read(l *life, ref spool.Ref) (*record, error) {
	r := &record{life: l, seq: ref.First, last: ref.Last(), ref: ref}
	b, err := ref.Read(nil)
	if err == nil {
		err = r.readHead(b)
	}
	if err == nil && r.sort != sortEnforcement {
		err = errSort
	}
	r.typ = cloudevent.TypeEnforcement
	return r, err
}

// run runs the spool until ctx ends.
func (p *receipts) run(ctx context.Context, work *sync.WaitGroup) {
	if p.spool != nil {
		work.Go(func() { p.spool.Run(ctx) })
	}
}

func (p *receipts) close() error {
	if p == nil || p.spool == nil {
		return nil
	}
	return p.spool.Close() //nolint:wrapcheck // Names its package.
}
