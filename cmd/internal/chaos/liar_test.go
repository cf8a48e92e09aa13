//go:build faults

package chaos_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

const (
	// liarEnv names the folder on which this test binary is to serve the file system.
	liarEnv = "VIGIL_LIAR_AT"
	// liarSeedEnv is the seed of what a loss of power leaves.
	liarSeedEnv = "VIGIL_LIAR_SEED"
	// sector is what a disk writes whole or not at all.
	sector = 512
)

// TestMain is two programs: the tests, and the file system that they mount.
func TestMain(m *testing.M) {
	at := os.Getenv(liarEnv)
	if at == "" {
		os.Exit(m.Run())
	}
	seed, err := strconv.ParseUint(os.Getenv(liarSeedEnv), 10, 64)
	if err == nil {
		err = serveLiar(at, seed, os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "liar:", err)
		os.Exit(1)
	}
}

// liar is a file system in memory that keeps apart what was written and what would
// survive a loss of power.
type liar struct {
	syncFails atomic.Bool
	syncDelay atomic.Int64 // Nanoseconds.
	syncs     atomic.Int64 // That have ended.

	mu    sync.Mutex
	rand  *rand.Rand
	files map[string]*liarFile
}

// liarFolder is its one folder.
type liarFolder struct {
	fs.Inode

	liar *liar
}

// liarFile is a file.
type liarFile struct {
	fs.Inode

	liar    *liar
	mu      sync.Mutex
	written []byte
	durable []byte
}

// serveLiar mounts the file system and does what it is told, a line at a time, until
// there is no more to hear.
func serveLiar(at string, seed uint64, in io.Reader, out io.Writer) error {
	l := &liar{rand: rand.New(rand.NewPCG(seed, 0)), files: make(map[string]*liarFile)}
	second := time.Second
	server, err := fs.Mount(at, &liarFolder{liar: l}, &fs.Options{
		EntryTimeout: &second, AttrTimeout: &second,
		MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "liar", Name: "liar"},
	})
	if err != nil {
		return fmt.Errorf("mount at %s: %w", at, err)
	}
	_, err = fmt.Fprintln(out, "mounted")
	lines := bufio.NewScanner(in)
	for err == nil && lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		answer := "done"
		switch word {
		case "fail":
			l.syncFails.Store(rest == "on")
		case "delay":
			n, parseErr := time.ParseDuration(rest)
			err = parseErr
			l.syncDelay.Store(int64(n))
		case "syncs":
			answer = strconv.FormatInt(l.syncs.Load(), 10)
		case "power":
			err = l.image(rest)
		}
		if err == nil {
			_, err = fmt.Fprintln(out, answer)
		}
	}
	if umountErr := server.Unmount(); err == nil {
		err = umountErr
	}
	return err
}

// image writes what a loss of power at this moment leaves into a folder: of what was
// not synced any sector may be there or not.
func (l *liar) image(dir string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(l.files)) { // In order: the seed decides.
		f := l.files[name]
		f.mu.Lock()
		b := make([]byte, len(f.written))
		copy(b, f.durable)
		for at := 0; at < len(b); at += sector {
			end := min(at+sector, len(b))
			if l.rand.IntN(2) == 0 {
				copy(b[at:end], f.written[at:end])
			}
		}
		f.mu.Unlock()
		err := os.WriteFile(filepath.Join(dir, name), b, 0o600)
		if err != nil {
			return err
		}
	}
	return nil
}

// Create makes a file.
func (d *liarFolder) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	f := &liarFile{liar: d.liar}
	node := d.NewPersistentInode(ctx, f, fs.StableAttr{Mode: fuse.S_IFREG}) // A name stays, however long the kernel forgets it.
	d.liar.mu.Lock()
	d.liar.files[name] = f
	d.liar.mu.Unlock()
	out.Mode = fuse.S_IFREG | mode
	return node, nil, fuse.FOPEN_KEEP_CACHE, 0
}

// Unlink removes a file.
func (d *liarFolder) Unlink(_ context.Context, name string) syscall.Errno {
	d.liar.mu.Lock()
	defer d.liar.mu.Unlock()
	delete(d.liar.files, name)
	return 0
}

