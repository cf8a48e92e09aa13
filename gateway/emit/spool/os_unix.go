//go:build unix && !linux

package spool

import "os"

// allocate takes a file's blocks, so that no write to it meets a full disk: in a
// mapped file that would end the process.
func allocate(f *os.File, size int) error { return fill(f, size) }

// syncData makes what was written survive a power loss.
func syncData(f *os.File) error { return f.Sync() } //nolint:wrapcheck // Names the file.
