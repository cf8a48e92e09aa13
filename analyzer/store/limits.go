package store

import "time"

// Limits of the storing path. Memory is bounded by partitions ×
// (batch_bytes + one fetch), whatever is down for however long.
const (
	// RecordsMax is the most records of one cut that a configuration may ask for.
	RecordsMax = 500_000
	// BatchBytesMax is the most bytes of one cut that a configuration may ask for.
	BatchBytesMax = 256 << 20
	// CutBytesMax bounds a cut record, below Kafka's default of 1 MiB. Lanes of
	// the oldest epochs are left out where a state would not fit.
	CutBytesMax = 900 << 10
	// DeadMax is how many dead letters a person's tool looks at, the newest.
	DeadMax = 10_000
	// LinksMax bounds the links of a batch's span.
	LinksMax = 32

	clientID       = "vigil-storing" // For the brokers' logs.
	fetchBytes     = 1 << 20
	cutsScanMax    = 100_000  // How far back a start looks for declared cuts.
	cutsPerSource  = 64       // Winners kept per partition: as far as a zombie can be behind.
	marksMax       = 4096     // Source partitions of one assessments partition.
	inBandBytes    = 64 << 10 // Of the answer to an insert; an exception has 16 KiB at most.
	requestTimeout = 10 * time.Second
	fetchWait      = 250 * time.Millisecond
	retryFirst     = 100 * time.Millisecond
	stateEvery     = time.Minute
	faultLogEvery  = 10 * time.Second
	missMax        = 20 // Empty reads below the end of a partition before an offset is passed over.
)
