package topic

// Limits of a batch of any topic. A reader passes over what is larger, so that whoever
// may write cannot make it unpack without end; a writer stays within them, however its
// brokers are configured.
const (
	// BatchBytesMax bounds the records of one batch, unpacked.
	BatchBytesMax = 32 << 20
	// BatchRecordsMax bounds how many there are.
	BatchRecordsMax = 100_000
)
