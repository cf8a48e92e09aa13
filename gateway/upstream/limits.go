package upstream

import "time"

const (
	// readBufferBytes is one connection's buffer: most headers fit, and a body
	// is read past it.
	readBufferBytes = 4 << 10
	// informationalMax is how many 1xx responses may precede an answer, as many
	// as net/http takes.
	informationalMax = 5
	// headersMax bounds the lines of a header.
	headersMax = 512
	// trailerBytesMax bounds the trailer of a chunked body.
	trailerBytesMax = 8 << 10
	// requestKeepMax is the largest buffer of a request that is worth keeping.
	requestKeepMax = 16 << 10
	// sweepEvery is how often idle connections are looked at while there are any.
	sweepEvery = 15 * time.Second
)

// past is a deadline that has gone by.
func past() time.Time { return time.Unix(1, 0) }
