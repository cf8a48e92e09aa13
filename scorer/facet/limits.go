package facet

import "time"

const (
	// CutEvery is the time, by the stream clock, between two cuts, and CutEvents
	// the number of events after which one is made sooner.
	CutEvery  = time.Second
	CutEvents = 256
	// sourcesMax bounds the requests partitions whose watermark is kept.
	sourcesMax = 4096
)
