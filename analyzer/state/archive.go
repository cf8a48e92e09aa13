package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/scorer"
)

// Archive keeps snapshots where every analyzer finds them. Implementations are safe
// for concurrent use and end what they do when ctx does.
type Archive interface {
	// Put stores a snapshot and then removes all but the two newest of its partition
	// that are not later than it. The error wraps [ErrFenced] where one of a later
	// epoch is there already; nothing of another epoch is ever overwritten. It reads
	// body and keeps nothing of it.
	Put(ctx context.Context, h Header, body []byte) error
	// List returns the complete snapshots of a partition, by epoch and offset, the
	// newest first.
	List(ctx context.Context, topic string, partition int) ([]Archived, error)
	// Chunk returns one chunk of the body, of ChunkBytesMax at most. The error wraps [ErrDamaged] where it is
	// not what was written.
	Chunk(ctx context.Context, a Archived, chunk int) ([]byte, error)
	// Describe stores what is known about each subject, in a form that people read.
	Describe(ctx context.Context, h Header, profiles func(yield func(*scorer.Profile) bool) error) error
}

// Archived is a complete snapshot in an archive.
type Archived struct {
	Header
	// Chunks is in how many pieces the body lies there, and Bytes its length.
	Chunks int
	Bytes  int64
}

// offer is a snapshot that waits for nobody but the archive.
type offer struct {
	header   Header
	body     []byte
	profiles func(yield func(*scorer.Profile) bool) error
	done     chan error // Has room for the one answer.
}

// Reserve takes the archive for one snapshot. It reports false where there is none
// or it is busy with another: the caller tries again later, and has not taken a
// snapshot for nothing. Whoever has it calls [Store.Offer] or [Store.Release].
func (s *Store) Reserve() bool {
	if !s.Archives() {
		return false
	}
	select {
	case s.slot <- struct{}{}:
		return true
	default:
		return false
	}
}

// Release gives the archive back without a snapshot.
func (s *Store) Release() { <-s.slot }

// Offer hands a snapshot to the archive, which the caller has reserved. profiles lists
// what the snapshot says about subjects; nil for nothing. The store reads body from
// then on, and nobody may write to it. done tells once how it went.
func (s *Store) Offer(h Header, body []byte, profiles func(yield func(*scorer.Profile) bool) error) (done <-chan error) {
	o := offer{h, body, profiles, make(chan error, 1)}
	s.offers <- o
	return o.done
}

// Run writes what is offered to the archive until ctx ends. A write that fails is
// counted and logged; the next snapshot of its partition is as good.
func (s *Store) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case o := <-s.offers:
			err := s.put(ctx, o)
			s.Release()
			o.done <- err
			if ctx.Err() == nil {
				s.tell(ctx, o.header, err)
			}
		}
	}
}

func (s *Store) put(ctx context.Context, o offer) error {
	if len(o.body) > BodyBytesMax {
		return fmt.Errorf("archive a snapshot of %d B: above the limit of %d B", len(o.body), int64(BodyBytesMax))
	}
	ctx, cancel := context.WithTimeout(ctx, archiveTimeout)
	defer cancel()
	begin := s.now()
	err := s.archive.Put(ctx, o.header, o.body)
	if err != nil {
		return fmt.Errorf("archive the state of partition %d: %w", o.header.Partition, err)
	}
	s.metrics.archiveSeconds.Record(ctx, s.now().Sub(begin).Seconds())
	if o.profiles == nil {
		return nil
	}
	err = s.archive.Describe(ctx, o.header, o.profiles)
	if err != nil {
		return fmt.Errorf("archive the profiles of partition %d: %w", o.header.Partition, err)
	}
	return nil
}

func (s *Store) tell(ctx context.Context, h Header, err error) {
	result := "ok"
	switch {
	case errors.Is(err, ErrFenced):
		result = "fenced"
	case err != nil:
		result = "failed"
	}
	s.metrics.archived.Add(ctx, 1, metric.WithAttributes(attribute.String("result", result)))
	if err != nil {
		s.logger.WarnContext(ctx, "state is not archived", "topic", h.Topic, "partition", h.Partition, "error", err)
	}
}

// FindArchived lists what the archive has of a partition, the newest first. One that
// claims a length which it cannot have is counted as damage and left out, before
// anybody makes room for it. It takes no longer than archive_wait; the error says why
// nothing is known.
func (s *Store) FindArchived(ctx context.Context, topic string, partition int) ([]Found, error) {
	if !s.Archives() {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	list, err := within(ctx, func() ([]Archived, error) { return s.archive.List(ctx, topic, partition) })
	if err != nil {
		return nil, fmt.Errorf("ask the archive for partition %d: %w", partition, err)
	}
	var out []Found
	for _, a := range list {
		if a.Topic != topic || a.Partition != partition {
			continue
		}
		if most := min(BodyBytesMax, int64(a.Chunks)*ChunkBytesMax); a.Bytes < 0 || a.Bytes > most {
			s.refuse(ctx, "archive", fmt.Errorf("snapshot of partition %d, epoch %d: %d B in %d chunks: %w", partition, a.Epoch, a.Bytes, a.Chunks, ErrDamaged))
			continue
		}
		out = append(out, Found{Header: a.Header, store: s, archived: a})
	}
	return out, nil
}

// fetch reads a body chunk by chunk: each within archive_wait, so that one that
// hangs is noticed soon, and all within restoreTimeout.
func (s *Store) fetch(ctx context.Context, a Archived) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, restoreTimeout)
	defer cancel()
	body := make([]byte, 0, a.Bytes)
	err := s.chunks(ctx, a, func(chunk []byte, _ time.Duration) error {
		body = append(body, chunk...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return body, nil
}

// chunks hands a body over chunk by chunk, with how long each took to come. Its
// length is checked, and each chunk where it is read.
func (s *Store) chunks(ctx context.Context, a Archived, take func(chunk []byte, took time.Duration) error) error {
	sum := int64(0)
	for i := range a.Chunks {
		begin := s.now()
		chunk, err := s.chunk(ctx, a, i)
		if err != nil {
			return fmt.Errorf("chunk %d of %d: %w", i, a.Chunks, err)
		}
		sum += int64(len(chunk))
		if sum > a.Bytes || len(chunk) == 0 && a.Chunks > 1 { // Nothing, again and again, would never end.
			return fmt.Errorf("chunk %d of %d makes %d B of %d: %w", i, a.Chunks, sum, a.Bytes, ErrDamaged)
		}
		err = take(chunk, s.now().Sub(begin))
		if err != nil {
			return err
		}
	}
	if sum != a.Bytes {
		return fmt.Errorf("chunks hold %d of %d B: %w", sum, a.Bytes, ErrDamaged)
	}
	return nil
}

func (s *Store) chunk(ctx context.Context, a Archived, i int) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.wait, errSlow)
	defer cancel()
	b, err := within(ctx, func() ([]byte, error) { return s.archive.Chunk(ctx, a, i) })
	if err != nil && errors.Is(context.Cause(ctx), errSlow) {
		return nil, fmt.Errorf("%w within %v: %w", errSlow, s.wait.Round(time.Millisecond), err)
	}
	return b, err
}

// within asks and waits no longer than ctx, also where what is asked does not heed
// it: a driver that shakes hands has deadlines of its own. The question that nobody
// waits for any more ends with those.
func within[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	told := make(chan answer, 1)
	go func() {
		value, err := ask()
		told <- answer{value, err}
	}()
	select {
	case a := <-told:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// errSlow means that the archive did not answer in time.
var errSlow = errors.New("archive does not answer")
