package memdir

import (
	"os"
	"testing"
)

// New is a folder in memory, which goes with the test.
func New(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "vigil-") //nolint:usetesting // That would be on the disk.
	if err != nil {
		return tb.TempDir()
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
