package olap

import "time"

// Limits of the server. It listens on loopback for one analyzer, its tools and
// tests; the limits keep a mistake of theirs from taking the process down.
const (
	// QueryBytesMax bounds the text of one statement.
	QueryBytesMax = 1 << 20
	// ParametersMax bounds the query parameters of one statement.
	ParametersMax = 64
	// SettingsMax bounds the settings of one statement.
	SettingsMax = 64
	// ConnectionsDefault is how many statements run at once where Options say nothing.
	ConnectionsDefault = 4
	// ConnectionsMax bounds the connections to the library: each has threads of its own.
	ConnectionsMax = 64
	// QueueMax is how many statements may wait for a connection; more get 503.
	QueueMax = 256
	// InsertBytesMax bounds the data of one insert, after decompression.
	InsertBytesMax = 1 << 30
	// ResultBytesMax bounds a result, which the library keeps whole in memory.
	ResultBytesMax = 256 << 20
	// MemoryBytesMax bounds what one statement may allocate in the engine.
	MemoryBytesMax = 2 << 30
)

// appendBytes is the size of one chunk on its way into an insert stream.
const appendBytes = 256 << 10

// Timeouts of the HTTP server; a statement itself is bounded by the engine's
// max_execution_time, which clickhouse-go sets from the context's deadline.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 2 * time.Minute // Of a whole request: a client that stalls holds a connection to the library.
	idleTimeout   = 2 * time.Minute
	drainTimeout  = 10 * time.Second
)
