package gateway

import "time"

const (
	// lanesMax bounds the lanes; see emit.
	lanesMax = 1024
	// brokersMax bounds the addresses that Kafka is first tried at.
	brokersMax = 64
	// sessionsListMax bounds one answer of the admin port.
	sessionsListMax = 10_000
	// lastEvents is how long Run waits for handlers whose connections the
	// listener has closed, so that their events are emitted.
	lastEvents = 5 * time.Second
	// staleCheck is how often the age of the analyzer's word is looked at.
	staleCheck = time.Second
	// Timeouts of the admin port, whose answers are small.
	adminReadTimeout     = 5 * time.Second
	adminWriteTimeout    = 30 * time.Second
	adminIdleTimeout     = 60 * time.Second
	adminShutdownTimeout = 2 * time.Second
	adminHeaderBytesMax  = 16 << 10
	// seriesMax bounds the combinations of labels that are kept ready: routes,
	// decisions, reasons, methods and classes of statuses, which clients cannot
	// invent.
	seriesMax = 4096
)
