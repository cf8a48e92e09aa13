package revoke

import (
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// beats remembers the analyzer's sign of life per partition, and how far it
// has scored what this gateway emitted.
type beats struct {
	gateway string

	mu         sync.Mutex
	since      time.Time          // When following began.
	partitions map[int32]*beat    // Of the subject stage.
	scored     map[laneKey]uint64 // Of this gateway only.
}

type beat struct {
	epoch, seq uint64
	last       time.Time
}

type laneKey struct {
	epoch uint64
	lane  uint32
}

func newBeats(gateway string, now time.Time) *beats {
	return &beats{gateway: gateway, since: now, partitions: make(map[int32]*beat), scored: make(map[laneKey]uint64)}
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
// says, but not later than its own time where it comes from the log. False
// means that it is not later than what was there, or of another partition.
func (b *beats) note(h *verdict.Heartbeat, partition int32, at time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h.Partition != partition {
		return false
	}
	if h.Authority != verdict.AuthoritySubject {
		return true // The facet stage does not score what a lane counts.
	}
	p := b.partitions[partition]
	if p == nil {
		p = &beat{}
		b.partitions[partition] = p
	}
	if p.epoch != 0 && !verdict.Later(h.Epoch, h.Seq, p.epoch, p.seq) {
		return false
	}
	p.epoch, p.seq, p.last = h.Epoch, h.Seq, at
	for _, l := range h.ScoredThrough {
		if l.Gateway == b.gateway {
			b.advance(laneKey{l.Epoch, l.Lane}, l.Seq)
		}
	}
	return true
}

// advance moves a lane's position forward; the oldest epoch makes room.
func (b *beats) advance(k laneKey, seq uint64) {
	if _, known := b.scored[k]; !known && len(b.scored) >= positionsMax {
		oldest := k
		for other := range b.scored {
			if other.epoch < oldest.epoch {
				oldest = other
			}
		}
		if oldest == k {
			return
		}
		delete(b.scored, oldest)
	}
	b.scored[k] = max(b.scored[k], seq)
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

func (b *beats) scoredThrough(epoch uint64, lane uint32) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.scored[laneKey{epoch, lane}]
}
