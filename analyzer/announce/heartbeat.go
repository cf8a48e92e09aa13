package announce

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Run gives the partition's signs of life until ctx ends: a full one each
// Heartbeat, one with the lanes that moved soon after each batch, at once where a
// gateway waits for it. With it goes
// what time alone brings about: weaker verdicts that come into force, and
// tombstones. It returns an error for a record that the broker refuses, and where the
// epoch turns out to be too low.
func (p *Partition) Run(ctx context.Context) error {
	defer p.announcer.guard.note(slot{p.stage.Authority, p.number}, nil) // Whoever has it next says what waits in it.
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.live(ctx) })
	g.Go(func() error { return p.learn(ctx) })
	g.Go(func() error { return p.mind(ctx) })
	g.Go(func() error { return p.watch(ctx) })
	return g.Wait()
}

// live gives the signs of life.
func (p *Partition) live(ctx context.Context) error {
	full := time.NewTicker(p.announcer.config.Heartbeat)
	defer full.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-full.C:
			err = p.age(ctx)
			if err == nil {
				err = p.resign(ctx)
			}
			if err == nil {
				err = p.beat(ctx, true)
			}
		case <-p.wake:
			err = p.beat(ctx, false)
			p.rest(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("heartbeat of partition %d: %w", p.number, err)
		}
	}
}

// rest keeps two heartbeats apart, less so where somebody waits for the second.
func (p *Partition) rest(ctx context.Context) {
	pause(ctx, awaitedGap)
	t := time.NewTimer(beatGap - awaitedGap)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.awaited:
	case <-ctx.Done():
	}
}

// Scored notes up to where lanes are scored; what these records brought about
// is acknowledged already. The positions go out with the next heartbeat, which does
// not take its time where one of the records is awaited by its gateway.
func (p *Partition) Scored(lanes map[event.Lane]uint64, awaited bool) {
	if len(lanes) == 0 {
		return
	}
	p.lanes.Lock()
	p.reads++
	for lane, seq := range lanes {
		if seq > p.positions.Last(lane) {
			p.positions.Set(lane, seq)
			p.move(lane)
		}
	}
	p.lanes.Unlock()
	signal(p.wake)
	if awaited {
		signal(p.awaited)
	}
}

// move notes that a lane has moved. Lanes that the positions have no room for any more are
// not worth a heartbeat, and whoever writes can make up as many as he likes.
func (p *Partition) move(lane event.Lane) {
	_, there := p.changed[lane]
	if there {
		return
	}
	if len(p.changed) >= 2*event.LanesMax {
		maps.DeleteFunc(p.changed, func(l event.Lane, _ uint64) bool { return p.positions.Last(l) == 0 })
	}
	lane.Gateway = strings.Clone(lane.Gateway) // It may be a part of what was read.
	p.changed[lane] = p.reads
}

// signal sends unless a signal is waiting already.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// beat writes a heartbeat, with every lane or with those that moved since the last.
func (p *Partition) beat(ctx context.Context, full bool) error {
	lanes := p.through(full)
	if !full && len(lanes) == 0 {
		return nil
	}
	a := p.announcer
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq++
	now := a.now()
	env, err := a.signer.Heartbeat(&verdict.Heartbeat{
		Time: timestamppb.New(now), Epoch: p.epoch, Seq: p.seq, Authority: p.stage.Authority,
		Partition: int32(p.number), ScoredThrough: lanes,
	})
	if err != nil {
		return fmt.Errorf("sign heartbeat: %w", err)
	}
	err = a.writer.Write(ctx, topic.Verdicts, p.number, Record{
		Key: topic.HeartbeatKey(p.stage.Authority, p.number), Value: env,
		Headers: cloudevent.Attributes{
			ID: fmt.Sprintf("%s.%d.%d.%d", p.stage.Authority, p.number, p.epoch, p.seq), Source: source, Type: cloudevent.TypeHeartbeat,
			Time: now, ContentType: cloudevent.JOSE,
		}.Headers(),
	})
	if err != nil {
		return err
	}
	a.metrics.beats.Add(ctx, 1)
	return nil
}

// through lists the lanes that a heartbeat names, at most beatLanesMax: first those
// that moved, the longest ago first, of which the rest makes for another heartbeat, then
// where it is a full one those whose turn it is to be repeated.
func (p *Partition) through(full bool) []*verdict.LanePosition {
	p.lanes.Lock()
	defer p.lanes.Unlock()
	moved := slices.SortedFunc(maps.Keys(p.changed), func(a, b event.Lane) int {
		return cmp.Or(cmp.Compare(p.changed[a], p.changed[b]), a.Compare(b))
	})
	if len(moved) > beatLanesMax {
		moved = moved[:beatLanesMax]
		signal(p.wake)
	}
	var out []*verdict.LanePosition
	for _, lane := range moved {
		delete(p.changed, lane)
		seq := p.positions.Last(lane)
		if seq > 0 { // It may have made room for others.
			out = append(out, position(lane, seq))
		}
	}
	if full {
		out = p.repeated(out)
	}
	return out
}

// repeated adds lanes that have not moved, from the one behind the last that was
// repeated on, and round.
func (p *Partition) repeated(out []*verdict.LanePosition) []*verdict.LanePosition {
	named := make(map[event.Lane]bool, len(out))
	for _, at := range out {
		named[event.Lane{Gateway: at.Gateway, Epoch: at.Epoch, Lane: at.Lane}] = true
	}
	begin := p.told
	for _, round := range []bool{false, true} {
		for lane, seq := range p.positions.All {
			if named[lane] || begin.Compare(lane) < 0 == round {
				continue
			}
			if len(out) == beatLanesMax {
				return out
			}
			out, p.told = append(out, position(lane, seq)), lane
		}
	}
	return out
}

func position(l event.Lane, seq uint64) *verdict.LanePosition {
	return &verdict.LanePosition{Gateway: l.Gateway, Epoch: l.Epoch, Lane: l.Lane, Seq: seq}
}

// age writes what time alone brings about.
func (p *Partition) age(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.announcer.now()
	var back []*verdict.Verdict
	var gone []Record
	for key, e := range p.entries {
		if e.stands == nil {
			if e.strongest(now) == 0 {
				delete(p.entries, key)
			}
			continue
		}
		weaker := e.lapse(now)
		switch {
		case weaker != nil:
			v := cloned(weaker)
			p.place(v, now)
			p.entries[key] = e.announced(v)
			back = append(back, v)
		case now.Sub(e.stands.Until.AsTime()) > tombstoneAfter && len(gone) < tombstonesMax:
			gone = append(gone, Record{Key: topic.VerdictKey(key.tenant, key.kind, key.id, key.authority)})
			delete(p.entries, key)
			delete(p.sums, key)
		}
	}
	slices.SortFunc(back, func(a, b *verdict.Verdict) int { return int(a.Seq) - int(b.Seq) })
	slices.SortFunc(gone, func(a, b Record) int { return strings.Compare(string(a.Key), string(b.Key)) })
	err := p.write(ctx, back)
	if err != nil {
		return err
	}
	err = p.announce(ctx, p.let(now), now)
	if err != nil {
		return err
	}
	p.announcer.metrics.tombstones.Add(ctx, int64(len(gone)))
	return p.announcer.writer.Write(ctx, topic.Verdicts, p.number, gone...)
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
