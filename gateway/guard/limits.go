package guard

import "time"

const (
	// shards is the number of independent parts of the table.
	shards = 64
	// addressesLeast keeps a shard from holding nothing; addressesMost is some 2 GiB.
	addressesLeast, addressesMost = shards, 1 << 24
	// evictSample is how many addresses are compared when one has to go.
	evictSample = 32
	// exemptMax bounds the list of exempt networks, which is searched linearly.
	exemptMax = 256
	// limitMax bounds a number in the configuration, so that no bucket overflows.
	limitMax = 1 << 24
	// warnEvery is the least time between two lines in the log about one budget.
	warnEvery = time.Minute
	// prefix6 is the part of an IPv6 address that its network gives out as one.
	prefix6 = 64
)
