package emit

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/vigil-gateway/vigil/gateway/emit/spool"
)

// Reasons for which a record is given up, beside those of the spool. The first
// five leave a tombstone in their lane; what is lost at shutdown has one only where
// there is a spool, by which the next start knows of it.
const (
	ReasonQueueFull = "queue_full" // No room: Kafka is slower than the requests.
	ReasonTooLarge  = "too_large"  // Larger than an event may be, or than the broker takes.
	ReasonMalformed = "malformed"  // Cannot be encoded.
	ReasonRefused   = "refused"    // The broker refuses just this record.
	// ReasonSummarised is that of a refusal beyond JudgedPerSecond or RefusedPerSecond:
	// nothing is lost of it but its row.
	ReasonSummarised = "summarised"
	ReasonShutdown   = "shutdown" // Still queued when the drain time was up.
	ReasonClosed     = "closed"   // Emitted after Run had ended.
)

// ReasonUnfinished is the reason of an event whose request was under way when the
// gateway died: nobody knows how it ended.
const ReasonUnfinished = "gateway_ended"

// reasonCount is the number of reasons.
const reasonCount = 12

// reasons are all, those of the spool among them.
func reasons() [reasonCount]string {
	return [...]string{
		ReasonQueueFull, ReasonTooLarge, ReasonMalformed, ReasonRefused, ReasonSummarised, ReasonShutdown, ReasonClosed,
		spool.ReasonFull, spool.ReasonExpired, spool.ReasonCrash, spool.ReasonTorn, spool.ReasonDamaged,
	}
}

// Stats are an emitter's figures at one moment.
type Stats struct {
	// Requests are the figures of vigil.requests, Enforcements of vigil.enforcements.
	Requests, Enforcements StreamStats
	// Spool are those of the spool; zero without one.
	Spool spool.Figures
}

// StreamStats are the figures of one topic.
type StreamStats struct {
	// Depth and Bytes are what waits now, in flight included; Capacity and
	// CapacityBytes what may wait.
	Depth, Capacity, Bytes, CapacityBytes int64
	// Emitted counts what was offered, ticks and tombstones not included.
	Emitted uint64
	// Dropped counts by reason what was given up, ticks and tombstones not included.
	Dropped map[string]uint64
	// Sent counts records per attempt; Acked those that Kafka has stored, ticks and tombstones included.
	Sent, Acked uint64
	// AckedEvents counts events or enforcements that Kafka has stored: without
	// ticks and tombstones. Emitted + Recovered = AckedEvents + Dropped + still queued.
	AckedEvents uint64
	// Recovered counts what earlier lives have left: events, and numbers that are lost.
	Recovered uint64
	// Spooled is how many of Depth are on the disk alone.
	Spooled int64
	// Oldest is the age of the record that waits longest, 0 for none.
	Oldest time.Duration
	// Failing is the number of partitions whose last attempt failed, or 1
	// while the partitions are not known; 0 is healthy.
	Failing int
}

// counters count for one topic.
type counters struct {
	emitted, sent, resent, acked, ackedEvents atomic.Uint64
	recovered                                 atomic.Uint64
	dropped                                   [reasonCount]atomic.Uint64
	failing                                   atomic.Int64
}

// drop counts n records that were given up.
func (s *stream) drop(reason string, n uint64) {
	all := reasons()
	s.count.dropped[slices.Index(all[:], reason)].Add(n)
}

func (s *stream) stats(now time.Time) StreamStats {
	st := StreamStats{
		Capacity:      s.capacity,
		CapacityBytes: s.capacityBytes,
		Emitted:       s.count.emitted.Load(),
		Sent:          s.count.sent.Load(),
		Acked:         s.count.acked.Load(),
		AckedEvents:   s.count.ackedEvents.Load(),
		Recovered:     s.count.recovered.Load(),
		Spooled:       s.queue.spooled.Load(),
		Failing:       int(s.count.failing.Load()),
		Dropped:       make(map[string]uint64, reasonCount),
	}
	st.Depth, st.Bytes = s.queue.depth()
	for i, r := range reasons() {
		if n := s.count.dropped[i].Load(); n > 0 {
			st.Dropped[r] = n
		}
	}
	for lane := range s.lanes {
		if at, some := s.queue.oldest(lane); some {
			st.Oldest = max(st.Oldest, now.Sub(at))
		}
	}
	return st
}
