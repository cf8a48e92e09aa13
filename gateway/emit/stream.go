package emit

import (
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// stream is one topic with its queue. Its senders come and go with the
// partitions; what they have not delivered stays in the queue.
type stream struct {
	topic                   string
	queue                   queue
	lanes                   uint32
	capacity, capacityBytes int64
	attr                    metric.MeasurementOption
	count                   counters
	closed                  atomic.Bool
	popped                  chan struct{} // Something has left the queue.

	senders atomic.Pointer[[]*sender] // nil until the partitions are known.
}

func newStream(topic string, lanes uint32, records, bytes int64) *stream {
	return &stream{
		topic: topic, lanes: lanes, capacity: records, capacityBytes: bytes,
		queue: newRing(lanes, records, bytes), popped: make(chan struct{}, 1),
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

// abandon counts the events or enforcements that are left in the queue, and
// how many of them were in flight when their sender ended: those may have been
// stored.
func (s *stream) abandon() (lost, unconfirmed uint64) {
	records, _ := s.queue.depth()
	for lane := range s.lanes {
		for _, r := range s.queue.peek(nil, lane, int(records), s.capacityBytes+1) {
			if r.sort == sortEvent || r.sort == sortEnforcement {
				lost++
				if r.tried {
					unconfirmed++
				}
			}
		}
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
