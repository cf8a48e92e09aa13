package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/access"
)

// record is one record of the stage's topic.
type record struct {
	offset  int64
	key     []byte
	value   []byte
	headers []kafka.Header
	batch   *batch // Nil where nothing is verified.
}

// header looks a header up.
func (r record) header(name string) ([]byte, bool) {
	return access.Header(r.headers, name)
}

// fetched is what one read gave.
type fetched struct {
	records []record
	before  []record // Those in front of the wanted offset that came with it.
	end     int64    // The end of the partition.
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
		w.readAt.Store(w.ingest.o.Now().UnixNano())
		if len(got.records) == 0 {
			w.end.Store(got.end)
			if got.end <= offset {
				misses = 0
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
		offset = got.records[len(got.records)-1].offset + 1
		select {
		case w.fetched <- got:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
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
	resp, err := w.ingest.client.Fetch(ctx, &kafka.FetchRequest{
		Topic: w.ingest.o.Stage.Topic, Partition: w.partition, Offset: offset,
		MinBytes: 1, MaxBytes: c.FetchBytes, MaxWait: c.FetchWait,
	})
	if err == nil {
		err = resp.Error
	}
	if err != nil {
		return fetched{}, fmt.Errorf("fetch at %d: %w", offset, w.ingest.o.Access.Explain(err, access.Read, "topic "+w.ingest.o.Stage.Topic))
	}
	out := fetched{end: resp.HighWatermark}
	for {
		rec, err := resp.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			w.usual = len(out.records)
			return out, nil
		}
		if err != nil {
			return fetched{}, fmt.Errorf("read records at %d: %w", offset, err)
		}
		if out.records == nil {
			out.records = make([]record, 0, w.usual)
		}
		r, err := copied(rec)
		if err != nil {
			return fetched{}, fmt.Errorf("read record %d: %w", rec.Offset, err)
		}
		if r.offset >= offset {
			out.records = append(out.records, r)
			continue
		}
		out.before = append(out.before, r) // A batch may begin before what was asked for.
	}
}

// copied takes a record out of the client's buffers, key and value in one piece.
func copied(rec *kafka.Record) (record, error) {
	r := record{offset: rec.Offset, headers: rec.Headers}
	n, key := 0, 0
	if rec.Key != nil {
		key = rec.Key.Len()
		n += key
	}
	if rec.Value != nil {
		n += rec.Value.Len()
	}
	piece := make([]byte, n)
	for _, part := range []struct {
		from kafka.Bytes
		to   *[]byte
		at   []byte
	}{{rec.Key, &r.key, piece[:key:key]}, {rec.Value, &r.value, piece[key:]}} {
		if part.from == nil {
			continue
		}
		_, err := io.ReadFull(part.from, part.at)
		if err != nil {
			return record{}, fmt.Errorf("read: %w", err)
		}
		err = part.from.Close()
		if err != nil {
			return record{}, fmt.Errorf("release: %w", err)
		}
		*part.to = part.at
	}
	return r, nil
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
