package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/fetch"
)

// record is one record of the stage's topic. It holds the memory of the whole read
// that it came with.
type record struct {
	*fetch.Record

	batch *batch // Nil where nothing is verified.
}

// fetched is what one read gave.
type fetched struct {
	records []fetch.Record
	before  []fetch.Record // Those in front of the wanted offset that came with it.
	next    int64          // Where to read on.
	end     int64          // The end of the partition.

	throttle time.Duration // How long the broker holds back; then there is nothing else.
}

// errGone means that the wanted offset is not in the partition (any more).
var errGone = errors.New("offset is not in the partition")

// fetch reads on from offset and hands over what it finds until ctx ends. The
// broker holds a read open until there is a record, so nothing is added to a
// record's latency. It returns errGone where the offset has been deleted, or the
// topic with it.
func (w *worker) fetch(ctx context.Context, offset int64) error {
	backoff, misses := fetchBackoff, 0
	for ctx.Err() == nil {
		got, err := w.readOf(ctx, offset)
		switch {
		case ctx.Err() != nil:
			continue
		case errors.Is(err, kafka.OffsetOutOfRange):
			return fmt.Errorf("offset %d: %w", offset, errGone)
		case errors.Is(err, errGone):
			return err
		case err != nil:
			w.ingest.doubts.Add(1)
			w.ingest.fault(ctx, "fetch", err)
			pause(ctx, backoff)
			backoff = min(2*backoff, fetchBackoffMax)
			continue
		}
		backoff = fetchBackoff
		if got.throttle > 0 {
			w.heldBack(ctx, got.throttle)
			continue
		}
		w.readAt.Store(w.ingest.o.Now().UnixNano())
		if len(got.records) == 0 {
			w.end.Store(got.end)
			if got.next > offset || got.end <= offset {
				offset, misses = got.next, 0 // Behind what compaction or a transaction has left.
				continue
			}
			misses++
			pause(ctx, fetchBackoff)
			if misses >= missMax {
				w.ingest.fault(ctx, "fetch", fmt.Errorf("no record at offset %d, below the end %d: passed over", offset, got.end))
				offset, misses = offset+1, 0
			}
			continue
		}
		misses = 0
		offset = got.next
		select {
		case w.fetched <- got:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// heldBack waits out a quota. How far the partition goes on meanwhile no read says, and
// nobody would see that it lags.
func (w *worker) heldBack(ctx context.Context, by time.Duration) {
	_, end, _, err := w.bounds(ctx, time.Time{})
	if err == nil {
		w.end.Store(end)
	}
	w.ingest.throttle.Wait(ctx, w.ingest.o.Stage.Topic, w.partition, by)
}

// readOf is one read. Where a fault of any partition has made it doubtful that the
// topic is still the same, that is asked before what was read is believed: one
// that was made anew has other records at the same offsets.
func (w *worker) readOf(ctx context.Context, offset int64) (fetched, error) {
	got, err := w.read(ctx, offset)
	doubts := w.ingest.doubts.Load()
	if err != nil || doubts == w.sure {
		return got, err
	}
	id, err := w.ingest.o.Writer.TopicID(ctx, w.ingest.o.Stage.Topic)
	if err != nil {
		return fetched{}, err
	}
	if id != w.topicID {
		return fetched{}, fmt.Errorf("the topic was made anew: %w", errGone)
	}
	w.sure = doubts
	return got, nil
}

// read is one read.
func (w *worker) read(ctx context.Context, offset int64) (fetched, error) {
	c := w.ingest.o.Config
	ctx, cancel := context.WithTimeout(ctx, c.FetchWait+requestTimeout)
	defer cancel()
	got, err := w.ingest.reader.Read(ctx, fetch.Request{
		Topic: w.ingest.o.Stage.Topic, Partition: w.partition, Offset: offset, BytesMax: c.FetchBytes, Wait: c.FetchWait,
	})
	if err != nil {
		return fetched{}, fmt.Errorf("read at %d: %w", offset, w.ingest.o.Access.Explain(err, access.Read, "topic "+w.ingest.o.Stage.Topic))
	}
	if got.Broken != nil {
		w.ingest.often(ctx, "batch", fmt.Errorf("partition %d: passed over: %w", w.partition, got.Broken))
	}
	before, records := got.Split(offset)
	return fetched{records: records, before: before, next: got.Next, end: got.End, throttle: got.Throttle}, nil
}

// bounds asks for the first offset and the end of the partition, and for the
// first offset at or after since where that is not zero (-1 for none).
func (w *worker) bounds(ctx context.Context, since time.Time) (first, end, at int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	ask := []kafka.OffsetRequest{kafka.FirstOffsetOf(w.partition), kafka.LastOffsetOf(w.partition)}
	if !since.IsZero() {
		ask = append(ask, kafka.TimeOffsetOf(w.partition, since))
	}
	resp, err := w.ingest.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{w.ingest.o.Stage.Topic: ask}})
	if err != nil {
		return 0, 0, 0, fmt.Errorf("list offsets: %w", err)
	}
	for _, p := range resp.Topics[w.ingest.o.Stage.Topic] {
		if p.Partition != w.partition {
			continue
		}
		at = -1
		for offset := range p.Offsets {
			at = max(at, offset)
		}
		return p.FirstOffset, p.LastOffset, at, p.Error
	}
	return 0, 0, 0, fmt.Errorf("list offsets: partition %d: %w", w.partition, kafka.UnknownTopicOrPartition)
}
