package bus

import "time"

const (
	// metadataTTL is how old a client's idea of the cluster may get; it bounds
	// how long a moved partition or a new topic goes unseen. It is also the time
	// that kafka-go gives the answer, so it must not be short.
	metadataTTL = 2 * time.Second
	// idleTimeout is how long a connection that nobody uses is kept.
	idleTimeout = time.Minute
	// batchBytesMax bounds the records of a batch that is read, as they came and unpacked: the
	// analyzer writes batches below 1 MiB, or of one record that an envelope bounds to as
	// much.
	batchBytesMax = 4 << 20
	// dialTimeout bounds a connection attempt.
	dialTimeout = 3 * time.Second
)
