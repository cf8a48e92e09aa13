package idp

import "time"

// Limits of the provider's HTTP server.
const (
	// BodyBytesMax bounds a token request: a form of four short fields.
	BodyBytesMax = 16 << 10
	// HeaderBytesMax bounds a request's header.
	HeaderBytesMax = 16 << 10
	// KeysMax bounds the published keys: two in use and two of the rotation before.
	KeysMax = 4
	// readTimeout bounds every read and write of the server.
	readTimeout = 10 * time.Second
	// closeTimeout bounds how long Close waits for requests in progress.
	closeTimeout = 2 * time.Second
	// lifetime is that of a token for which nobody asked another.
	lifetime = 10 * time.Minute
)
