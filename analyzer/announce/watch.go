package announce

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// watch sees to it, until ctx ends, that the last record under each of the partition's
// keys is what stands: compaction keeps no other. A write that was given up may arrive
// behind later ones, a predecessor may write after he has lost the partition, and whoever
// may write can repeat an old record or put a tombstone there. Whoever reads along passes
// over all that, and a gateway that starts without its file would have nothing else.
func (p *Partition) watch(ctx context.Context) error {
	due := time.NewTicker(p.announcer.watchEvery)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-due.C:
		}
		err := p.look(ctx)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("say again what stands in partition %d: %w", p.number, err)
		}
	}
}

// look reads on in the partition and says again what was replaced.
func (p *Partition) look(ctx context.Context) error {
	a := p.announcer
	p.mu.Lock()
	through := p.seq
	p.mu.Unlock()
	next, err := a.writer.read(ctx, heldStall, topic.Verdicts, p.number, p.watched, p.see)
	if err != nil {
		return nil // It is read on from there the next time.
	}
	p.watched = next
	err = p.repeat(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := a.now()
	var again []*verdict.Verdict
	for _, key := range slices.SortedFunc(maps.Keys(p.last), compareTargets) {
		e := p.entries[key]
		if e.stands != nil && e.stands.Epoch == p.epoch && e.stands.Seq > through {
			continue // Its record may be one that is not read yet.
		}
		if e.stands == nil || p.last[key] == p.sums[key] || !e.stands.Live(now) {
			delete(p.last, key)
			continue
		}
		if len(again) == resignedMax {
			break // The rest with the next look.
		}
		again = append(again, p.again(key))
		delete(p.last, key)
	}
	if len(again) == 0 {
		return nil
	}
	a.metrics.replaced.Add(ctx, int64(len(again)))
	a.logger.WarnContext(ctx, "records of verdicts were replaced by what does not stand, they are said again",
		"stage", p.stage.Authority, "partition", p.number, "verdicts", len(again), "first", again[0].Id)
	return p.write(ctx, again)
}

// repeat writes what operators and feeds have said, and others replaced, as it is.
func (p *Partition) repeat(ctx context.Context) error {
	a := p.announcer
	again := p.silenced(a.now())
	if p.spoken.full {
		p.spoken.full = false
		a.metrics.unwatched.Add(ctx, 1)
		a.logger.WarnContext(ctx, "operators and feeds say more in a partition than is watched for records that replace it",
			"partition", p.number, "limit_bytes", spokenBytesMax)
	}
	if len(again) == 0 {
		return nil
	}
	a.metrics.replaced.Add(ctx, int64(len(again)))
	a.logger.WarnContext(ctx, "records of operators' verdicts were replaced by what does not stand, they are written again",
		"partition", p.number, "verdicts", len(again))
	return a.writer.Write(ctx, topic.Verdicts, p.number, again...)
}

// see notes the last record under each key that the partition watches.
func (p *Partition) see(m kafka.Message) {
	key, ok := keyOf(m.Key)
	switch {
	case !ok:
	case key.authority == verdict.AuthorityOperator || key.authority == verdict.AuthorityFeed:
		if p.stage.Authority == verdict.AuthoritySubject { // One of the two who read the partition is enough.
			p.overhear(m)
		}
	case p.stage.Owns(key.kind) && (key.authority == verdict.AuthoritySubject || key.authority == verdict.AuthorityFacet):
		_, known := p.last[key]
		if known || len(p.last) < targetsMax {
			p.last[key] = p.sum(m.Value)
		}
	}
}

// sum tells one record from another: nobody who writes knows the seed.
func (p *Partition) sum(record []byte) uint64 { return maphash.Bytes(p.announcer.seed, record) }

func compareTargets(a, b target) int {
	return cmp.Or(strings.Compare(a.tenant, b.tenant), strings.Compare(a.kind, b.kind), strings.Compare(a.id, b.id), strings.Compare(a.authority, b.authority))
}
