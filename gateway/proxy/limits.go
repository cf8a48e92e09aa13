package proxy

import "time"

const (
	// bufferBytes is one copy buffer, and the largest WebSocket frame that is
	// held until it is complete.
	bufferBytes = 32 << 10
	// idleBytes is the copy buffer of a stream on which little moves.
	idleBytes = 512
	// longHoldMax is the longest wait for a file that people take for none.
	longHoldMax = 2 * time.Second
	// idlePerUpstreamMax bounds the idle connections kept for one upstream.
	idlePerUpstreamMax = 256
	// idleConnection is how long they are kept.
	idleConnection = 90 * time.Second
	// keepAlive is how often an idle connection to an upstream is probed.
	keepAlive = 30 * time.Second
	// continueTimeout is how long an upstream has to ask for a body that was
	// announced with Expect.
	continueTimeout = time.Second
	// headersKeepMax is the largest header, in names, whose memory is worth keeping.
	headersKeepMax = 64
	// waitCheck is how often a request that waits for its upstream is looked at.
	waitCheck = time.Second

	// statusMax is the largest status that HTTP can carry.
	statusMax = 999

	// returnAfter and returnSpread say when the streams of a gateway that goes away
	// may come back, to another: at random, not all at once.
	returnAfter  = 500 * time.Millisecond
	returnSpread = 4500 * time.Millisecond
)

// past is a deadline that has gone by.
func past() time.Time { return time.Unix(1, 0) }
