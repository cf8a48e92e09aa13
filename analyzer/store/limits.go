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
	// DeadBytesMax bounds what one write of dead letters holds beyond its first, below
	// Kafka's default of 1 MiB.
	DeadBytesMax = 900 << 10
	// LinksMax bounds the links of a batch's span.
	LinksMax = 32

	// archivedKept is how many snapshots of a partition the archive keeps, and
	// archivedMax how many it looks at, broken ones too.
	archivedKept, archivedMax = 2, 64
	// profilesPerBlock bounds one insert into table models.
	profilesPerBlock = 10_000
	// lateMax is how far behind the latest event of a partition a subject's may be
	// and its profile still be written again.
	lateMax = time.Hour

	// answerMax is how long an answer is waited for where nothing shorter is said, and
	// migrateMax the same for a statement of a migration, which may write a table anew:
	// one that was given up would begin again from the start.
	answerMax, migrateMax = 5 * time.Minute, 24 * time.Hour

	clientID            = "vigil-storing" // For the brokers' logs.
	fetchBytes          = 1 << 20
	cutsScanMax         = 100_000  // How far back a start looks for declared cuts.
	cutsPerSource       = 64       // Winners kept per partition: as far as a zombie can be behind.
	marksMax            = 4096     // Source partitions of one assessments partition.
	inBandBytes         = 64 << 10 // Of the answer to an insert; an exception has 16 KiB at most.
	recordOverheadBytes = 16       // More than the framing of a record, and of a header, that is written.
	requestTimeout      = 10 * time.Second
	fetchWait           = 250 * time.Millisecond
	retryFirst          = 100 * time.Millisecond
	stateEvery          = time.Minute
	faultLogEvery       = 10 * time.Second
	shrunkMax           = 4  // Halvings of a cut: about one read.
	calmCuts            = 8  // Cuts in time before the next ones are twice as large again.
	patienceMax         = 4  // Times insert_timeout that a try may take after others were late.
	missMax             = 20 // Empty reads below the end of a partition before an offset is passed over.

	// Of incidents: how often they are gathered, and how many findings in one step.
	incidentsEvery = 5 * time.Second
	findingsBatch  = 500
	logMax         = 100_000 // Entries of the log that a start reads.
	// How far back a step looks for what was stored, and how often for what a block
	// brought that was tried for hours.
	lateNarrow = 15 * time.Minute
	lateWide   = 24 * time.Hour
	wideEvery  = 10 * time.Minute
	// patience is how long a finding waits for its event to be stored; heldAfter how
	// long a judgement waits for its verdict.
	patience   = 2 * time.Minute
	heldAfter  = 30 * time.Second
	behindFor  = time.Hour
	usualHours = 7 * 24
	wordDays   = 30
)