// Fsync is that of the folder: names are durable at once here.
func (d *liarFolder) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return d.liar.sync()
}

// sync is what every sync waits for, and how it ends.
func (l *liar) sync() syscall.Errno {
	time.Sleep(time.Duration(l.syncDelay.Load()))
	l.syncs.Add(1)
	if l.syncFails.Load() {
		return syscall.EIO
	}
	return 0
}

// Open gives the file.
func (f *liarFile) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

// Read reads what was written, whether or not it is durable.
func (f *liarFile) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	off = min(off, int64(len(f.written)))
	end := min(off+int64(len(dest)), int64(len(f.written)))
	return fuse.ReadResultData(append([]byte(nil), f.written[off:end]...)), 0
}

// Write writes, and makes nothing durable.
func (f *liarFile) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.grow(off + int64(len(data)))
	copy(f.written[off:], data)
	return uint32(len(data)), 0
}

// grow makes the file at least as large; callers hold mu.
func (f *liarFile) grow(size int64) {
	if missing := size - int64(len(f.written)); missing > 0 {
		f.written = append(f.written, make([]byte, missing)...)
	}
}

// Fsync makes durable what was written before, unless it fails.
func (f *liarFile) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	errno := f.liar.sync()
	if errno != 0 {
		return errno
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.durable = append(f.durable[:0], f.written...)
	return 0
}

// Allocate takes a file's blocks.
func (f *liarFile) Allocate(_ context.Context, _ fs.FileHandle, off, size uint64, _ uint32) syscall.Errno {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.grow(int64(off + size))
	return 0
}

// Getattr says how large it is.
func (f *liarFile) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	f.mu.Lock()
	defer f.mu.Unlock()
	out.Mode, out.Size = fuse.S_IFREG|0o600, uint64(len(f.written))
	return 0
}

// Setattr cuts it to a size.
func (f *liarFile) Setattr(ctx context.Context, h fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, given := in.GetSize(); given {
		f.mu.Lock()
		f.grow(int64(size))
		f.written = f.written[:size]
		f.mu.Unlock()
	}
	return f.Getattr(ctx, h, out)
}

// Flush is a close; it makes nothing durable.
func (f *liarFile) Flush(context.Context, fs.FileHandle) syscall.Errno { return 0 }

// mounted is a liar that another process serves.
type mounted struct {
	t   *testing.T
	dir string
	in  io.Writer
	out *bufio.Scanner
}

// mount mounts a liar until the test ends. Where that is not possible the test fails.
func mount(t *testing.T, seed uint64) *mounted {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test mounts a file system of its own, which needs root and /dev/fuse: run \"make test-faults\" as root")
	}
	m := &mounted{t: t, dir: t.TempDir()}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), liarEnv+"="+m.dir, liarSeedEnv+"="+strconv.FormatUint(seed, 10))
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	err = cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	m.in, m.out = in, bufio.NewScanner(out)
	t.Cleanup(func() {
		_ = in.Close() // It unmounts and ends.
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the file system ended badly: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the file system does not end")
			_ = cmd.Process.Kill()
		}
		_ = syscall.Unmount(m.dir, syscall.MNT_DETACH) // Where it could not itself.
	})
	if !m.out.Scan() || m.out.Text() != "mounted" {
		t.Fatalf("the file system does not mount: %q", m.out.Text())
	}
	return m
}

// tell has the file system do something and returns its answer.
func (m *mounted) tell(words ...string) string {
	m.t.Helper()
	_, err := fmt.Fprintln(m.in, strings.Join(words, " "))
	if err != nil {
		m.t.Fatal(err)
	}
	if !m.out.Scan() {
		m.t.Fatalf("%v: no answer", words)
	}
	return m.out.Text()
}

// syncs is how many syncs have ended.
func (m *mounted) syncs() int {
	m.t.Helper()
	n, err := strconv.Atoi(m.tell("syncs"))
	if err != nil {
		m.t.Fatal(err)
	}
	return n
}

// lossOfPower is the folder that a loss of power at this moment leaves.
func (m *mounted) lossOfPower() string {
	m.t.Helper()
	dir := m.t.TempDir()
	m.tell("power", dir)
	return dir
}
