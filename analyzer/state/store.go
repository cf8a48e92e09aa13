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
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/analyzer/state/cold"
)

// ErrFenced means that the file in place was written under a later epoch: the
// partition has another owner now.
var ErrFenced = errors.New("state was written under a later epoch")

// ErrBusy means that the file before is still being written: the disk hangs.
var ErrBusy = errors.New("the state file before is still being written")

// Options are what a [Store] depends on. Logger, Meter and Now are required.
type Options struct {
	Config Config
	// Archive is shared by all analyzers; nil for none.
	Archive Archive
	Logger  *slog.Logger
	Meter   metric.Meter
	Now     func() time.Time
}

// Store keeps the state of partitions as files. See the package for its laws.
type Store struct {
	dir     string
	cold    int64 // The bound of a partition's cold store, 0 for none.
	logger  *slog.Logger
	metrics *metrics
	now     func() time.Time
	archive Archive // nil for none.
	wait    time.Duration
	slot    chan struct{} // Holds one where the archive is reserved.
	offers  chan offer    // Of the one snapshot for which it is.
	growth  growth
	members sync.Mutex // Guards the file of members, which both stages write.

	saving sync.Map // The paths that are being written.

	owning sync.Mutex     // Held where a copy takes its place.
	owned  map[string]int // How many work on a partition here, by its path. Guarded by owning.
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
	s := &Store{dir: o.Config.Dir, cold: o.Config.ColdBytes, logger: o.Logger, metrics: m, now: o.Now, wait: o.Config.ArchiveWait, slot: make(chan struct{}, 1), offers: make(chan offer, 1), owned: make(map[string]int)}
	if o.Config.ArchiveEvery > 0 {
		s.archive = o.Archive
	}
	return s, s.sweep()
}

// OnDisk reports whether state is kept on this machine's disk.
func (s *Store) OnDisk() bool { return s.dir != "" }

// Archives reports whether there is an archive.
func (s *Store) Archives() bool { return s.archive != nil }

// Cold opens the cold store of a partition as it was at the mark of a header. It is
// nil where none is kept. An error says why it could not be had so, and it is empty
// then, or nil.
func (s *Store) Cold(topic string, partition int, mark string) (*cold.Shelf, error) {
	if s.dir == "" || s.cold == 0 {
		return nil, nil //nolint:nilnil // No store is no fault.
	}
	shelf, err := cold.Open(filepath.Join(s.dir, topic, fmt.Sprintf("partition-%d.cold", partition)), s.cold, mark)
	if err != nil {
		return shelf, fmt.Errorf("partition %d: %w", partition, err)
	}
	return shelf, nil
}

// Save writes the state of a partition; snapshot writes the body. The file
// before it is kept as the previous one. The error wraps [ErrFenced] where
// another owner has saved since, and [ErrBusy] where a save of the partition that was
// given up is still under way.
func (s *Store) Save(ctx context.Context, h Header, snapshot func(io.Writer) error) error {
	if s.dir == "" {
		return nil
	}
	begin := s.now()
	if h.Saved.IsZero() {
		h.Saved = begin.UTC()
	}
	path := s.path(h.Topic, h.Partition)
	_, busy := s.saving.LoadOrStore(path, true)
	if busy {
		return fmt.Errorf("save state of partition %d: %w", h.Partition, ErrBusy)
	}
	defer s.saving.Delete(path)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err != nil {
		return fmt.Errorf("save state of partition %d: %w", h.Partition, err)
	}
	for i := range kept {
		old, err := headerOf(slot(path, i))
		if err == nil && !old.Copied && old.Epoch > h.Epoch {
			return fmt.Errorf("save state of partition %d: epoch %d, on disk %d: %w", h.Partition, h.Epoch, old.Epoch, ErrFenced)
		}
	}
	n, err := write(path+temporarySuffix, h, snapshot)
	if err != nil {
		_ = os.Remove(path + temporarySuffix) // A disk that is full needs the room.
		return fmt.Errorf("save state of partition %d: %w", h.Partition, err)
	}
	err = rotate(path, path+temporarySuffix)
	if err != nil {
		return fmt.Errorf("save state of partition %d: %w", h.Partition, err)
	}
	s.metrics.saves.Add(ctx, 1)
	s.metrics.bytes.Record(ctx, n)
	s.metrics.seconds.Record(ctx, s.now().Sub(begin).Seconds())
	return nil
}

// Find lists what is on disk of a partition, the newest first. Only headers are
// read: a file that is damaged further on shows when it is restored. A damaged
// header is counted and left out.
func (s *Store) Find(ctx context.Context, topic string, partition int) []Found {
	if s.dir == "" {
		return nil
	}
	var out []Found
	path := s.path(topic, partition)
	for i := range kept {
		name := slot(path, i)
		h, err := headerOf(name)
		if err == nil && (h.Topic != topic || h.Partition != partition) {
			err = fmt.Errorf("state of %s/%d: %w", h.Topic, h.Partition, ErrDamaged)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			s.refuse(ctx, name, err)
			continue
		}
		out = append(out, Found{Header: h, store: s, file: name, size: sizeOf(name)})
	}
	return out
}

// sizeOf is the length of a file, 0 where it is gone.
func sizeOf(name string) int64 {
	fi, err := os.Stat(name)
	if err != nil {
		return 0
	}
	return fi.Size()
}

// Epochs gives, for each partition of a topic that has state on disk, the epoch
// under which it was written last.
func (s *Store) Epochs(topic string) map[int]uint64 {
	if s.dir == "" {
		return nil
	}
	out := make(map[int]uint64)
	for i := range kept {
		files, err := filepath.Glob(slot(filepath.Join(s.dir, topic, "partition-*.state"), i))
		if err != nil {
			return nil // The folder's own name is a bad pattern: preferences alone are lost.
		}
		for _, name := range files {
			h, err := headerOf(name)
			if err == nil && h.Topic == topic {
				out[h.Partition] = max(out[h.Partition], h.Epoch)
			}
		}
	}
	return out
}

func (s *Store) refuse(ctx context.Context, name string, err error) {
	s.metrics.damaged.Add(ctx, 1)
	s.logger.WarnContext(ctx, "state refused", "name", name, "error", err)
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

// temporarySuffix ends the name of a file that is being saved.
const temporarySuffix = ".tmp"

// rotate puts a whole file in place. A crash between the two renames leaves the
// previous file alone, which Find finds.
func rotate(path, whole string) error {
	err := os.Rename(path, slot(path, 1))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep previous file: %w", err)
	}
	err = os.Rename(whole, path)
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
