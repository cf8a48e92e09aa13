package emit

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/gateway/bus"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// sender owns one partition: it alone produces to it, one batch at a time.
type sender struct {
	e         *Emitter
	s         *stream
	partition int
	lanes     []uint32
	wake      chan struct{}
	rounds    *rounds
	chain     *seal.Chain  // Nil where nothing is sealed.
	leader    atomic.Int64 // The broker that has the partition, as far as is known.

	batch []*record
	wire  wire  // The batch as it is sent.
	taken []int // Per lane, how many records of the batch are its own.
	first int   // The lane whose turn it is to be first.
	limit int   // Records per batch; halved while the broker finds batches too large.
	down  bool
}

// supervise finds out how many partitions the topic has and runs a sender for
// each, until ctx ends. It starts anew when partitions have disappeared.
func (e *Emitter) supervise(ctx context.Context, s *stream) {
	wait := e.backoff()
	for ctx.Err() == nil {
		leaders, err := e.client.Leaders(ctx, s.topic)
		if err != nil {
			e.waitForTopic(ctx, s, err, wait)
			continue
		}
		wait.Reset()
		e.produce(ctx, s, leaders)
	}
}

func (e *Emitter) waitForTopic(ctx context.Context, s *stream, err error, wait *bus.Backoff) {
	if s.count.failing.Swap(1) == 0 && ctx.Err() == nil {
		e.log.WarnContext(ctx, "kafka topic not reachable, events wait", "topic", s.topic, "error", err)
	}
	wait.Pause(ctx)
}

// produce runs a sender for each partition, which have these leaders, until ctx ends or
// the topic has fewer of them. More are left for the next start.
func (e *Emitter) produce(ctx context.Context, s *stream, leaders []int) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	n, shared := len(leaders), newRounds(e.client, s.topic, e.signer)
	senders := make([]*sender, n)
	for p := range senders {
		senders[p] = &sender{e: e, s: s, partition: p, wake: make(chan struct{}, 1), limit: e.cfg.BatchRecordsMax, chain: e.chain(s, p), rounds: shared}
		senders[p].leader.Store(int64(leaders[p]))
	}
	for lane := range s.lanes {
		p := senders[topic.Partition(lane, n)]
		p.lanes = append(p.lanes, lane)
		p.taken = append(p.taken, 0)
	}
	s.count.failing.Store(0)
	s.senders.Store(&senders)
	s.wakeAll() // What came before had nobody to wake.
	var work sync.WaitGroup
	for _, p := range senders {
		work.Go(func() { p.run(ctx) })
	}
	e.watch(ctx, s, senders)
	stop()
	work.Wait()
	s.senders.Store(nil)
}

// watch tells the senders where their partitions are, and returns when ctx ends or the
// topic has shrunk.
func (e *Emitter) watch(ctx context.Context, s *stream, senders []*sender) {
	t := time.NewTicker(watchInterval)
	defer t.Stop()
	grown, n := false, len(senders)
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		leaders, err := e.client.Leaders(ctx, s.topic)
		now := len(leaders)
		for p := range min(now, n) {
			senders[p].leader.Store(int64(leaders[p]))
		}
		switch {
		case err != nil:
		case now < n:
			e.log.WarnContext(ctx, "topic has lost partitions", "topic", s.topic, "had", n, "has", now)
			return
		case now > n && !grown:
			grown = true
			e.log.WarnContext(ctx, "topic has new partitions, used after a restart", "topic", s.topic, "had", n, "has", now)
		}
	}
}

func (p *sender) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		for ctx.Err() == nil && p.collect() {
			r, ok := p.company(ctx)
			if !ok {
				return
			}
			p.deliver(ctx, r)
		}
	}
}

// company waits for the request that the collected batch goes with, and takes in what
// has come meanwhile. nil means that it goes alone: somebody waits for what is in it,
// and must not wait for other partitions. It is false where ctx has ended.
func (p *sender) company(ctx context.Context) (r *round, ok bool) {
	awaited := func(r *record) bool { return r.awaited }
	if slices.ContainsFunc(p.batch, awaited) {
		return nil, true
	}
	r = p.rounds.join(int(p.leader.Load()), max(p.lingers(), gather))
	select {
	case <-ctx.Done():
		r.leave(ctx)
		return nil, false
	case <-r.due:
	}
	p.collect()
	if slices.ContainsFunc(p.batch, awaited) {
		r.leave(ctx)
		return nil, true
	}
	return r, true
}

// lingers is how much longer the collected batch should wait for company.
func (p *sender) lingers() time.Duration {
	if len(p.batch) >= p.limit {
		return 0
	}
	oldest := p.batch[0].queued
	for _, r := range p.batch[1:] {
		if r.queued.Before(oldest) {
			oldest = r.queued
		}
	}
	return min(p.e.cfg.Linger, p.e.cfg.Linger-p.e.now().Sub(oldest))
}

// collect makes the next batch of the oldest records of its lanes, which take
// turns to be first. The records stay queued.
func (p *sender) collect() bool {
	p.batch = p.batch[:0]
	var bytes int64
	for i := range p.lanes {
		at := (p.first + i) % len(p.lanes)
		from := len(p.batch)
		p.batch = p.s.queue.peek(p.batch, p.lanes[at], p.limit-from, p.e.cfg.BatchBytesMax-bytes)
		p.taken[at] = len(p.batch) - from
		for _, r := range p.batch[from:] {
			bytes += r.size
		}
	}
	return len(p.batch) > 0
}

