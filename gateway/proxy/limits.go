package proxy

import "time"

const (
	// bufferBytes is one copy buffer, and the largest WebSocket frame that is
	// held until it is complete.
	bufferBytes = 32 << 10
	// idlePerUpstreamMax bounds the idle connections kept for one upstream.
	idlePerUpstreamMax = 256
	// idleConnection is how long they are kept.
	idleConnection = 90 * time.Second
	// waitCheck is how often a request that waits for its upstream is looked at.
	waitCheck = time.Second
)

// sendingPause is how long a client that is cut in the middle of an HTTP/1.1
// body has to send its next piece, before it counts as one that has stopped. A
// chunked body whose read timed out cannot be drained any more, and the answer
// would be lost with the connection of a client that is still sending.
const sendingPause = 10 * time.Millisecond

// past is a deadline that has gone by.
func past() time.Time { return time.Unix(1, 0) }
