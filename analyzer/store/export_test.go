package store

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/fetch"
)

// Ledger and Cut are the ledger of cuts for tests that play a zombie.
type (
	Ledger = ledger
	Cut    = cut
)

// ErrFenced is what a zombie's declaration ends with.
var ErrFenced = errFenced

// NewLedger returns a ledger that has read nothing.
func NewLedger(c *kafka.Client) *Ledger {
	transport, _ := c.Transport.(*kafka.Transport)
	return newLedger(broker{client: c, reader: fetch.New(transport, c.Addr)})
}

// Declare declares a range.
func (l *ledger) Declare(ctx context.Context, c Cut) (Cut, error) { return l.declare(ctx, c) }

// Last returns the newest cut.
func (l *ledger) Last(ctx context.Context, topic string, partition int) (Cut, bool, error) {
	return l.last(ctx, topic, partition)
}

// NewCut returns a cut with lanes of the given names before it.
func NewCut(topic string, partition int, first, last int64, lanes ...event.Lane) Cut {
	m := newMemory(nil)
	for i, l := range lanes {
		m.lanes.Set(l, uint64(i+1))
	}
	return newCut(topic, partition, first, last, time.Unix(1, 0), m)
}

// Encode returns the record of a cut.
func Encode(c Cut) ([]byte, error) { return c.encode() }

// Marks fills a memory with n sources and returns how many it keeps.
func Marks(n int) int {
	m := newMemory(nil)
	for i := range n {
		m.pass(source{"t", int32(i)}, "", 1)
	}
	return len(m.marks)
}

// MarksMax is the limit of the above.
const MarksMax = marksMax

// ErrEnded is what a zombie's commit ends with.
var ErrEnded = errors.New("the generation has ended")

type ended struct{}

func (ended) CommitOffsets(map[string]map[int]int64) error { return ErrEnded }

// Redo does a declared cut as a worker whose generation has ended.
func (s *Store) Redo(ctx context.Context, c Cut) error {
	w := &worker{store: s, kind: s.kinds[c.Topic], partition: c.Partition, group: ended{}, memory: newMemory(&c), first: c.First, next: c.First}
	return w.apply(ctx, c, true)
}

// Abandon closes a store that never ran.
func (s *Store) Abandon() {
	s.transport.CloseIdleConnections()
	_ = errors.Join(s.observed.Unregister(), s.conn.Close())
}
