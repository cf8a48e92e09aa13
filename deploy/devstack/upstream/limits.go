package upstream

import "time"

// Limits of the service.
const (
	// BodyBytesMax bounds an upload.
	BodyBytesMax = 1 << 30
	// FormBytesMax bounds a sign-in.
	FormBytesMax = 16 << 10
	// MessageBytesMax bounds a WebSocket message.
	MessageBytesMax = 64 << 10
	// DownloadBytesMax bounds a download.
	DownloadBytesMax = 1 << 40
	// SlowMax bounds how long /slow may be asked to take.
	SlowMax = 5 * time.Minute
	// PathsMax bounds the paths that the ledger tells apart; the rest are
	// counted together, under [OtherPaths].
	PathsMax = 65536

	headerTimeout = 10 * time.Second
	closeTimeout  = 2 * time.Second
	// pieceBytes and pieceBytesMax bound what a download writes at once: a
	// hundredth of a second's share, so that the rate is even.
	pieceBytes    = 16 << 10
	pieceBytesMax = 1 << 20
)
