package fetch

const (
	// answerBytesMax bounds one answer: what is asked for, and the largest batch
	// that a broker may be configured to keep, which comes whole.
	answerBytesMax = 256 << 20
	// batchBytesMax bounds the records of one batch, unpacked.
	batchBytesMax = 256 << 20
)
