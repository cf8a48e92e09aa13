//go:build linux || darwin

package doctor

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"syscall"
)

// roomAt is the room on the disk of a folder, in bytes.
func roomAt(path string) (free, total uint64, err error) {
	var s syscall.Statfs_t
	err = syscall.Statfs(path, &s)
	if err != nil {
		return 0, 0, &os.PathError{Op: "look at room", Path: path, Err: err}
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), nil
}

// ownLimit is how many files this process may have open.
func ownLimit() (uint64, error) {
	var l syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	if err != nil {
		return 0, fmt.Errorf("read limit: %w", err)
	}
	return l.Cur, nil
}

// limitOf is how many files another process may have open.
func limitOf(pid int) (uint64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/limits")
	if err != nil {
		return 0, fmt.Errorf("read limits: %w", err)
	}
	m := regexp.MustCompile(`(?m)^Max open files +(\d+)`).FindSubmatch(b)
	if m == nil {
		return 0, errors.New("limit is not told")
	}
	return strconv.ParseUint(string(m[1]), 10, 64)
}
