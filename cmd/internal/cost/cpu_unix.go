package cost

import (
	"syscall"
	"time"
)

// CPU is the time that the process has spent on processors: what is left of a
// measurement on a machine that is shared.
func CPU() time.Duration {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	if err != nil {
		return 0 // No such kernel.
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
