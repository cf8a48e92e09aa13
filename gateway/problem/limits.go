package problem

import "time"

// textBytesMax is what a WebSocket close frame has room for behind its code.
const textBytesMax = 123

// challengeItemsMax bounds the scopes and contexts that a challenge names, so
// that a header stays below what every client takes.
const challengeItemsMax = 16

// bodyDrainMax is how long a request's body may be that is read to its end, so that
// the connection can serve another request, although nobody wants it.
const bodyDrainMax = 64 << 10

const (
	// cutRetryAfter and cutRetrySpread say when a client that was cut may come back:
	// after 2 to 20 seconds, so that 10,000 of them are 550 in a second.
	cutRetryAfter  = 2 * time.Second
	cutRetrySpread = 18 * time.Second
	// blockRetryAfter is the same for one who is blocked, and half of its longest: he
	// can do nothing to be let in.
	blockRetryAfter = time.Minute
)
