//go:build unix

package upstream

import (
	"errors"
	"syscall"
)

// nothingToRead reports whether a socket has neither bytes nor an end to read.
func nothingToRead(fd uintptr) bool {
	var b [1]byte
	for {
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EWOULDBLOCK):
			return true
		}
		return false // Bytes that nobody has asked for, the end, or a fault.
	}
}
