package facet

import "time"

const (
	// CutEvery is the time, by the stream clock, between two cuts.
	CutEvery = time.Second
	// CutEvents is the number of events after which a cut is made sooner.
	CutEvents = 256
	// sourcesMax bounds the requests partitions whose watermark is kept.
	sourcesMax = 4096
)
