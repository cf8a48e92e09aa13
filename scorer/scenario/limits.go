package scenario

// Limits of a script.
const (
	// BytesMax bounds its text.
	BytesMax = 1 << 20
	// EventsMax bounds the events that its loops come to.
	EventsMax = 1_000_000
	// depthMax bounds the nesting of loops.
	depthMax = 8
)
