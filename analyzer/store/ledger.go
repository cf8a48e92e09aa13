package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/vigil-gateway/vigil/schemas/fetch"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// errFenced means that somebody else has gone on with a partition: our
// declaration came after others of later offsets.
var errFenced = errors.New("another worker has gone on with the partition")

// ledger is vigil.cuts as this process knows it. The order of the topic decides
// which of two declarations of the same range is the cut: the first.
type ledger struct {
	broker broker

	mu   sync.Mutex
	next int64            // The offset of vigil.cuts to read next; -1 before the first look.
	cuts map[string][]cut // The last winners per source key, by rising First.
}

func newLedger(b broker) *ledger { return &ledger{broker: b, next: -1, cuts: make(map[string][]cut)} }

// last returns the newest cut of a partition that anybody has declared so far.
func (l *ledger) last(ctx context.Context, name string, partition int) (c cut, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, end, err := l.broker.bounds(ctx, topic.Cuts, 0)
	if err != nil {
		return cut{}, false, err
	}
	err = l.read(ctx, end)
	if err != nil {
		return cut{}, false, err
	}
	known := l.cuts[string(topic.SourceKey(name, partition))]
	if len(known) == 0 {
		return cut{}, false, nil
	}
	return known[len(known)-1], true, nil
}

// declare writes c and returns the cut that holds for its First: c, or what
// somebody else declared before. The error wraps errFenced where others are
// past it already. A declaration whose answer is lost may be written twice,
// which is the same cut: its id is the same.
func (l *ledger) declare(ctx context.Context, c cut) (cut, error) {
	value, err := c.encode()
	if err != nil {
		return cut{}, err
	}
	key := topic.SourceKey(c.Topic, c.Partition)
	offset, err := l.broker.produce(ctx, topic.Cuts, c.Time, outgoing{key: key, value: value})
	if err != nil {
		return cut{}, fmt.Errorf("declare a cut: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err = l.read(ctx, offset+1)
	if err != nil {
		return cut{}, err
	}
	for _, winner := range l.cuts[string(key)] {
		if winner.First == c.First {
			return winner, nil
		}
	}
	return cut{}, fmt.Errorf("declare %s/%d from %d: %w", c.Topic, c.Partition, c.First, errFenced)
}

// read takes in vigil.cuts up to end. The caller holds mu.
func (l *ledger) read(ctx context.Context, end int64) error {
	if l.next < 0 {
		first, head, err := l.broker.bounds(ctx, topic.Cuts, 0)
		if err != nil {
			return err
		}
		l.next = max(first, head-cutsScanMax)
	}
	for misses := 0; l.next < end; {
		got, err := l.broker.fetch(ctx, topic.Cuts, 0, l.next, fetchWait, nil)
		if err != nil {
			return err
		}
		for i := range got.Records { // What of them is broken is nobody's declaration.
			l.take(&got.Records[i])
		}
		if got.Next > l.next {
			l.next, misses = got.Next, 0
			continue
		}
		misses++
		if misses >= missMax { // A hole in the log, such as a control record.
			l.next, misses = l.next+1, 0
		}
	}
	return nil
}

// take notes one declaration. One that overlaps what is known already has
// lost; one that cannot be read is nobody's.
func (l *ledger) take(r *fetch.Record) {
	var c cut
	err := json.Unmarshal(r.Value, &c)
	key := string(r.Key)
	if err != nil || !bytes.Equal(r.Key, topic.SourceKey(c.Topic, c.Partition)) || c.Last < c.First || c.ID == "" {
		return
	}
	known := l.cuts[key]
	switch n := len(known); {
	case c.Fresh:
		known = nil
	case n > 0 && c.First <= known[n-1].Last:
		return
	}
	known = append(known, c)
	l.cuts[key] = known[max(0, len(known)-cutsPerSource):]
}
