//go:build unix

package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// asideFolder holds damaged files.
const asideFolder = "damaged"

// Folder is a folder of the file system, as a [Disk].
type Folder struct{ dir string }

// NewFolder makes the folder if it is missing.
func NewFolder(dir string) (*Folder, error) {
	err := os.MkdirAll(dir, 0o700)
	if err != nil {
		return nil, fmt.Errorf("make spool folder: %w", err)
	}
	return &Folder{dir: dir}, nil
}

// Lock implements [Disk].
func (d *Folder) Lock() (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(d.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w; give each gateway a folder of its own", d.dir, ErrLocked), f.Close())
	}
	return f, nil
}

// List implements [Disk].
func (d *Folder) List() ([]string, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, fmt.Errorf("list spool: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Create implements [Disk].
func (d *Folder) Create(name string, size int) (File, error) {
	f, err := os.OpenFile(filepath.Join(d.dir, name), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600) //nolint:gosec // The operator names the folder, we the file.
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	err = allocate(f, size)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("allocate %s: %w", name, err), f.Close(), os.Remove(f.Name()))
	}
	return mapped(f, size)
}

// Open implements [Disk].
func (d *Folder) Open(name string) (File, error) {
	f, err := os.OpenFile(filepath.Join(d.dir, name), os.O_RDWR, 0o600) //nolint:gosec // As above.
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", name, err), f.Close())
	}
	return mapped(f, int(st.Size()))
}

// Remove implements [Disk].
func (d *Folder) Remove(name string) error {
	return os.Remove(filepath.Join(d.dir, name)) //nolint:wrapcheck // Names the file.
}

// SetAside implements [Disk]. The oldest go where there are too many.
func (d *Folder) SetAside(name string) error {
	aside := filepath.Join(d.dir, asideFolder)
	err := os.MkdirAll(aside, 0o700)
	if err != nil {
		return fmt.Errorf("set %s aside: %w", name, err)
	}
	err = os.Rename(filepath.Join(d.dir, name), filepath.Join(aside, name))
	if err != nil {
		return fmt.Errorf("set %s aside: %w", name, err)
	}
	there, err := os.ReadDir(aside) // In order of their names, which begin with their time.
	if err != nil {
		return fmt.Errorf("set %s aside: %w", name, err)
	}
	for _, e := range there[:max(0, len(there)-damagedMax)] {
		err = errors.Join(err, os.Remove(filepath.Join(aside, e.Name())))
	}
	return err
}

// Sync implements [Disk].
func (d *Folder) Sync() error {
	f, err := os.Open(d.dir)
	if err != nil {
		return fmt.Errorf("sync spool folder: %w", err)
	}
	return errors.Join(f.Sync(), f.Close())
}

// mappedFile is a file in memory.
type mappedFile struct {
	f *os.File
	b []byte
}

func mapped(f *os.File, size int) (File, error) {
	if size <= 0 {
		return &mappedFile{f: f}, nil
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map %s: %w", filepath.Base(f.Name()), err), f.Close())
	}
	return &mappedFile{f: f, b: b}, nil
}

// Bytes implements [File].
func (m *mappedFile) Bytes() []byte { return m.b }

// Sync implements [File]: it writes what the mapping has changed too.
func (m *mappedFile) Sync() error {
	err := syncData(m.f)
	if err != nil {
		return fmt.Errorf("sync %s: %w", filepath.Base(m.f.Name()), err)
	}
	return nil
}

// Close implements [File].
func (m *mappedFile) Close() error {
	var err error
	if m.b != nil {
		err = syscall.Munmap(m.b)
		m.b = nil
	}
	return errors.Join(err, m.f.Close())
}

// fill takes a file's blocks by writing zeros, where the file system has no
// faster way.
func fill(f *os.File, size int) error {
	zeros := make([]byte, 64<<10)
	for at := 0; at < size; at += len(zeros) {
		_, err := f.WriteAt(zeros[:min(len(zeros), size-at)], int64(at))
		if err != nil {
			return err //nolint:wrapcheck // Names the file.
		}
	}
	return nil
}
