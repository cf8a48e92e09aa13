package spool

import (
	"errors"
	"os"
	"syscall"
)

// allocate takes a file's blocks, so that no write to it meets a full disk: in a
// mapped file that would end the process.
func allocate(f *os.File, size int) error {
	err := syscall.Fallocate(int(f.Fd()), 0, 0, int64(size))
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return fill(f, size)
	}
	return err //nolint:wrapcheck // The caller names the file.
}

// syncData writes a file's data and what is needed to find them, and not its times:
// those would cost a write of the file system's journal each time.
func syncData(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) } //nolint:wrapcheck // The caller names the file.
