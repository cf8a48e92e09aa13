package revoke

import (
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// positions hear up to where lanes are scored. False means that a heartbeat claims
// what was never emitted, and that it has moved nothing.
type positions interface {
	Scored(lanes []*verdict.LanePosition) bool
}

// beats remembers the analyzer's sign of life per partition, and passes on how far
// it has scored.
type beats struct {
	positions positions // Nil where nobody asks.

	mu         sync.Mutex
	since      time.Time       // When following began.
	partitions map[int32]*beat // Of the subject stage.
}

type beat struct {
	epoch, seq uint64
	last       time.Time
}

func newBeats(p positions, now time.Time) *beats {
	return &beats{positions: p, since: now, partitions: make(map[int32]*beat)}
}

// expect makes a partition count as silent until its first heartbeat.
func (b *beats) expect(partition int32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.partitions[partition] == nil {
		b.partitions[partition] = &beat{last: b.since}
	}
}

// note takes an authentic heartbeat that was read from a partition. at is when
// the analyzer was alive: the arrival of a fresh heartbeat, whatever its clock
// says, but not later than its own time where it comes from the log. It has no effect
// where it is not later than what was there, or of another partition, which is
// [ErrStale], or claims what was never emitted, which is [ErrBeyond].
func (b *beats) note(h *verdict.Heartbeat, partition int32, at time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h.Partition != partition {
		return ErrStale
	}
	if h.Authority != verdict.AuthoritySubject {
		return nil // The facet stage does not score what a lane counts.
	}
	p := b.partitions[partition]
	if p == nil {
		p = &beat{last: b.since}
		b.partitions[partition] = p
	}
	if p.epoch != 0 && !verdict.Later(h.Epoch, h.Seq, p.epoch, p.seq) {
		return ErrStale
	}
	if b.positions != nil && !b.positions.Scored(h.ScoredThrough) {
		return ErrBeyond
	}
	p.epoch, p.seq, p.last = h.Epoch, h.Seq, at
	return nil
}

// staleness is the age of the partition that has been silent longest.
func (b *beats) staleness(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := now
	if len(b.partitions) == 0 {
		last = b.since
	}
	for _, p := range b.partitions {
		if p.last.Before(last) {
			last = p.last
		}
	}
	return now.Sub(last)
}
