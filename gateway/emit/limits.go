package emit

import (
	"time"

	"github.com/vigil-gateway/vigil/schemas/topic"
)

// Limits of a configuration: beyond them a value is a mistake.
const (
	// QueueRecordsLimit bounds a queue's records.
	QueueRecordsLimit = 10_000_000
	// QueueBytesLimit bounds a queue's bytes.
	QueueBytesLimit = 16 << 30
	// BatchRecordsLimit bounds one produce request.
	BatchRecordsLimit = topic.BatchRecordsMax
	// BatchBytesLimit bounds one produce request; brokers refuse 1 MiB by default.
	BatchBytesLimit = topic.BatchBytesMax
	// LingerLimit bounds how long a batch may wait for company.
	LingerLimit = time.Second
	// ProduceTimeoutLimit bounds the time to notice a half-open connection.
	ProduceTimeoutLimit = 10 * time.Second
	// JudgedPerSecond bounds the refusals of those who have been judged already, a
	// lane and second, that are events of their own. With 16 lanes 1,600 a second are
	// told of one by one, and a partition gets no more of a flood than that.
	JudgedPerSecond = 100
	// RefusedPerSecond bounds the refusals of one address that shows nobody's name, a
	// second, that are events of their own, whether or not it has been judged: what it
	// is worth knowing of a flood is in the first hundreds. It is far above what a
	// person does and what an office behind one address is refused.
	RefusedPerSecond = 500
	// floodKeys is how many addresses of a lane are watched for that at once.
	floodKeys = 64
	// LanesMax bounds the lanes of one gateway.
	LanesMax = 1024
	// recordOverheadBytes is what a record costs in memory and on the wire
	// beside its key and value: headers, struct, slot.
	recordOverheadBytes = 512
	// rangesMax bounds the ranges of dropped numbers per lane that wait for
	// their tombstone: they merge unless their reasons differ.
	rangesMax = 16
	// gather is how long partitions that could all send at once wait for each other, so
	// that they share a request: they become free together, by the answer to the last.
	gather = 200 * time.Microsecond
	// wireKeepMax is the largest batch whose memory is kept for the next.
	wireKeepMax = 1 << 20
	// watchInterval is how often the number of partitions is looked at.
	watchInterval = 5 * time.Second
)
