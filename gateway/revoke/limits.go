package revoke

import "time"

// Limits of a configuration: beyond them a value is a mistake.
const (
	// VerdictsLimit bounds the verdicts that are kept.
	VerdictsLimit = 10_000_000
	// FileBytesLimit bounds the verdict file.
	FileBytesLimit = 64 << 30
	// PartitionsMax bounds the partitions that are followed.
	PartitionsMax = 1024

	// clearsKeep is how long an operator's clearing of other authorities'
	// verdicts is remembered: longer than any of them may last.
	clearsKeep = 90 * 24 * time.Hour
	// fetchBytesMax bounds one answer, but for a first batch that is larger; each
	// partition has one at a time.
	fetchBytesMax = 256 << 10
	// rewriteBytesMin is the size below which the file is never rewritten.
	rewriteBytesMin = 1 << 20
	// pendingBytesMax bounds what waits for the disk.
	pendingBytesMax = 64 << 20
	// complaintsMax bounds the memory of what has been logged once.
	complaintsMax = 1024
	// fuseTenantsMax bounds the tenants that have a fuse of their own; the rest share one.
	fuseTenantsMax = 1024
	// endsPerWindow bounds how finely a fuse remembers when sessions were ended.
	endsPerWindow = 100
	// kidsMax bounds the ids of keys that a ledger tells apart; more are one.
	kidsMax = 255
	// rereadGap is the least time between two readings of a partition from its
	// beginning because something in it was missing.
	rereadGap = time.Minute
	// aheadGap is the least time between two alarms about clocks.
	aheadGap = time.Minute
	// watchInterval is how often new partitions are looked for.
	watchInterval = 5 * time.Second
	// sweepInterval is how often lapsed verdicts are dropped.
	sweepInterval = time.Minute
)
