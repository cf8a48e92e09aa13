package seal

import "time"

// Limits of what a reader takes: beyond them a seal is none.
const (
	// RecordsMax bounds a batch, as a gateway's configuration does.
	RecordsMax = 100_000
	// BytesMax bounds what a reader holds of a batch until it is whole.
	BytesMax = 64 << 20
	// KidBytesMax bounds the id of a key.
	KidBytesMax = 64
	// pathMax bounds the path from a batch to the root of its round.
	pathMax = 12
	// RoundMax bounds how many batches one signature is of.
	RoundMax = 1 << pathMax
	// rootsShards and rootsShardMax bound what [Roots] remember: two times so many
	// rounds of all gateways, of 128 bytes.
	rootsShards, rootsShardMax = 32, 128
	// skewMax is how much earlier than its beginning a key is believed: clocks differ.
	skewMax = time.Minute
	// livesMax is how many lives of a gateway a [Book] remembers: the one that
	// runs, and one whose last batch comes late. A batch of a third one, of a gateway
	// that began three lives while it was on its way, is believed for its signature and
	// compared with none before it: that it forks or that others are missing in front of
	// it is not told here. Nothing is lost, double or forged by that. What its records
	// repeat or lack the lanes' numbers tell ([event.Positions]), for each life that they
	// name, and only who holds the key can fork. More lives would be more to keep for a
	// gateway that dies again and again, and no number of them is enough for whoever
	// plays old ones back.
	livesMax = 2
	// spansMax is how many ranges of missing batches it remembers of a life.
	spansMax = 8
	// gatewaysMax bounds a book; a key set lists fewer.
	gatewaysMax = 8192
)
