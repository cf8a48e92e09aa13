package epochs

import "time"

const (
	// keptMax is how many epochs of a tenant stay in the topic: with one a day,
	// longer than requests are retained.
	keptMax = 16
	// everyLeast is the least time between two epochs of a tenant, at which keptMax of
	// them, less one more for each kind of subject, outlast the seven days for which
	// requests are retained: a partition that is replayed needs every epoch that a
	// retained record names, and stops where it cannot get one.
	everyLeast = 13 * time.Hour
	// keptFor is how long an epoch that was in force stays in the topic after another
	// has taken its place, longer than the records that name it: with manual promotion
	// its number says nothing about that.
	keptFor = 8 * 24 * time.Hour
	// replacedMax bounds how many those are, the latest of them.
	replacedMax = 64
	// summariesMax and tenantsMax bound what is held of the topic. Beyond them
	// records are counted and passed over.
	summariesMax = 4096
	tenantsMax   = 256
	// lookEvery is how often summaries are written and it is looked whether an
	// epoch is due.
	lookEvery = 10 * time.Second
	// readBytesMax is the most that one read takes, above any record's size.
	readBytesMax = 4 << 20
	readWait     = time.Second
)
