package announce

import "time"

const (
	// targetsMax bounds the verdicts that a partition remembers. Lapsed ones go
	// first, then the one that lapses soonest: forgetting costs a repeat, never a verdict.
	targetsMax = 200_000
	// tenantsMax bounds the tenants that have a fuse of their own; the rest share one.
	tenantsMax = 1024
	// heldMax bounds the findings of a partition that wait for a person.
	heldMax = 1000
	// owedMax bounds the records that the control topic is owed of a partition while it
	// cannot be written, and the tombstones as well.
	owedMax = 4 * heldMax
	// ledgerMax bounds those of all partitions that a process reads from the topic.
	ledgerMax = 64 * heldMax
	// ledgerFresh is how long what was read of it is read on from, well below the
	// day for which a broker keeps a tombstone by default.
	ledgerFresh = time.Hour
	// evidenceMax bounds the reasons in a verdict: the strongest come first.
	evidenceMax = 20
	// envelopePiecesMax bounds the operator's envelope in a control event: 32 KiB,
	// half of what an event may have.
	envelopePiecesMax = 16
	// beatGap is the shortest time between two heartbeats of a partition, awaitedGap
	// where a gateway holds a response back until it hears of the next: each costs every
	// gateway a signature check of about 60 µs.
	beatGap    = 100 * time.Millisecond
	awaitedGap = 5 * time.Millisecond
	// beatLanesMax bounds the lanes in a heartbeat: 512 take about 35 KiB. Others follow
	// in the next one.
	beatLanesMax = 512
	// repeatGap is how much later not_before must be before a verdict of the
	// same strength is worth announcing again.
	repeatGap = 10 * time.Second
	// clearedFor is how long the observe verdict that a restore leaves says so.
	clearedFor = 24 * time.Hour
	// tombstoneAfter is how long a lapsed verdict stays in the compacted topic.
	tombstoneAfter = 24 * time.Hour
	// resignedMax bounds the verdicts that are signed anew per heartbeat: 200,000
	// take less than two minutes.
	resignedMax = 2000
	// tombstonesMax bounds the tombstones written per heartbeat.
	tombstonesMax = 100

	// writeBytesMax is where a write is cut into batches: a broker refuses a
	// batch above 1 MiB. recordOverheadBytes is more than a record's framing.
	writeBytesMax       = 900 << 10
	recordOverheadBytes = 16
	// writeTimeout bounds one attempt to write, in time; attempts go on until the caller gives up.
	writeTimeout = 5 * time.Second
	// writeBackoff, doubled each time, and writeBackoffMax bound the wait between two attempts.
	writeBackoff    = 20 * time.Millisecond
	writeBackoffMax = time.Second
	// readTimeout is how long reading a partition may go without a record: how long it
	// takes altogether follows from what stands there.
	readTimeout = 30 * time.Second
	// pastStall is the same for what was said in other partitions: a partition that
	// somebody has had waits no longer for them. pastRetry is until they are tried again.
	pastStall, pastRetry = 3 * time.Second, 5 * time.Second
	// heldStall is the same for what waits for a person, and how long it may take to note
	// that something does; heldRetry is until either is tried again.
	heldStall, heldRetry = 3 * time.Second, 5 * time.Second
	// watchEvery is how often it is looked whether what stands is the last record of its
	// key: a broker compacts no segment that is younger than ten minutes.
	watchEvery = time.Minute
	// heardMax bounds the records of operators and feeds that a partition has not verified
	// yet, and spokenBytesMax them and those that stand, in bytes: what some 10,000 verdicts
	// take. Beyond it a word is in force and not watched.
	heardMax       = 4096
	spokenBytesMax = 8 << 20
	// readBytesMax is what one read of it asks for.
	readBytesMax = 4 << 20
	// stallsMax is how many reads without progress mean that something is wrong.
	stallsMax = 100
)
