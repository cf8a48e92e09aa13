package announce

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Run gives the partition's signs of life until ctx ends: a full one each
// Heartbeat, one with the lanes that moved soon after each batch. With it goes
// what time alone brings about: weaker verdicts that come into force, and
// tombstones. It returns an error only for a record that the broker refuses.
func (p *Partition) Run(ctx context.Context) error {
	defer p.announcer.guard.note(slot{p.stage.Authority, p.number}, nil) // Whoever has it next says what waits in it.
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
			pause(ctx, beatGap)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("heartbeat of partition %d: %w", p.number, err)
		}
	}
}

// Scored notes up to where lanes are scored; what these records brought about
// is acknowledged already. The positions go out with the next heartbeat.
func (p *Partition) Scored(lanes map[event.Lane]uint64) {
	if len(lanes) == 0 {
		return
	}
	p.lanes.Lock()
	for lane, seq := range lanes {
		if seq > p.positions.Last(lane) {
			p.positions.Set(lane, seq)
			p.changed[lane] = seq
		}
	}
	p.lanes.Unlock()
	select {
	case p.wake <- struct{}{}:
	default: // One is due already.
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

// through lists the lanes that a heartbeat names, in a fixed order.
func (p *Partition) through(full bool) []*verdict.LanePosition {
	p.lanes.Lock()
	defer p.lanes.Unlock()
	var out []*verdict.LanePosition
	if full {
		for lane, seq := range p.positions.All {
			out = append(out, position(lane, seq))
		}
	} else {
		for lane, seq := range p.changed {
			out = append(out, position(lane, seq))
		}
	}
	clear(p.changed)
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
