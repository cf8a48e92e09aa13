package state

import "time"

const (
	// headerBytesMax bounds a file's header: a few short fields, and the chains of as
	// many gateways as a book of seals holds.
	headerBytesMax = 8 << 20
	// kept is the number of snapshots per partition: the newest and the one before.
	kept = 2
	// BodyBytesMax bounds the body of a snapshot, on disk and in the archive.
	BodyBytesMax = 4<<30 + 1<<20
	// ChunkBytesMax bounds a chunk of a body in the archive: what the memory of an
	// insert, of a merge and of an answer is bounded by.
	ChunkBytesMax = 8 << 20
	// waitMax bounds archive_wait: a partition that waits longer is better replayed.
	waitMax = time.Minute
	// archiveTimeout bounds one write to the archive; the next snapshot waits for it.
	archiveTimeout = 2 * time.Minute
	// restoreTimeout bounds reading one snapshot from the archive, chunk by chunk.
	restoreTimeout = 30 * time.Second
)
