package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// ErrOwned means that a partition is worked on in this process: its files are its
// worker's.
var ErrOwned = errors.New("partition is worked on here")

// ErrNotNewer means that what is on disk is as new as what was to be copied.
var ErrNotNewer = errors.New("state on disk is as new")

// copySuffix ends the name of a copy that is not whole yet.
const copySuffix = ".copy"

// Own says that a partition is worked on in this process until release is called. No
// copy touches its files meanwhile: one that is under way is given up, and waited for
// no longer than it takes to rename a file.
func (s *Store) Own(topic string, partition int) (release func()) {
	path := s.path(topic, partition)
	s.owning.Lock()
	s.owned[path]++
	s.owning.Unlock()
	return func() {
		s.owning.Lock()
		defer s.owning.Unlock()
		s.owned[path]--
		if s.owned[path] == 0 {
			delete(s.owned, path)
		}
	}
}

// Owned reports whether a partition is worked on in this process.
func (s *Store) Owned(topic string, partition int) bool {
	s.owning.Lock()
	defer s.owning.Unlock()
	return s.owned[s.path(topic, partition)] > 0
}

// Newest is the header of the newest file of a partition, which may be damaged
// further on.
func (s *Store) Newest(topic string, partition int) (newest Header, ok bool) {
	if s.dir == "" {
		return Header{}, false
	}
	for i := range kept {
		h, err := headerOf(slot(s.path(topic, partition), i))
		if err == nil && h.Topic == topic && h.Partition == partition && (!ok || h.LaterThan(newest)) {
			newest, ok = h, true
		}
	}
	return newest, ok
}

// Size is how many bytes the files of all partitions take on disk, without cold stores.
func (s *Store) Size() int64 {
	if s.dir == "" {
		return 0
	}
	sum := int64(0)
	for i := range kept {
		files, err := filepath.Glob(slot(filepath.Join(s.dir, "*", "partition-*.state"), i))
		if err != nil {
			return 0 // The folder's own name is a bad pattern.
		}
		for _, name := range files {
			sum += sizeOf(name)
		}
	}
	return sum
}

// Copy makes a snapshot of the archive this disk's newest of its partition; the file
// before it is kept as the previous one. It holds one chunk in memory and reads rate
// bytes a second at most, in the mean. Where it fails, what was on disk is as it was.
// The error wraps [ErrDamaged] where the archive's snapshot is at fault, [ErrOwned]
// where the partition is worked on here, and [ErrNotNewer].
func (s *Store) Copy(ctx context.Context, f Found, rate int64) error {
	path := s.path(f.Topic, f.Partition)
	part := path + copySuffix
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		h := f.Header
		h.Copied = true
		_, err = write(part, h, func(w io.Writer) error { return s.stream(ctx, f, rate, w) })
	}
	if err == nil {
		err = s.place(f, path, part)
	}
	if err != nil {
		_ = os.Remove(part) // It may not be there.
		return fmt.Errorf("copy the state of partition %d: %w", f.Partition, err)
	}
	return nil
}

// stream writes a body to w at a rate, as long as nobody works on the partition here.
func (s *Store) stream(ctx context.Context, f Found, rate int64, w io.Writer) error {
	return s.chunks(ctx, f.archived, func(chunk []byte, took time.Duration) error {
		if s.Owned(f.Topic, f.Partition) {
			return ErrOwned // There is no use for the rest.
		}
		_, err := w.Write(chunk)
		if err != nil {
			return fmt.Errorf("write a chunk: %w", err)
		}
		due := time.Duration(float64(len(chunk)) / float64(rate) * float64(time.Second))
		return sleep(ctx, due-took)
	})
}

// place puts a copy that is whole where it is found.
func (s *Store) place(f Found, path, part string) error {
	s.owning.Lock()
	defer s.owning.Unlock()
	if s.owned[path] > 0 {
		return ErrOwned
	}
	have, ok := s.Newest(f.Topic, f.Partition)
	if ok && !f.LaterThan(have) {
		return ErrNotNewer
	}
	return rotate(path, part)
}

// sweep removes the copies that were not whole when the process before ended.
func (s *Store) sweep() error {
	if s.dir == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "*", "partition-*.state"+copySuffix))
	if err != nil {
		return nil //nolint:nilerr // The folder's own name is a bad pattern: room is lost, no more.
	}
	for _, name := range files {
		err = os.Remove(name)
		if err != nil {
			return fmt.Errorf("state: %w", err)
		}
	}
	return nil
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
