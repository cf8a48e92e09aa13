package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// ErrFenced means that the file in place was written under a later epoch: the
// partition has another owner now.
var ErrFenced = errors.New("state was written under a later epoch")

// Options are what a [Store] depends on. Logger, Meter and Now are required.
type Options struct {
	Config Config
	Logger *slog.Logger
	Meter  metric.Meter
	Now    func() time.Time
}

// Store keeps the state of partitions as files. See the package for its laws.
type Store struct {
	dir     string
	logger  *slog.Logger
	metrics *metrics
	now     func() time.Time
}

// New returns a store over c.Dir, which it creates. With an empty Dir nothing
// is saved and nothing found.
func New(o Options) (*Store, error) {
	err := o.Config.Validate()
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	m, err := newMetrics(o.Meter)
	if err != nil {
		return nil, fmt.Errorf("state: metrics: %w", err)
	}
	if o.Config.Dir != "" {
		err = os.MkdirAll(o.Config.Dir, 0o700)
		if err != nil {
			return nil, fmt.Errorf("state: dir: %w", err)
		}
	}
	return &Store{dir: o.Config.Dir, logger: o.Logger, metrics: m, now: o.Now}, nil
}

// Keeps reports whether anything is kept at all.
func (s *Store) Keeps() bool { return s.dir != "" }

// Save writes the state of a partition; snapshot writes the body. The file
// before it is kept as the previous one. The error wraps [ErrFenced] where
// another owner has saved since.
func (s *Store) Save(ctx context.Context, h Header, snapshot func(io.Writer) error) error {
	if s.dir == "" {
		return nil
	}
	begin := s.now()
	h.Saved = begin.UTC()
	path := s.path(h.Topic, h.Partition)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err != nil {
		return fmt.Errorf("save state of partition %d: %w", h.Partition, err)
	}
	for i := range kept {
		old, err := headerOf(slot(path, i))
		if err == nil && old.Epoch > h.Epoch {
			return fmt.Errorf("save state of partition %d: epoch %d, on disk %d: %w", h.Partition, h.Epoch, old.Epoch, ErrFenced)
		}
	}
	n, err := write(path+".tmp", h, snapshot)
	if err != nil {
		return fmt.Errorf("save state of partition %d: %w", h.Partition, err)
	}
	err = rotate(path)
	if err != nil {
		return fmt.Errorf("save state of partition %d: %w", h.Partition, err)
	}
	s.metrics.saves.Add(ctx, 1)
	s.metrics.bytes.Record(ctx, n)
	s.metrics.seconds.Record(ctx, s.now().Sub(begin).Seconds())
	return nil
}

// Load hands the newest intact state of a partition to restore and returns its
// header; found is false where there is none. restore may be called twice,
// first with the newer file, and must begin from nothing each time.
func (s *Store) Load(ctx context.Context, topic string, partition int, restore func(Header, io.Reader) error) (h Header, found bool) {
	if s.dir == "" {
		return Header{}, false
	}
	path := s.path(topic, partition)
	for i := range kept {
		err := read(slot(path, i), func(head Header, r io.Reader) error {
			if head.Topic != topic || head.Partition != partition {
				return fmt.Errorf("state of %s/%d: %w", head.Topic, head.Partition, ErrDamaged)
			}
			h = head
			return restore(head, r)
		})
		if err == nil {
			return h, true
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		s.metrics.damaged.Add(ctx, 1)
		s.logger.WarnContext(ctx, "state file refused", "file", slot(path, i), "error", err)
	}
	return Header{}, false
}

// path is the newest file of a partition.
func (s *Store) path(topic string, partition int) string {
	return filepath.Join(s.dir, topic, fmt.Sprintf("partition-%d.state", partition))
}

// slot is the i-th newest file.
func slot(path string, i int) string {
	if i == 0 {
		return path
	}
	return path + ".previous"
}

// rotate puts the temporary file in place. A crash between the two renames
// leaves the previous file alone, which Load finds.
func rotate(path string) error {
	err := os.Rename(path, slot(path, 1))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep previous file: %w", err)
	}
	err = os.Rename(path+".tmp", path)
	if err != nil {
		return fmt.Errorf("put new file in place: %w", err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// headerOf reads the header of a file without its body.
func headerOf(path string) (Header, error) {
	f, err := os.Open(path) //nolint:gosec // The path is made of the operator's folder and our own names.
	if err != nil {
		return Header{}, fmt.Errorf("open state file: %w", err)
	}
	defer func() { _ = f.Close() }()
	h, _, err := readHeader(f)
	return h, err
}
