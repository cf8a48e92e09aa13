package config

import "time"

// Limits of a configuration.
const (
	// FileBytesMax bounds the file: a thousand routes are about 300 KiB.
	FileBytesMax = 8 << 20
	// nodesMax bounds what aliases may unfold to, so that a small file cannot
	// become a large tree.
	nodesMax = 1 << 20
	// depthMax bounds nesting.
	depthMax = 32
	// faultsMax bounds a report: beyond it a person stops reading.
	faultsMax = 200
	// distanceMax is the greatest edit distance at which a name is suggested.
	distanceMax = 3
	// reloadIntervalDefault is how often files are looked at for a change.
	reloadIntervalDefault = 5 * time.Second
)
