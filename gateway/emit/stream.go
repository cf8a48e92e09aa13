package emit

import (
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/schemas/seal"
)

// stream is one topic with its queue. Its senders come and go with the
// partitions; what they have not delivered stays in the queue.
type stream struct {
	topic                   string
	queue                   *ring
	lanes                   uint32
	capacity, capacityBytes int64
	attr                    metric.MeasurementOption
	count                   counters
	closed                  atomic.Bool
	popped                  chan struct{}       // Something has left the queue.
	chains                  map[int]*seal.Chain // By partition: they outlive their senders. Supervise's.

	senders atomic.Pointer[[]*sender] // nil until the partitions are known.
}

func newStream(topic string, capacity, capacityBytes int64, q *ring) *stream {
	return &stream{
		topic: topic, lanes: uint32(len(q.lanes)), capacity: capacity, capacityBytes: capacityBytes, queue: q, popped: make(chan struct{}, 1),
		attr: metric.WithAttributeSet(attribute.NewSet(attribute.String("topic", topic))),
	}
}

// wake tells the sender of a lane that there is something to send.
func (s *stream) wake(lane uint32) {
	senders := s.senders.Load()
	if senders != nil {
		signal((*senders)[int(lane)%len(*senders)].wake)
	}
}

func (s *stream) wakeAll() {
	senders := s.senders.Load()
	if senders == nil {
		return
	}
	for _, p := range *senders {
		signal(p.wake)
	}
}

func (s *stream) empty() bool {
	records, _ := s.queue.depth()
	return records == 0
}

// abandon counts the events or enforcements that are left in the queue and that
// no next start will find in the spool, and how many of them were in flight when
// their sender ended: those may have been stored.
func (s *stream) abandon() (lost, unconfirmed uint64) {
	for lane := range s.lanes {
		s.queue.each(lane, func(e entry) {
			if e.ref.Valid() || e.r.slot.Held() || e.r.sort != sortEvent && e.r.sort != sortEnforcement || e.r.life.ended() {
				return
			}
			lost++
			if e.r.tried {
				unconfirmed++
			}
		})
	}
	return lost, unconfirmed
}

// signal sends unless a signal is already waiting.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
