package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/scorer"
)

// shelf is an archive in memory. It can hang, as a server does that accepts and
// never answers, and refuse.
type shelf struct {
	mu     sync.Mutex
	stored []shelved
	hangs  atomic.Bool
	fails  atomic.Bool
	asked  []int // The partitions whose snapshots somebody wanted listed. Guarded by mu.
}

type shelved struct {
	state.Header

	body []byte
}

func (s *shelf) wait(ctx context.Context) error {
	if s.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if s.fails.Load() {
		return errors.New("refused on purpose")
	}
	return nil
}

func (s *shelf) Put(ctx context.Context, h state.Header, body []byte) error {
	err := s.wait(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, old := range s.stored {
		if old.Topic == h.Topic && old.Partition == h.Partition && old.Epoch > h.Epoch {
			return state.ErrFenced
		}
	}
	s.stored = append(s.stored, shelved{h, bytes.Clone(body)})
	return nil
}

func (s *shelf) of(topic string, partition int) []shelved {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []shelved
	for _, x := range s.stored {
		if x.Topic == topic && x.Partition == partition {
			out = append(out, x)
		}
	}
	slices.Reverse(out)
	return out
}

func (s *shelf) List(ctx context.Context, topic string, partition int) ([]state.Archived, error) {
	s.mu.Lock()
	s.asked = append(s.asked, partition)
	s.mu.Unlock()
	err := s.wait(ctx)
	if err != nil {
		return nil, err
	}
	var out []state.Archived
	for _, x := range s.of(topic, partition) {
		out = append(out, state.Archived{Header: x.Header, Chunks: 1, Bytes: int64(len(x.body))})
	}
	return out, nil
}

func (s *shelf) Chunk(ctx context.Context, a state.Archived, _ int) ([]byte, error) {
	err := s.wait(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range s.of(a.Topic, a.Partition) {
		if x.Epoch == a.Epoch && x.Next == a.Next {
			return x.body, nil
		}
	}
	return nil, state.ErrDamaged
}

// questions are the partitions that the archive was asked for since forget.
func (s *shelf) questions() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *shelf) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = nil
}

func (*shelf) Describe(context.Context, state.Header, func(func(*scorer.Profile) bool) error) error {
	return nil
}

// begun notes from what state partitions are begun.
type begun struct {
	slog.Handler

	mu   *sync.Mutex
	from map[int][]string
}

func newBegun() *begun {
	return &begun{Handler: slog.DiscardHandler, mu: new(sync.Mutex), from: make(map[int][]string)}
}

func (h *begun) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "partition begun" {
		return nil
	}
	partition, from := 0, ""
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "partition":
			partition = int(a.Value.Int64())
		case "state":
			from = a.Value.String()
		}
		return true
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.from[partition] = append(h.from[partition], from)
	return nil
}

func (*begun) Enabled(context.Context, slog.Level) bool { return true }
func (h *begun) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h *begun) log(o *ingest.Options)                  { o.Logger = slog.New(h) }

// last is from what a partition was begun the last time, "" for never.
func (h *begun) last(partition int) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.from[partition]
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1]
}

// times is how often a partition was begun.
func (h *begun) times(partition int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.from[partition])
}
