package standby

import "time"

const (
	// WorkersMax is the most analyzers that a standby may stand by for.
	WorkersMax = 1024

	everyLeast = 100 * time.Millisecond
	everyMost  = time.Hour
	// bytesMin and rateMin are below what any use has: less is a wrong unit.
	bytesMin = 1 << 20
	rateMin  = 64 << 10
)
