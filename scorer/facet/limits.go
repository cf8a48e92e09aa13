package facet

import "time"

const (
	// CutEvery is the time, by the stream clock, between two cuts.
	CutEvery = time.Second
	// CutEvents is the number of events after which a cut is made sooner.
	CutEvents = 256
	// keptMax bounds the facets that the first stage keeps for the ranges to come;
	// one range alone shows some hundred.
	keptMax = 1024
	// sourcesMax bounds the requests partitions whose watermark is kept.
	sourcesMax = 4096
)
