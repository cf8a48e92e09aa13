package ingest

import "time"

const (
	clientID      = "vigil-analyzer" // For the brokers' logs and quotas.
	fetchBytesMin = 4 << 10
	fetchBytesMax = 64 << 20
	// prefetch is how many reads wait in front of a worker.
	prefetch = 1
	// chunkRecords is after how many records verdicts go out: a full read is
	// 10 ms of scoring, too long for a verdict in its first record.
	chunkRecords = 256
	// batchBytesMax is where an assessment record is cut, well below
	// assessment.RecordBytesMax and a broker's 1 MiB.
	batchBytesMax = 800 << 10
	// waitingBytesMax is how much may wait for a write of assessments that is under way
	// before scoring waits too.
	waitingBytesMax = 4 << 20
	// replayedSoon is how many records are scored again in less time than an archive may
	// take to answer.
	replayedSoon = 50_000
	// linksMax bounds the span links of one read.
	linksMax = 32
	// missMax is after how many reads that give nothing at an offset below the
	// end the offset is passed over: it holds a transaction marker.
	missMax = 10
	// partitionsMax bounds the engines that one process may hold.
	partitionsMax = 4096

	joinBackoff = 200 * time.Millisecond
	// startBackoff, doubled each time, and startBackoffMax bound the wait between two tries
	// to begin a partition. The first is short: behind a restart of its broker each
	// connection that is left over fails once.
	startBackoff    = 20 * time.Millisecond
	startBackoffMax = 2 * time.Second
	requestTimeout  = 5 * time.Second
	leaveTimeout    = 2 * time.Second
	fetchBackoff    = 10 * time.Millisecond
	fetchBackoffMax = 500 * time.Millisecond

	// oftenLogEvery is how often the log tells of records of a kind that cannot be taken.
	oftenLogEvery = 10 * time.Second
	// countEvery is how often the active sessions of a partition are counted.
	countEvery = 10 * time.Second
)