// deliver sends the batch until it is stored, split, given up or ctx ends: for the
// first time with those of r, nil for alone.
func (p *sender) deliver(ctx context.Context, r *round) {
	wait := p.e.backoff()
	sealed, err := p.prepare(ctx, r)
	if err != nil {
		return
	}
	taken := false // It is stored, or may be: whatever is put together anew has another number.
	defer func() {
		if taken && sealed != nil {
			p.chain.Advance(sealed)
		}
	}()
	for {
		err := p.attempt(ctx, r)
		r = nil
		taken = taken || err == nil || !refuses(err)
		switch {
		case err == nil:
			p.recovered(ctx)
			p.stored(ctx)
			return
		case ctx.Err() != nil:
			return
		case refuses(err) && len(p.batch) > 1:
			p.limit = max(1, len(p.batch)/2)
			return // The next, smaller batch finds out which record it is.
		case refuses(err):
			p.giveUp(err)
			return
		}
		p.failed(ctx, err)
		wait.Pause(ctx)
	}
}

// attempt produces the batch once.
func (p *sender) attempt(ctx context.Context, r *round) error {
	for _, r := range p.batch {
		if r.tried {
			p.s.count.resent.Add(1)
		}
		r.tried = true
	}
	p.s.count.sent.Add(uint64(len(p.batch)))
	err := p.send(ctx, r)
	p.wire.lent = p.wire.lent || err != nil
	return p.e.client.Explain(err, access.Write, p.s.topic)
}

func (p *sender) send(ctx context.Context, r *round) error {
	part := bus.Part{Partition: p.partition, Batch: p.wire.out}
	if r != nil {
		err := r.hand(ctx, part)
		if !errors.Is(err, bus.ErrApart) { // Else nothing was sent.
			return err
		}
	}
	errs, err := p.e.client.Produce(ctx, p.s.topic, []bus.Part{part})
	if err != nil {
		return err //nolint:wrapcheck // Explained by attempt.
	}
	return errs[0]
}

// stored takes the batch, which Kafka has acknowledged, from the queue.
func (p *sender) stored(ctx context.Context) {
	now := p.e.now()
	var events uint64
	oldest := p.batch[0].queued
	for _, r := range p.batch {
		if r.sort == sortEvent || r.sort == sortEnforcement {
			events++
		}
		if r.queued.Before(oldest) {
			oldest = r.queued
		}
	}
	p.e.metrics.lag.Record(ctx, now.Sub(oldest).Seconds(), p.s.attr)
	n := uint64(len(p.batch))
	p.limit = min(2*p.limit, p.e.cfg.BatchRecordsMax)
	p.release() // First: what is counted as acknowledged a restart does not deliver again.
	p.s.count.acked.Add(n)
	p.s.count.ackedEvents.Add(events)
}

// release takes the batch from the queue.
func (p *sender) release() {
	for at, n := range p.taken {
		if n > 0 {
			p.s.queue.pop(p.lanes[at], n)
		}
	}
	for _, r := range p.batch {
		p.e.ticked(r)
		p.e.known(r)
		p.e.buffers.put(r.buf)
		p.e.records.put(r)
	}
	p.first++
	clear(p.batch)
	signal(p.s.popped)
}

// giveUp deals with a single record that the broker refuses: an event or tick
// becomes the tombstone of its number, so that the lane stays without a gap.
func (p *sender) giveUp(cause error) {
	r := p.batch[0]
	reason := ReasonRefused
	if errors.Is(cause, kafka.MessageSizeTooLarge) {
		reason = ReasonTooLarge
	}
	if r.sort == sortEvent || r.sort == sortEnforcement {
		p.s.drop(reason, 1)
	}
	if r.sort == sortEnforcement || r.sort == sortTombstone {
		p.e.log.Error("record refused by kafka", "topic", p.s.topic, "reason", reason, "error", cause)
		p.release()
		return
	}
	p.e.log.Warn("event refused by kafka", "topic", p.s.topic, "reason", reason, "error", cause)
	p.e.bury(r, reason)
}

// bury turns a queued event into the tombstone of its number, in place.
func (e *Emitter) bury(r *record, reason string) {
	e.ticked(r)
	t, err := e.tombstone(r.life, r.lane, gap{r.seq, r.seq, reason}, e.now())
	if err != nil {
		e.log.Error("tombstone not written", "lane", r.lane, "seq", r.seq, "error", err)
		return
	}
	e.buffers.put(r.buf)
	r.sort, r.buf, r.key, r.value, r.id, r.typ, r.time = t.sort, t.buf, t.key, t.value, t.id, t.typ, t.time
}

// ticked lets the lane tick again once its tick is gone.
func (e *Emitter) ticked(r *record) {
	if r.sort == sortTick && !r.life.ended() {
		e.lane[r.lane].ticking.Store(false)
	}
}

// refuses reports an answer that speaks of the records themselves, so that
// repeating them would get the same.
func refuses(err error) bool {
	for _, code := range []kafka.Error{
		kafka.MessageSizeTooLarge, kafka.InvalidMessageSize, kafka.RecordListTooLarge, kafka.InvalidTimestamp,
		kafka.UnsupportedForMessageFormat, kafka.InvalidRecord,
	} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// failed notes that the partition takes nothing at present.
func (p *sender) failed(ctx context.Context, err error) {
	if p.down {
		return
	}
	p.down = true
	p.s.count.failing.Add(1)
	p.e.log.WarnContext(ctx, "kafka does not take events, they wait", "topic", p.s.topic, "partition", p.partition, "error", err)
}

// recovered notes that it takes them again.
func (p *sender) recovered(ctx context.Context) {
	if !p.down {
		return
	}
	p.down = false
	p.s.count.failing.Add(-1)
	p.e.log.InfoContext(ctx, "kafka takes events again", "topic", p.s.topic, "partition", p.partition)
}

func (e *Emitter) backoff() *bus.Backoff { return bus.NewBackoff(e.cfg.RetryMin, e.cfg.RetryMax) }
