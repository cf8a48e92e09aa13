// Package spooltest has a disk that fails as disks do, and that forgets what was
// not synced when its power goes.
//
// # Contract
//
// A [Disk] is deterministic: the same calls with the same seed fail in the same
// way.
//
// # Concurrency
//
// A Disk is safe for concurrent use as far as its faults are set before.
//
// # Non-obvious
//
// After a sync that fails the pages count as clean, as Linux has it: a second sync
// succeeds and writes nothing.
package spooltest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"

	"github.com/vigil-gateway/vigil/gateway/emit/spool"
)

// pageBytes is what a disk writes as a whole.
const pageBytes = 512

// Disk is a folder in memory.
type Disk struct {
	// BytesMax is how large the disk is; 0 for no limit.
	BytesMax int
	// SyncFails says whether a sync fails; nil for never.
	SyncFails func() bool
	// BeforeSync is called before each sync of a file; it may wait. Nil for nothing.
	BeforeSync func()

	mu     sync.Mutex
	rand   *rand.Rand
	files  map[string]*content // As programs see them.
	synced map[string]*content // The names that a power loss leaves.
	locked bool
	aside  []string
}

// content is a file's.
type content struct {
	memory []byte   // What the page cache has.
	disk   []byte   // What the disk has.
	clean  [][]byte // Per page what is taken to be on the disk since a sync failed, nil for none.
}

// NewDisk returns an empty disk.
func NewDisk(seed uint64) *Disk {
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // Faults are to come again with their seed.
	return &Disk{rand: r, files: make(map[string]*content), synced: make(map[string]*content)}
}

// Lock implements [spool.Disk].
func (d *Disk) Lock() (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked {
		return nil, spool.ErrLocked
	}
	d.locked = true
	return unlock{d}, nil
}

type unlock struct{ d *Disk }

// Close gives the lock back.
func (u unlock) Close() error {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	u.d.locked = false
	return nil
}

// List implements [spool.Disk].
func (d *Disk) List() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.files)), nil
}

// Create implements [spool.Disk].
func (d *Disk) Create(name string, size int) (spool.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	used := size
	for _, c := range d.files {
		used += len(c.memory)
	}
	if d.BytesMax > 0 && used > d.BytesMax {
		return nil, fmt.Errorf("create %s: %w", name, syscall.ENOSPC)
	}
	c := &content{memory: make([]byte, size), disk: make([]byte, size), clean: make([][]byte, (size+pageBytes-1)/pageBytes)}
	d.files[name] = c
	return &file{d, c}, nil
}

// Open implements [spool.Disk].
func (d *Disk) Open(name string) (spool.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.files[name]
	if c == nil {
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	}
	return &file{d, c}, nil
}

// Remove implements [spool.Disk].
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files[name] == nil {
		return fmt.Errorf("remove %s: %w", name, fs.ErrNotExist)
	}
	delete(d.files, name)
	return nil
}

// SetAside implements [spool.Disk].
func (d *Disk) SetAside(name string) error {
	err := d.Remove(name)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.aside = append(d.aside, name)
	return nil
}

// Aside names the files that were set aside.
func (d *Disk) Aside() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.aside)
}

// Sync implements [spool.Disk].
func (d *Disk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.synced = maps.Clone(d.files)
	return nil
}

// Kill is the disk after the process has died: everything that was written is
// there, and what was not synced still waits for it.
func (d *Disk) Kill() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := &Disk{BytesMax: d.BytesMax, rand: d.rand, files: make(map[string]*content), synced: make(map[string]*content), aside: d.aside}
	for name, c := range d.files {
		next.files[name] = &content{memory: slices.Clone(c.memory), disk: slices.Clone(c.disk), clean: slices.Clone(c.clean)}
		if d.synced[name] == c {
			next.synced[name] = next.files[name]
		}
	}
	for name, c := range d.synced {
		if d.files[name] == nil {
			next.synced[name] = c
		}
	}
	return next
}

// PowerLoss is the disk after its power was gone: of what was not synced some pages
// are there and some are not, and so it is with the names of files.
func (d *Disk) PowerLoss() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := make(map[string]*content)
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		if d.synced[name] == d.files[name] || d.rand.IntN(2) == 0 {
			names[name] = d.files[name]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.synced)) {
		if d.files[name] == nil && d.rand.IntN(2) == 0 {
			names[name] = d.synced[name]
		}
	}
	return d.after(names)
}

// torn is what is left of a file.
func (d *Disk) torn(c *content) []byte {
	b := slices.Clone(c.disk)
	for page, at := 0, 0; at < len(b); page, at = page+1, at+pageBytes {
		if !c.isClean(page) && d.rand.IntN(2) == 0 {
			copy(b[at:min(at+pageBytes, len(b))], c.memory[at:])
		}
	}
	return b
}

// after is a disk with what is left of files. Callers hold d.mu.
func (d *Disk) after(names map[string]*content) *Disk {
	next := &Disk{BytesMax: d.BytesMax, rand: d.rand, files: make(map[string]*content), aside: d.aside}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		b := d.torn(names[name])
		next.files[name] = &content{memory: b, disk: slices.Clone(b), clean: make([][]byte, (len(b)+pageBytes-1)/pageBytes)}
	}
	next.synced = maps.Clone(next.files)
	return next
}

// WriteBack puts what was written on the disk, as the system does by itself from
// time to time.
func (d *Disk) WriteBack() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.files {
		copy(c.disk, c.memory)
	}
}

// Flip turns one bit of a file, of those that some byte of it has set. False means
// that the file is not there or empty.
func (d *Disk) Flip(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.files[name]
	if c == nil {
		return false
	}
	var used []int
	for at, b := range c.memory {
		if b != 0 {
			used = append(used, at)
		}
	}
	if len(used) == 0 {
		return false
	}
	at := used[d.rand.IntN(len(used))]
	c.memory[at] ^= 1 << d.rand.IntN(8)
	c.disk[at] = c.memory[at]
	return true
}

// isClean reports that a sync would not write a page.
func (c *content) isClean(page int) bool {
	at := page * pageBytes
	now := c.memory[at:min(at+pageBytes, len(c.memory))]
	then := c.disk[at:min(at+pageBytes, len(c.memory))]
	if c.clean[page] != nil {
		then = c.clean[page]
	}
	return string(now) == string(then)
}

// file is an open file.
type file struct {
	d *Disk
	c *content
}

// Bytes implements [spool.File].
func (f *file) Bytes() []byte { return f.c.memory }

// Sync implements [spool.File].
func (f *file) Sync() error {
	if f.d.BeforeSync != nil {
		f.d.BeforeSync()
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	fails := f.d.SyncFails != nil && f.d.SyncFails()
	c := f.c
	for page, at := 0, 0; at < len(c.memory); page, at = page+1, at+pageBytes {
		if c.isClean(page) {
			continue
		}
		end := min(at+pageBytes, len(c.memory))
		c.clean[page] = nil
		if fails && f.d.rand.IntN(2) == 0 {
			c.clean[page] = slices.Clone(c.memory[at:end])
			continue
		}
		copy(c.disk[at:end], c.memory[at:end])
	}
	if fails {
		return fmt.Errorf("sync: %w", errIO)
	}
	return nil
}

var errIO = errors.New("input/output error")

// Close implements [spool.File].
func (f *file) Close() error { return nil }
