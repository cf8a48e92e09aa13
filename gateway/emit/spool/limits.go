package spool

import "time"

// Limits of a configuration: beyond them a value is a mistake.
const (
	// SizeBytesLimit bounds the files of a spool.
	SizeBytesLimit = 1 << 40
	// SegmentBytesMin holds a few of the largest records, SegmentBytesLimit is
	// what a 32-bit offset reaches.
	SegmentBytesMin   = 256 << 10
	SegmentBytesLimit = 1 << 30
	// CommitIntervalLimit bounds what a power loss may take.
	CommitIntervalLimit = time.Second
	// StrictWaitLimit bounds how long a request may wait for the disk.
	StrictWaitLimit = 30 * time.Second
	// InFlightLimit bounds the requests under way that a crash leaves events of.
	InFlightLimit = 1 << 20
	// strictShare is the part of the places of requests under way that strict ones alone
	// may take: one in so many.
	strictShare = 4
	// BodyBytesMax bounds one record: an event, its key and its headers.
	BodyBytesMax = 80 << 10
	// LanesMax bounds the lanes of one life.
	LanesMax = 1024
	// damagedMax is how many damaged files are kept for a person to look at.
	damagedMax = 16
	// retryFirst and retryLast bound the pause after the disk has refused a segment.
	retryFirst = 50 * time.Millisecond
	retryLast  = time.Second
	// livesMax bounds the lives that a start takes over; only a gateway that
	// dies at every start has more, and each has a tiny file at least.
	livesMax = 4096
)
