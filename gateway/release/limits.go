package release

import "time"

const (
	// WaitingLimit bounds a configuration: beyond it a value is a mistake.
	WaitingLimit = 1 << 20
	// HeldBytesLimit does, too.
	HeldBytesLimit = 64 << 30

	// marksMax bounds what is remembered of a lane's numbers: 1,024 lanes take 1 MiB.
	marksMax = 64
	// markGap is the least time between two of them.
	markGap = 100 * time.Millisecond
	// LaggingAfter is the age from which on a lane is counted as lagging.
	LaggingAfter = 5 * time.Second
)
