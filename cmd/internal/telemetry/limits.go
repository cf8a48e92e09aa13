package telemetry

import "time"

// Limits of telemetry.
const (
	// CardinalityMax bounds the attribute sets of one instrument, explicitly
	// at the SDK's own default; what exceeds it is folded into one set.
	CardinalityMax = 2000
	// spanQueueMax bounds spans that wait for the collector; when it is full,
	// new ones are dropped. At 2,000 requests/s of 3 spans this is a third of
	// the default batch delay times the rate, with room for a burst.
	spanQueueMax = 8192
	// spanBatchMax bounds the spans of one export.
	spanBatchMax = 1024
	// exportTimeoutMax bounds one export, so that Shutdown has an end.
	exportTimeoutMax = time.Minute
	// shutdownGrace is what Shutdown waits beyond one export's time.
	shutdownGrace = 2 * time.Second
	// headersBytesMax bounds the headers file.
	headersBytesMax = 64 << 10
	// complaintEvery is the pause between two warnings about the collector.
	complaintEvery = time.Minute
)
