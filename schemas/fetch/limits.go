package fetch

import "github.com/vigil-gateway/vigil/schemas/topic"

const (
	// batchBytesMax bounds the records of one batch, as they came and unpacked, and
	// batchRecordsMax how many there are.
	batchBytesMax   = topic.BatchBytesMax
	batchRecordsMax = topic.BatchRecordsMax
	// askedShare is for how many times the bytes that a read asks for an answer may take
	// memory for what is unpacked and for the list of records; as much as one batch may
	// have is always allowed. The batch that goes beyond it is the last one; the rest
	// is read again.
	askedShare = 4
	// answerHeadBytes is what is read of an answer that is larger than any with a batch
	// that is read: what stands before the records, and the head of the first batch.
	answerHeadBytes = 4 << 10
	// brokenMax is how many batches of an answer are told of one by one that
	// cannot be read.
	brokenMax = 4
	// packedLike is how many times larger than packed records are taken to be at first, and
	// roomGrows by how much what they are unpacked to grows; roomLeast is the
	// smallest.
	packedLike = 4
	roomGrows  = 4
	roomLeast  = 4 << 10
	// snappyTimesMax is more than a byte of Snappy unpacks to: three are 64 at most.
	snappyTimesMax = 22
)
