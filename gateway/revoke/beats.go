package revoke

import (
	"slices"
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// positions hear up to where lanes are scored. False means that a heartbeat claims
// what was never emitted, and that it has moved nothing.
type positions interface {
	Scored(lanes []*verdict.LanePosition) bool
}

// beats remembers the analyzer's sign of life per stage and partition, and passes on
// how far it has scored.
type beats struct {
	positions positions // Nil where nobody asks.

	mu     sync.Mutex
	since  time.Time // When following began.
	voices map[voice]*beat
}

// beat is the last heartbeat of a stage in a partition.
type beat struct {
	epoch, seq uint64
	kid        string // Of the key that has signed it.
	last       time.Time
}

func newBeats(p positions, now time.Time) *beats {
	return &beats{positions: p, since: now, voices: make(map[voice]*beat)}
}

// expect makes a partition's subject stage count as silent until its first heartbeat.
// The facet stage counts where it has spoken: it may have fewer partitions.
func (b *beats) expect(partition int32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.voice(voice{int(partition), verdict.AuthoritySubject})
}

func (b *beats) voice(of voice) *beat {
	p := b.voices[of]
	if p == nil {
		p = &beat{last: b.since}
		b.voices[of] = p
	}
	return p
}

// note takes an authentic heartbeat that was read from a partition. at is when
// the analyzer was alive: the arrival of a fresh heartbeat, whatever its clock
// says, but not later than its own time where it comes from the log. It has no effect
// where it is not later than what was there, or of another partition or stage, which is
// [ErrStale], or claims what was never emitted, which is [ErrBeyond].
func (b *beats) note(h *verdict.Heartbeat, partition int32, at time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h.Partition != partition || h.Authority != verdict.AuthoritySubject && h.Authority != verdict.AuthorityFacet {
		return ErrStale
	}
	p := b.voice(voice{int(partition), h.Authority})
	if p.epoch != 0 && !verdict.Later(h.Epoch, h.Seq, p.epoch, p.seq) {
		return ErrStale
	}
	// The facet stage does not score what a lane counts.
	if h.Authority == verdict.AuthoritySubject && b.positions != nil && !b.positions.Scored(h.ScoredThrough) {
		return ErrBeyond
	}
	p.epoch, p.seq, p.kid, p.last = h.Epoch, h.Seq, h.Kid, at
	return nil
}

// takeBack forgets the places in the order that keys have taken: whoever stole one
// may have taken one that the analyzer never reaches.
func (b *beats) takeBack(kids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.voices {
		if slices.Contains(kids, p.kid) {
			p.epoch, p.seq, p.kid = 0, 0, ""
		}
	}
}

// staleness is for each stage the age of the partition where it has been silent
// longest. The subject stage is always there, the facet stage where it has spoken.
func (b *beats) staleness(now time.Time) map[string]time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make(map[string]time.Duration, 2)
	for of, p := range b.voices {
		out[of.stage] = max(out[of.stage], now.Sub(p.last))
	}
	if _, known := out[verdict.AuthoritySubject]; !known {
		out[verdict.AuthoritySubject] = now.Sub(b.since)
	}
	return out
}
