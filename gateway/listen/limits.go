package listen

import "time"

// Limits of a listener beside those in Config.
const (
	// StreamsMax bounds the concurrent HTTP/2 streams of one connection;
	// browsers use up to 100.
	StreamsMax = 250
	// frameBytesMax bounds an HTTP/2 frame, and what one holds of memory before it is
	// looked at. It is what RFC 9113 begins with; net/http would announce 1 MiB.
	frameBytesMax = 16 << 10
	// pingAfter is how long an HTTP/2 connection may be silent before it is
	// pinged, pingTimeout how long the answer may take, and writeStall how long
	// it may refuse bytes that are there for it.
	pingAfter   = 30 * time.Second
	pingTimeout = 15 * time.Second
	writeStall  = 60 * time.Second
	// bodyDrain is how long the rest of a body is waited for that nobody wants.
	bodyDrain = 500 * time.Millisecond
	// helloEntriesMax bounds the ciphers, extensions and signature algorithms of a
	// hello that its fingerprint is made of, so that 64 KiB of them cost no more
	// than a handshake does; real clients name fewer than a hundred.
	helloEntriesMax = 256
	// ja4Bytes is the length of a fingerprint.
	ja4Bytes = 36
)
