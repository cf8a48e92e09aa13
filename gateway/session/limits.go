package session

import "time"

const (
	// shards is the number of independent parts of a table. 64 keeps two
	// of 16 busy cores from meeting more than once in four requests.
	shards = 64
	// AliasesMax bounds the names of one session beside its id: sid, jti, a
	// cookie and one to spare. Aliases beyond it are not listed.
	AliasesMax = 4
	// lapsedKept is how long a lapsed verdict is remembered, so that an earlier
	// one of the same key cannot come back by a replay.
	lapsedKept = time.Hour
	// sweepEvery is how often at most a shard is swept of lapsed verdicts.
	sweepEvery = time.Minute
	// partiesMax is how many parties stay listed, most of them between two requests:
	// as many as tokens are remembered by default. Each is about 2 KiB.
	partiesMax = 16_384
	// idleSample is how many parties are compared when one has to go.
	idleSample = 8
	// evictSample is how many verdicts are compared when one has to go.
	evictSample = 64
	// evictedEvery is the least time between two log lines about verdicts that had to go.
	evictedEvery = 10 * time.Second
	// bucket4 and bucket6 are the prefix lengths under which visits are found by
	// network. The facet stage judges /24 and /48, so that its verdicts need
	// one look-up.
	bucket4 = 24
	bucket6 = 48
)
