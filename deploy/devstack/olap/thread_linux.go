package olap

import "syscall"

const (
	nicest = 19
	// zero is what the system call gives for a thread that is as nice as any:
	// it counts downwards from there.
	zero = 20
)

// yield makes the calling thread nicer. It goes on as it is where that fails.
func yield(by int) {
	now, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		return
	}
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, min(nicest, zero-now+by)) // Of Linux's threads each has its own.
}
